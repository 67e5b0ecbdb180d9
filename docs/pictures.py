"""Figures as PNG files, drawn by the Chromium of this machine from a page that stands alone: no network, no kaleido."""

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright

from analysis.export.page import Section, stand_alone
from longsight.errors import LongSightError

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first is the same browser without windows and menus of its own, a fifth of the work of opening a page."""
WIDTH = 900  # pixels
DRAW = """async ([at, width]) => {
  const plot = document.querySelectorAll('.js-plotly-plot')[at];
  const font = {...plot.layout.font, color: '#222'};
  const layout = {...plot.layout, paper_bgcolor: '#fff', plot_bgcolor: '#fff', font};
  const height = plot.layout.height ?? 460;
  return Plotly.toImage({data: plot.data, layout: {...layout, width, height}}, {format: 'png', width, height});
}"""


def browser_path(needed: str) -> str:
    """Where a browser is. Raises `LongSightError`, which begins with what is `needed`, where there is none."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        raise LongSightError(f"{needed} one of {', '.join(BROWSERS)} on the path; none was found.")
    return path


def save(figures: Mapping[str, go.Figure], folder: Path) -> None:
    """NAME.png in `folder` for each figure, on white. Raises `LongSightError` where there is no browser."""
    path = browser_path("Drawing PNG files needs")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_content(stand_alone("figures", [Section("", "", "", figures)]))
        for at, name in enumerate(figures):
            url = page.evaluate(DRAW, [at, WIDTH])
            (folder / f"{name}.png").write_bytes(base64.b64decode(url.partition(",")[2]))
        browser.close()
