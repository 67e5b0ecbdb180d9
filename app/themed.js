// What every plot of the page shares: the page's colours, and how plotly is set up.
const CONFIG = {responsive: true, displaylogo: false, modeBarButtonsToRemove: ['select2d', 'lasso2d']};

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function themed(layout) {
  const ink = colour('--body-text-color');
  const hair = colour('--border-color-primary');
  const result = {...layout, font: {...layout.font, color: ink, family: colour('--font') || 'sans-serif'}};
  const panel = colour('--block-background-fill');
  result.hoverlabel = {bgcolor: panel, bordercolor: hair, font: {color: ink}};
  for (const key of Object.keys(result)) {
    if (/^[xy]axis\d*$/.test(key)) {
      result[key] = {...result[key], gridcolor: hair, linecolor: hair, zerolinecolor: hair, tickfont: {color: ink}};
    }
  }
  return result;
}

// Light and dark switch by a class on the body.
function onShade(draw) {
  new MutationObserver(draw).observe(document.body, {attributes: true, attributeFilter: ['class']});
}
