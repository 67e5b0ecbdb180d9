"""Every diagnostics panel in a real browser, on real text, with the embedded model."""

import csv
import io
import json
import re
import zipfile

import pytest
from playwright.sync_api import expect

from analysis.diagnostics.nll import NLLRecord
from analysis.diagnostics.panels import PANELS
from analysis.export.files import FORMATS, from_npz
from app.session import measurements, model_catalogue
from app.session.device_sharing import line_of
from tests.browser.conftest import PATIENCE, PHONE, shoot

MODEL = model_catalogue.names()[0]
BOOK = "?tab=diagnostics&text=hound&methods=vanilla;lm-infinite&length=768"
FIGURES = """() => [...document.querySelectorAll('.board-figure')].map(({dataset, area}) => ({
  name: dataset.name,
  types: [...new Set(area._fullData.map((trace) => trace.type))],
  traces: area._fullData.filter((trace) => trace.visible === true).length,
  legend: area._fullData.filter((trace) => trace.showlegend).map((trace) => trace.name),
  x: Object.keys(area._fullLayout).filter((key) => /^xaxis/.test(key))
    .map((key) => area._fullLayout[key].title.text).filter(Boolean),
  last: area._fullData.map((trace) => trace.x?.length ? Number(trace.x[trace.x.length - 1]) : null),
  known: area._fullData.map((trace) => [...(trace.y ?? [])].filter((y) => Number.isFinite(Number(y))).length),
  drawn: area.querySelectorAll('.scatterlayer .trace, .heatmaplayer image, .barlayer .trace, .gl-container').length,
  marks: (area.layout.shapes ?? []).filter((shape) => shape.name === 'mark').map((shape) => shape.x0 ?? shape.y0),
}))"""


@pytest.fixture(autouse=True)
def nothing_measured():
    """What an earlier test has measured would be shown at once."""
    measurements.result_cache.clear()


def sides(page, state):
    return page.locator(f".side[data-state={state}]")


def choose(page, panel):
    page.locator(f"#panel input[value={panel}]").check()
    expect(page.locator("#diagnostics-lead .lead")).to_contain_text(PANELS[panel].look[:40])


def run(page, methods=2):
    expect(page.locator("#diagnostics-run")).to_be_visible()
    page.click("#diagnostics-run")
    expect(sides(page, "done")).to_have_count(methods)
    expect(page.locator("#diagnostics-run")).to_be_visible()


