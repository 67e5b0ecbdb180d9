"""How the page looks: one theme, one style sheet, one font that ships with it. Nothing is fetched from elsewhere."""

import gradio as gr
from gradio.themes import colors, sizes

from app.assets import STYLES
from app.components.plot import PLOTLY_JS

INK = colors.Color(
    name="ink",
    c50="#f7f8fa",
    c100="#eef0f4",
    c200="#e0e4ea",
    c300="#c8ced8",
    c400="#a8b0bd",
    c500="#5d6676",
    c600="#4d5665",
    c700="#353d4a",
    c800="#20262f",
    c900="#161b22",
    c950="#0e1217",
)
SEA = colors.Color(
    name="sea",
    c50="#eef5fb",
    c100="#d9e9f6",
    c200="#b5d3ec",
    c300="#85b6de",
    c400="#5297cd",
    c500="#2f7cb8",
    c600="#1f649c",
    c700="#1a507d",
    c800="#194362",
    c900="#173750",
    c950="#0f2437",
)

FONT_RANGES = {
    "inter-latin-wght-normal.woff2": "U+0000-00FF, U+0131, U+0152-0153, U+02BB-02BC, U+02C6, U+02DA, U+02DC, U+0304, "
    "U+0308, U+0329, U+2000-206F, U+20AC, U+2122, U+2191, U+2193, U+2212, U+2215, U+FEFF, U+FFFD",
    "inter-greek-wght-normal.woff2": "U+0370-0377, U+037A-037F, U+0384-038A, U+038C, U+038E-03A1, U+03A3-03FF",
}


def theme() -> gr.themes.Base:
    """Calm neutrals, one blue, hairlines instead of shadows; light and dark."""
    page = gr.themes.Base(
        primary_hue=SEA,
        secondary_hue=SEA,
        neutral_hue=INK,
        spacing_size=sizes.spacing_md,
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        font=("Inter", "ui-sans-serif", "system-ui", "sans-serif"),
        font_mono=("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"),
    )
    return page.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_950",
        border_color_primary="*neutral_200",
        border_color_primary_dark="#2a313c",
        body_text_color="*neutral_900",
        body_text_color_dark="#e6e9ee",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_title_text_weight="500",
        block_title_text_size="*text_sm",
        block_title_text_color="*body_text_color_subdued",
        input_border_width="1px",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300",
        input_border_color_dark="#38414e",
        input_shadow_focus="0 0 0 3px color-mix(in srgb, *primary_400 30%, transparent)",
        button_large_text_weight="600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
        button_primary_text_color="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="#38414e",
        button_border_width="1px",
        button_secondary_text_color="*neutral_800",
        button_secondary_text_color_dark="*neutral_100",
    )


def serve_files() -> None:
    """Let the server hand out the two things the page loads besides itself: plotly and the font."""
    gr.set_static_paths([PLOTLY_JS, STYLES])


def head() -> str:
    """What the page's head carries: the font."""
    faces = "".join(
        "@font-face{font-family:Inter;font-style:normal;font-weight:100 900;font-display:swap;"
        f'src:url("gradio_api/file={STYLES / name}") format("woff2");unicode-range:{ranges}}}'
        for name, ranges in FONT_RANGES.items()
    )
    return f"<style>{faces}</style>"


SCRIPT = """
const shade = localStorage.getItem('longsight-shade');
function longsightApply(name) { document.body.classList.toggle('dark', name === 'dark'); }
function longsightShade() {
  const name = document.body.classList.contains('dark') ? 'light' : 'dark';
  localStorage.setItem('longsight-shade', name);
  longsightApply(name);
}
function longsightSide() {
  const side = document.querySelector('#side');
  if (!side?.classList.contains('open')) return setTimeout(longsightSide, 30);
  if (innerWidth <= 700) side.querySelector('.toggle-button').click();
  document.body.classList.add('side-ready');
}
function longsightBegin() {
  if (!document.body) return setTimeout(longsightBegin, 10);
  if (shade) longsightApply(shade);
  longsightSide();
}
longsightBegin();
"""
"""Light or dark: the system's choice, until the visitor makes one. The side opens closed on a phone."""

COPY_LINK = """async () => {
  await navigator.clipboard.writeText(location.href);
  const button = document.querySelector('#link');
  clearTimeout(button.told);
  button.named ??= button.textContent;
  const own = document.querySelector('#document .document:not(.empty)') && longsight.view.get('text') === 'none';
  button.textContent = 'Copied';
  button.dataset.note = own ? 'Your text is not in the link' : '';
  button.told = setTimeout(() => { button.textContent = button.named; button.dataset.note = ''; }, own ? 4000 : 1500);
}"""
