// Draws a conversation: text goes in as text nodes only, and only what has changed is written.
const log = element.querySelector('.conversation');
let asked = props.value?.asked ?? 0;

function make(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
  parent.appendChild(node);
  return node;
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = text === '';
}

// Texts and elements, as the server has made them of Markdown: no other tags, and no attributes.
const TAGS = ['p', 'h4', 'ul', 'ol', 'li', 'blockquote', 'pre', 'code', 'em', 'strong', 'table', 'thead', 'tbody', 'tr',
  'th', 'td', 'hr', 'br', 's'];

function grow(parent, parts) {
  for (const part of parts) {
    if (typeof part === 'string') parent.append(part);
    else if (TAGS.includes(part.tag)) grow(parent.appendChild(document.createElement(part.tag)), part.inside);
  }
}

function writeAnswer(node, cell) {
  const wanted = JSON.stringify([cell.text, cell.elements]);
  if (node.written === wanted) return;
  node.written = wanted;
  node.text = cell.text;
  node.classList.toggle('formatted', Boolean(cell.elements));
  if (!cell.elements) return write(node, cell.text);
  node.replaceChildren();
  node.hidden = false;
  grow(node, cell.elements);
}

// The child of `parent` for item `index`, made by `build` when it is not there yet.
function child(parent, index, build) {
  return parent.children[index] ?? build(parent);
}

function trim(parent, count) {
  while (parent.children.length > count) parent.lastChild.remove();
}

function buildTurn(parent) {
  const node = make('section', 'turn', parent);
  const ask = make('div', 'ask', node);
  node.about = make('span', 'about', ask);
  node.question = make('p', 'question', ask);
  node.left = make('span', 'left', ask);
  node.by = make('p', 'by', node);
  node.cells = make('div', 'cells', node);
  return node;
}

function buildCell(parent) {
  const node = make('article', 'cell', parent);
  const head = make('header', '', node);
  node.heading = make('b', '', head);
  node.copy = make('button', 'copy', head);
  node.copy.type = 'button';
  node.copy.title = 'Copy this answer';
  node.copy.textContent = 'Copy';
  node.copy.onclick = () => navigator.clipboard.writeText(node.answer.text);
  node.detail = make('small', '', head);
  node.unseen = make('p', 'unseen', node);
  node.verdict = make('p', 'verdict', node);
  node.word = make('b', '', node.verdict);
  node.why = make('span', '', node.verdict);
  node.lesson = make('p', 'lesson', node);
  node.answer = make('div', 'answer', node);
  node.answer.dir = 'auto';
  node.sources = make('details', 'sources', node);
  make('summary', '', node.sources).textContent = 'Where it looked';
  node.passages = make('div', '', node.sources);
  node.problem = make('p', 'problem', node);
  node.bar = make('progress', 'bar', node);
  node.bar.max = 1;
  node.status = make('footer', '', node);
  return node;
}

// A passage is shown by itself, and opened in its surroundings.
function buildPassage(parent) {
  const node = make('details', 'passage', parent);
  const head = make('summary', '', node);
  node.excerpt = make('q', '', head);
  node.said = make('small', '', head);
  const around = make('p', 'around', node);
  node.before = make('span', '', around);
  node.mark = make('mark', '', around);
  node.after = make('span', '', around);
  around.dir = 'auto';
  return node;
}

function drawPassage(node, passage) {
  write(node.excerpt, passage.text.trim());
  write(node.said, passage.said);
  write(node.before, `… ${passage.before}`);
  write(node.mark, passage.text);
  write(node.after, `${passage.after} …`);
}

function drawCell(node, cell) {
  node.dataset.state = cell.state;
  node.style.setProperty('--method', cell.colour);
  write(node.heading, cell.title);
  write(node.detail, cell.detail);
  write(node.unseen, cell.unseen ?? '');
  writeAnswer(node.answer, cell);
  write(node.problem, cell.error);
  node.verdict.hidden = !cell.verdict;
  node.verdict.dataset.mood = cell.mood ?? '';
  write(node.word, cell.verdict ?? '');
  write(node.why, cell.why ?? '');
  write(node.lesson, cell.lesson ?? '');
  write(node.status, cell.status);
  const passages = cell.passages ?? [];
  node.sources.hidden = !passages.length;
  passages.forEach((passage, n) => drawPassage(child(node.passages, n, buildPassage), passage));
  trim(node.passages, passages.length);
  node.copy.hidden = cell.text === '';
  node.bar.hidden = cell.progress === null;
  node.bar.value = cell.progress ?? 0;
}

function drawTurn(node, turn) {
  write(node.about, turn.about);
  write(node.question, turn.question);
  write(node.left, turn.left ?? '');
  write(node.by, turn.by ?? '');
  node.question.dir = 'auto';
  node.cells.style.setProperty('--columns', turn.cells.length);
  turn.cells.forEach((cell, n) => drawCell(child(node.cells, n, buildCell), cell));
  trim(node.cells, turn.cells.length);
}

function draw() {
  const value = props.value ?? {note: '', turns: []};
  const following = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const grown = value.turns.length !== Number(log.dataset.turns ?? 0);
  const note = log.querySelector(':scope > .note') ?? make('p', 'note', log);
  write(note, value.note);
  const turns = log.querySelector(':scope > .turns') ?? make('div', 'turns', log);
  value.turns.forEach((turn, n) => drawTurn(child(turns, n, buildTurn), turn));
  trim(turns, value.turns.length);
  log.dataset.turns = value.turns.length;
  if (following || grown) log.scrollTop = log.scrollHeight;
  if (value.asked > asked) {
    asked = value.asked;
    trigger('accept');
  }
}

watch('value', draw);
draw();
