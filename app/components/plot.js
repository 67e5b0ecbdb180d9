// Draws the figure that Python sent into this component, in the colours of the page.
const area = element.querySelector('.plot-area');
const frame = element.querySelector('.plot');

function picked(event) {
  const point = event.points[0];
  trigger('pick', {x: point.x, y: point.y, curve: point.curveNumber, text: point.text ?? null});
}

async function draw() {
  if (!props.value) return;
  const figure = JSON.parse(props.value);
  await drawPlot(area, figure.data, figure.layout, CONFIG);
  area.removeAllListeners('plotly_click');
  area.on('plotly_click', picked);
}

watch('value', draw);
draw();
onShade(draw);

// A plot that was hidden has to learn its width when it is shown; Plotly refuses while it is hidden.
const resize = () => area.layout && area.checkVisibility() && window.Plotly.Plots.resize(area);
new ResizeObserver(resize).observe(frame);
