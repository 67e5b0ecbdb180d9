// What every plot of the page shares: the page's colours, and how plotly is set up.
const GLYPHS = {
  P: ['111', '101', '111', '100', '100'], N: ['1001', '1101', '1011', '1001', '1001'],
  G: ['111', '100', '101', '101', '111'], S: ['111', '100', '111', '001', '111'], V: ['101', '101', '101', '101', '010'],
};

// A short word as an icon of plotly's toolbar, dot by dot.
function wordIcon(word) {
  let [path, width] = ['', 0];
  for (const rows of [...word].map((letter) => GLYPHS[letter])) {
    rows.forEach((row, y) => [...row].forEach((dot, x) => { if (dot === '1') path += `M${width + x} ${y}h1v1h-1z`; }));
    width += rows[0].length + 1;
  }
  return {path, width: width - 1, height: 5};
}

const CONFIG = {
  responsive: true, displaylogo: false, showSendToCloud: false,  // nothing leaves this machine
  modeBarButtonsToRemove: ['select2d', 'lasso2d', 'toImage', 'autoScale2d'],  // resetting the axes does that, too
  modeBarButtonsToAdd: ['png', 'svg'].map((format) => ({
    name: format, title: `Save as ${format.toUpperCase()}`, icon: wordIcon(format.toUpperCase()),
    click: (plot) => saveFigure(plot, format, 'longsight'),
  })),
};

// As drawn, zoomed as it is, but black on white, whatever the page looks like.
function saveFigure({layout, data, clientWidth: width, clientHeight: height}, format, filename) {
  const ink = {color: '#222'};
  const plain = {...layout, paper_bgcolor: '#fff', plot_bgcolor: '#fff', font: {...layout.font, ...ink}};
  for (const key of Object.keys(plain)) {
    if (/^[xy]axis\d*$/.test(key)) plain[key] = {...plain[key], tickfont: ink, gridcolor: '#e4e4e4'};
  }
  return Plotly.downloadImage({data, layout: plain}, {format, filename, width, height, scale: format === 'png' ? 2 : 1});
}

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function themed(layout) {
  const ink = colour('--body-text-color');
  const hair = colour('--border-color-primary');
  const result = {...layout, font: {...layout.font, color: ink, family: colour('--font') || 'sans-serif'}};
  const panel = colour('--block-background-fill');
  result.hoverlabel = {bgcolor: panel, bordercolor: hair, font: {color: ink}};
  result.modebar = {orientation: 'v', bgcolor: 'rgba(0,0,0,0)', color: colour('--body-text-color-subdued'), activecolor: ink};
  for (const key of Object.keys(result)) {
    if (/^[xy]axis\d*$/.test(key)) {
      result[key] = {...result[key], gridcolor: hair, linecolor: hair, zerolinecolor: hair, tickfont: {color: ink}};
    }
  }
  return result;
}

// Draws or redraws a figure. Where a page has a base, plotly names clip paths and gradients by the page's whole address,
// and once that has followed a control it finds them no more: so there is none while it looks.
function drawPlot(area, data, layout, config) {
  const base = document.querySelector('base');
  const href = base?.getAttribute('href');
  base?.removeAttribute('href');
  area.style.height = layout.height ? `${layout.height}px` : '';  // Plots.resize forgets the layout's own
  try {
    return Plotly.react(area, data, themed(layout), config);
  } finally {
    if (href) base.setAttribute('href', href);
  }
}

// Light and dark switch by a class on the body. A hidden plot is drawn in the other shade when it is shown.
function onShade(draw) {
  const dark = () => document.body.classList.contains('dark');
  let drawn = dark();
  const follow = () => {
    if (drawn === dark() || !element.checkVisibility()) return;
    drawn = dark();
    draw();
  };
  new MutationObserver(follow).observe(document.body, {attributes: true, attributeFilter: ['class']});
  new ResizeObserver(follow).observe(element);
}
