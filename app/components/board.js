// Draws many figures side by side, marks one position in all of them, and hands single figures out as PNG and SVG.
const board = element.querySelector('.board');
const note = board.querySelector('.note');
const figures = board.querySelector('.figures');
const texts = board.querySelector('.texts');
const [KEY_WIDTH, KEY_HEIGHT] = [70, 170];  // of a key of colours beside maps
let marked = null;

function make(tag, className, parent, text = '') {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  parent.appendChild(node);
  return node;
}

function build(name) {
  const node = make('figure', 'board-figure', figures);
  node.dataset.name = name;
  node.heading = make('h4', '', node);
  node.area = make('div', 'plot-area', node);
  const tools = make('figcaption', 'tools', node);
  for (const format of ['png', 'svg']) {
    const button = make('button', 'tool', tools, format.toUpperCase());
    button.type = 'button';
    button.title = `Save this figure as ${format.toUpperCase()}`;
    button.onclick = () => saveFigure(node.area, format, `longsight-${name}`);
  }
  new ResizeObserver(() => node.area.layout && Plotly.Plots.resize(node.area)).observe(node);
  return node;
}

function plots() {
  return [...figures.children].map((node) => node.area).filter((area) => area._fullLayout);
}

function mark(position) {
  marked = position;
  longsightMark(plots(), position);
}

function clicked(node, event) {
  const point = event.points[0];
  const map = /^layer (\d+), head (\d+)/.exec(point.data?.hovertemplate ?? '');
  const position = map ? null : longsightClicked(node.area, event);
  if (position !== null) mark(position);
  if (map || position !== null) {
    trigger('pick', {position, layer: map ? Number(map[1]) : null, head: map ? Number(map[2]) : null});
  }
}

// Dragging a frame over a pooled map asks for the tokens inside; a double click asks for all of them again.
function zoomed(node, event) {
  const [x0, x1, y0, y1] = ['xaxis', 'yaxis'].flatMap((axis) => [event[`${axis}.range[0]`], event[`${axis}.range[1]`]]);
  const back = event['xaxis.autorange'] || event['xaxis.range'];
  if (back && 'pooled' in (node.area.layout.meta ?? {})) return trigger('zoom', {queries: null, keys: null});
  if (x0 === undefined || y0 === undefined || !node.area.layout.meta?.pooled) return;
  const range = (a, b) => [Math.max(0, Math.floor(Math.min(a, b))), Math.max(1, Math.ceil(Math.max(a, b)))];
  trigger('zoom', {queries: range(y0, y1), keys: range(x0, x1)});
}

// Square maps are as high as their width allows: more height would be empty.
function height({layout}, width) {
  const {height = 460, margin} = layout;
  if (layout.yaxis?.constrain !== 'domain' || !width) return height;
  const count = (axis) => new Set(Object.keys(layout).filter((key) => key.startsWith(axis))
    .map((key) => layout[key].domain?.[0])).size;
  const side = (width - margin.l - margin.r - KEY_WIDTH) / count('xaxis');
  return Math.min(height, margin.t + margin.b + Math.max(KEY_HEIGHT, side * count('yaxis')));
}

async function drawFigure(node, item) {
  if (node.drawn === item.json && node.shade === document.body.className) return;
  [node.drawn, node.shade] = [item.json, document.body.className];
  node.classList.toggle('wide', item.wide);
  const figure = JSON.parse(item.json);
  node.heading.textContent = item.wide ? '' : figure.layout.title?.text ?? '';
  if (!item.wide) figure.layout.title = {text: ''};  // plotly would cut it off
  figure.layout.height = height(figure, node.area.clientWidth);
  await drawPlot(node.area, figure.data, figure.layout, {...CONFIG, modeBarButtonsToAdd: []});
  node.area.removeAllListeners('plotly_click');
  node.area.removeAllListeners('plotly_relayout');
  node.area.on('plotly_click', (event) => clicked(node, event));
  node.area.on('plotly_relayout', (event) => zoomed(node, event));
}

function drawTexts(items) {
  texts.replaceChildren();
  texts.hidden = !items.length;
  for (const item of items) {
    const node = make('section', 'text', texts);
    node.style.setProperty('--method', item.colour);
    make('h4', '', node, item.title);
    make('div', 'text-body', node).innerHTML = item.html;  // made by Python, with every token escaped
  }
}

async function draw() {
  const value = props.value ?? {note: '', figures: [], texts: []};
  note.textContent = value.note;
  note.hidden = !value.note;
  figures.style.setProperty('--columns', value.columns ?? 1);
  const names = value.figures.map((item) => item.name);
  for (const node of [...figures.children]) {
    if (names.includes(node.dataset.name)) continue;
    Plotly.purge(node.area);
    node.remove();
  }
  for (const item of value.figures) {
    const found = [...figures.children].find((node) => node.dataset.name === item.name) ?? build(item.name);
    figures.appendChild(found);
    await drawFigure(found, item);
  }
  drawTexts(value.texts);
}

texts.addEventListener('click', (event) => {
  const token = event.target.closest('[data-position]');
  if (!token) return;
  mark(Number(token.dataset.position));
  trigger('pick', {position: marked, layer: null, head: null});
});

let drawing = Promise.resolve();
const redraw = () => { drawing = drawing.then(draw); };  // one after the other: a figure is never drawn twice at once
watch('value', redraw);
redraw();
onShade(redraw);
