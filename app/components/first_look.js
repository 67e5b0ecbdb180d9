// Draws what a visitor reads first from Gradio's config, and gives way once Gradio has drawn it, too.
const asked = new URLSearchParams(location.search).get('__theme') ?? localStorage.getItem('longsight-shade');
const dark = ['dark', 'light'].includes(asked) ? asked === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
document.body.classList.toggle('dark', dark);

const look = document.createElement('div');
look.id = 'first-look';
look.className = 'gradio-container';
look.innerHTML = '<main><header class="brand"></header><nav></nav><div class="said"></div><div class="next"></div></main>';
look.querySelector('.brand').innerHTML = part('brand').props.value;
look.querySelector('.next').innerHTML = part('costs').props.value ?? '';
for (const {type, props} of window.gradio_config.components) {
  if (type === 'tabitem') look.querySelector('nav').appendChild(document.createElement('span')).textContent = props.label;
}
const said = look.querySelector('.said');
said.innerHTML = part('conversation').props.html_template;
document.body.prepend(look);
drawConversation(said, part('conversation').props, () => {}, () => {});

function giveWay() {
  const drawn = document.querySelector('gradio-app .cell, gradio-app .conversation .note');
  const loading = document.querySelector('gradio-app .loading')?.checkVisibility();
  if (!drawn || loading || !document.body.classList.contains('side-ready')) return setTimeout(giveWay, 30);
  const read = look.scrollTop;
  look.remove();
  document.scrollingElement.scrollTop = read;
}
giveWay();