def figures(page, names, until=lambda drawn: True):
    """What is drawn, by name, once it is all of `names` and `until` says that it is what is waited for."""
    for _ in range(PATIENCE // 250):
        page.wait_for_timeout(250)
        if page.locator(".board-figure .main-svg").count() < len(names):
            continue
        drawn = {figure["name"]: figure for figure in page.evaluate(FIGURES)}
        if set(drawn) == set(names) and until(drawn):
            return drawn
    raise AssertionError(f"{names} were waited for; there is {page.evaluate(FIGURES)}")


def has_in_legend(name, titles):
    return lambda drawn: set(drawn[name]["legend"]) >= set(titles)


def six_curves(drawn):
    """Two heads and their mean, of two methods."""
    return drawn["logits"]["traces"] == 6


def fill_layers(page, layers):
    page.fill("#diagnostics-layers textarea, #diagnostics-layers input", layers)
    page.keyboard.press("Tab")


def at_rest():
    return not line_of(model_catalogue.model(MODEL).device).busy


def test_the_first_thing_seen_is_a_finished_look(visit_page):
    page = visit_page("?tab=diagnostics")
    figure = figures(page, ["nll"])["nll"]
    assert figure["traces"] == 3
    buttons = [button.get_attribute("data-title") for button in page.locator("#board .modebar-btn").all()]
    assert buttons
    assert not any("Share" in title for title in buttons)  # plotly would send figures to its makers
    expect(page.locator(".board .note")).to_contain_text("A finished example, recorded")
    expect(page.locator("#diagnostics-status")).to_contain_text(re.compile(r"2,048 tokens with 3 methods: .* s"))
    shoot(page, "diagnostics")


CURVES = {
    "nll": (["Vanilla", "LM-Infinite"], "position [tokens]", 767),
    "logits": (["Vanilla", "LM-Infinite"], "position [tokens]", 750),
    "entropy": (["ln n: spread evenly", "Vanilla", "LM-Infinite"], "context length [tokens]", 750),
    "distances": (
        ["in training, at most", "in training, mean query", "Vanilla", "LM-Infinite"],
        "effective distance [tokens]",
        768,
    ),
}


def curves(page, panel):
    """Measures and checks that both methods are drawn to the end of the text."""
    choose(page, panel)
    run(page)
    legend, axis, last = CURVES[panel]
    figure = figures(page, [panel], has_in_legend(panel, legend))[panel]
    assert any(axis in title for title in figure["x"])
    assert max(last for last in figure["last"] if last is not None) >= last
    assert min(figure["known"]) > 20
    assert figure["drawn"] >= len(legend)
    for side in page.locator(".side span").all_inner_texts():
        assert re.fullmatch(r"768 tokens in .+", side)
    shoot(page, f"diagnostics-{panel}")


def test_curves_of_both_methods_are_saved_and_one_position_is_marked_everywhere(visit_page):
    page = visit_page(f"{BOOK}&panel=nll")
    curves(page, "nll")
    saved_records(page)
    saved_pictures(page)

    # the text is coloured by its surprise, and a click on a token marks it in every figure
    expect(page.locator(".texts .text")).to_have_count(2)
    tokens = page.locator(".texts .text >> nth=0 >> [data-position]")
    expect(tokens).to_have_count(515)  # from the beginning of a word on
    expect(tokens.first).to_have_attribute("title", re.compile(r"position 253: \d+\.\d\d nats"))
    tokens.nth(203).click()
    figures(page, ["nll"], lambda drawn: drawn["nll"]["marks"] == [456])
    expect(page.locator(".board .note")).to_contain_text("Marked: position 456, ")
    page.wait_for_function("location.search.includes('mark=456')")
    page.fill("#diagnostics-smoothing input", "9")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('[data-name=nll] .gtitle').textContent.includes('over 9 tokens')")
    for panel, at in (("logits", 456), ("entropy", 457)):  # a context of 457 tokens ends with token 456
        curves(page, panel)
        figures(page, [panel], lambda drawn, name=panel, at=at: set(drawn[name]["marks"]) == {at})
    curves(page, "distances")

    choose(page, "logits")
    word = page.locator("#diagnostics-lead .term")
    expect(word.get_by_role("tooltip")).to_be_hidden()
    word.focus()
    expect(word.get_by_role("tooltip")).to_contain_text("a softmax turns all scores of a token into shares")


def saved_records(page):
    saved = {}
    for kind in FORMATS:
        with page.expect_download() as download:
            page.click(f"#diagnostics-{kind}")
        assert download.value.suggested_filename == "longsight-nll.zip"
        archive = zipfile.ZipFile(download.value.path())
        assert archive.namelist() == [f"nll-vanilla.{kind}", f"nll-lm-infinite.{kind}"]
        saved[kind] = archive.read(f"nll-vanilla.{kind}")
    record = from_npz(NLLRecord, saved["npz"])
    assert (record.n, record.method, record.model) == (768, "vanilla", MODEL)
    rows = list(csv.reader(io.StringIO("".join(saved["csv"].decode().splitlines(keepends=True)))))
    assert any("nll [nats]" in row for row in rows)
    assert json.loads(saved["json"])["arrays"]["nll"]["unit"] == "nats"


def saved_pictures(page):
    for kind, begins in (("png", b"\x89PNG"), ("svg", b"<svg")):
        with page.expect_download() as download:
            page.locator("[data-name=nll] .tool", has_text=kind.upper()).click()
        assert download.value.suggested_filename == f"longsight-nll.{kind}"
        assert download.value.path().read_bytes().startswith(begins)


def test_maps_are_enlarged_down_to_a_frame_and_clusters_of_two_texts_name_the_sinks(visit_page):
    page = visit_page(f"{BOOK.replace('&length', ';self-extend&length')}&panel=attention")
    run(page, 3)
    small = ["overview-vanilla", "overview-lm-infinite", "overview-self-extend"]
    overview = figures(page, [*small, "mass"])["overview-vanilla"]
    assert "heatmap" in overview["types"]
    assert overview["drawn"] >= 4
    tops = [page.locator(f"[data-name={name}] .plot-area").bounding_box()["y"] for name in small]
    assert len(set(tops)) == 1, "maps stand at one height, however long their titles are"
    panel = page.locator("[data-name=overview-vanilla] .nsewdrag >> nth=1")
    panel.click(position={"x": 3, "y": 16})  # no handle of the map beside it lies over it
    large = ["enlarged-vanilla", "enlarged-lm-infinite", "enlarged-self-extend"]
    drawn = figures(page, [*small, "mass", *large])
    assert page.input_value("#diagnostics-enlarged textarea, #diagnostics-enlarged input") == "0.1"
    assert drawn["enlarged-vanilla"]["x"] == ["key position j"]
    assert page.locator("[data-name=enlarged-vanilla] .nsewdrag").bounding_box()["width"] > 200
    expect(page.locator("#diagnostics-status")).to_contain_text("measured")  # and not read again
    named = page.evaluate(
        "[...document.querySelectorAll('.plot-area [clip-path], .cbfill')]"
        ".map((node) => node.getAttribute('clip-path') ?? node.style.fill)"
    )
    assert len(named) > 4
    assert not [name for name in named if "http" in name], "clip paths and colour keys outlast a change of the address"
    shoot(page, "diagnostics-attention")
    page.evaluate(
        "Plotly.relayout(document.querySelector('[data-name=enlarged-vanilla] .plot-area'),"
        " {'xaxis.range[0]': 600, 'xaxis.range[1]': 660, 'yaxis.range[0]': 700, 'yaxis.range[1]': 640})"
    )
    page.wait_for_function("location.search.includes('queries=640:700') && location.search.includes('keys=600:660')")
    page.wait_for_function(
        "() => { const [map] = document.querySelector('[data-name=map-vanilla] .plot-area')?._fullData ?? [];"
        " return map?.z?.length === 60 && map.text?.[59]?.[0].includes(' looks at '); }"
    )
    width, height, *ends = page.evaluate(
        "() => { const {xaxis, yaxis} = document.querySelector('[data-name=map-vanilla] .plot-area')._fullLayout;"
        " return [xaxis._length, yaxis._length, ...xaxis.range, ...yaxis.range]; }"
    )
    assert (round(width), ends) == (round(height), [599.5, 659.5, 699.5, 639.5])

    # the layers and a second text of the clusters, where the first tokens and the sinks have names
    page.click("#method-2-remove")
    choose(page, "clusters")
    fill_layers(page, "0,4")
    expect(page.locator("#diagnostics-others")).to_be_visible()
    page.locator("#diagnostics-others input").click()
    page.get_by_role("option", name="Dracula, the first third").click()
    page.keyboard.press("Escape")
    expect(page.locator("#diagnostics-status")).to_contain_text("2 texts")
    run(page)
    names = [f"{kind}-{method}" for kind in ("clusters", "sinks") for method in ("vanilla", "lm-infinite")]
    drawn = figures(page, names)
    legend = drawn["clusters-vanilla"]["legend"]
    assert [name.rpartition(", ")[2] for name in legend] == ["others", "first tokens"] * 2
    assert drawn["clusters-vanilla"]["traces"] == 8
    assert drawn["sinks-vanilla"]["types"] == ["bar", "scatter"]
    expect(page.locator("[data-name=clusters-vanilla]")).to_contain_text(re.compile(r"separation \d\.\d"))
    expect(page.locator("[data-name=sinks-vanilla]")).to_contain_text(re.compile(r"' at \d"))
    shoot(page, "diagnostics-clusters")


def test_stop_frees_the_device_and_a_method_is_measured_beside_itself_with_other_parameters(visit_page):
    twice = "self-extend:group=4,window=128;self-extend:group=16,window=128"
    page = visit_page(f"?tab=diagnostics&text=dracula&methods={twice}&length=60000&panel=entropy")
    expect(page.locator("#document .count")).to_contain_text("tokens")
    expect(page.locator("#diagnostics-status")).to_contain_text("60,000 tokens with 2 methods")
    page.click("#diagnostics-run")
    expect(sides(page, "working")).to_contain_text(
        re.compile(r"reading [\d,]+ of 60,000 tokens · .* a second · .* left")
    )
    figures(page, ["entropy"])  # what is known so far
    assert not at_rest()
    page.click("#diagnostics-stop")
    expect(sides(page, "stopped")).to_have_count(2)
    expect(sides(page, "stopped").first).to_contain_text("memory freed")
    expect(page.locator("#diagnostics-run")).to_be_visible()
    page.wait_for_timeout(200)
    assert at_rest()
    assert measurements.result_cache.nbytes == 0

    # gone on with: a shorter beginning, another panel
    page.fill("#diagnostics-length input", "768")
    page.keyboard.press("Enter")
    choose(page, "nll")
    expect(page.locator("#diagnostics-status")).to_contain_text("768 tokens with 2 methods")
    run(page)
    labels = ["SelfExtend G=4", "SelfExtend G=16"]
    assert figures(page, ["nll"], has_in_legend("nll", labels))["nll"]["traces"] == 2
    expect(page.locator(".side b")).to_have_text([f"{label} (group={label[13:]}, window=128)" for label in labels])
    expect(page.locator(".texts h4")).to_contain_text(labels)
    colour = "(sides) => sides.map((side) => side.style.getPropertyValue('--method'))"
    colours = page.eval_on_selector_all(".side", colour)
    assert len(set(colours)) == 2
    with page.expect_download() as download:
        page.click("#diagnostics-csv")
    assert zipfile.ZipFile(download.value.path()).namelist() == ["nll-self-extend.csv", "nll-self-extend-2.csv"]
    assert f"methods={twice}" in page.url
    shoot(page, "diagnostics-one-method-twice")


def test_the_address_of_a_dark_phone_is_the_view_and_what_cannot_be_done_there_is_one_sentence(visit_page):
    page = visit_page(f"{BOOK}&panel=logits&layers=1&heads=0,2", size=PHONE, dark=True)
    run(page)
    figures(page, ["logits"], six_curves)
    expect(page.locator("[data-name=logits]")).to_contain_text("over heads 0, 2")
    ink = "getComputedStyle(document.querySelector('[data-name=logits] .xtick text')).fill"
    assert min(int(part) for part in re.findall(r"\d+", page.evaluate(ink))[:3]) > 180
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, "phone-diagnostics")
    assert "panel=logits" in page.url
    again = visit_page(page.url[page.url.index("?") :])  # measured before, so it is there at once
    figures(again, ["logits"], six_curves)
    expect(sides(again, "done")).to_have_count(2)

    # what cannot be done is one sentence, and nothing is lost by it
    fill_layers(again, "9")
    expect(again.locator("#diagnostics-status")).to_contain_text("768 tokens with 2 methods")
    again.click("#diagnostics-run")
    expect(sides(again, "failed")).to_have_count(2)
    expect(sides(again, "failed").first).to_contain_text("layer 9 was asked for; rope-small has 0 to")
    fill_layers(again, "many")
    expect(again.locator("#diagnostics-status .problem")).to_have_text(
        "Layers must give a whole number, but 'many' was given."
    )
    fill_layers(again, "0")
    run(again)
    again.click("#remove")
    expect(again.locator("#diagnostics-status .problem")).to_contain_text("There is no text yet")
    assert at_rest()
