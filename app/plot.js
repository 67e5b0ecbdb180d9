// Draws the figure that Python sent into this component, in the colours of the page.
const area = element.querySelector('.plot-area');
const frame = element.querySelector('.plot');

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function themed(layout) {
  const ink = colour('--body-text-color');
  const hair = colour('--border-color-primary');
  const result = {...layout, font: {...layout.font, color: ink, family: colour('--font') || 'sans-serif'}};
  for (const key of Object.keys(result)) {
    if (/^[xy]axis\d*$/.test(key)) {
      result[key] = {...result[key], gridcolor: hair, linecolor: hair, zerolinecolor: hair, tickfont: {color: ink}};
    }
  }
  return result;
}

function picked(event) {
  const point = event.points[0];
  trigger('pick', {x: point.x, y: point.y, curve: point.curveNumber, text: point.text ?? null});
}

async function draw() {
  if (!props.value) return;
  const figure = JSON.parse(props.value);
  frame.setAttribute('aria-label', props.label ?? '');
  const config = {responsive: true, displaylogo: false, modeBarButtonsToRemove: ['select2d', 'lasso2d']};
  await window.Plotly.react(area, figure.data, themed(figure.layout), config);
  area.removeAllListeners('plotly_click');
  area.on('plotly_click', picked);
}

watch('value', draw);
draw();

// Light and dark switch by a class on the body; a plot that was hidden has to learn its width when it is shown.
new MutationObserver(draw).observe(document.body, {attributes: true, attributeFilter: ['class']});
new ResizeObserver(() => area.layout && window.Plotly.Plots.resize(area)).observe(frame);
