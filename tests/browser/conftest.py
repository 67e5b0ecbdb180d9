"""A real server with the embedded model, and a real Chromium that can reach nothing but it."""

import os
import runpy
from pathlib import Path

import pytest
from gradio import networking
from playwright.sync_api import Page, expect, sync_playwright

from app import serving
from docs.pictures import browser_path
from longsight.errors import LongSightError
from tests.conftest import ROOT

BLOCKED = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
COMPILED_ONCE = "--blink-settings=v8CacheOptions=3"  # Chromium keeps what it compiled at the first load, not the second
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
PATIENCE = 120_000  # milliseconds that a busy machine may take for anything ordinary
QUIET = 2000  # milliseconds without a request
SHOTS = os.environ.get("LONGSIGHT_SCREENSHOTS")
"""Set it to a folder, and the tests leave their pictures there: LONGSIGHT_SCREENSHOTS=assets/screenshots."""

expect.set_options(timeout=PATIENCE)


def chromium_path():
    try:
        return browser_path("The browser tests need")
    except LongSightError as problem:
        if os.environ.get("CI"):
            pytest.fail(str(problem), pytrace=False)
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """All visitors share the cache of one profile: the page's scripts are fetched and compiled once."""
    path, profile = chromium_path(), tmp_path_factory.mktemp("profile")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch_persistent_context(
            profile, executable_path=path, args=["--no-sandbox", BLOCKED, COMPILED_ONCE],
            permissions=["clipboard-read", "clipboard-write"],
        )  # fmt: skip
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def url(browser):
    """The page, served the way `python app.py` serves it. Gradio gives itself 3 s to answer; we take longer."""
    networking.url_ok = lambda url: True
    demo = runpy.run_path(str(ROOT / "app.py"), run_name="space_app")["demo"]
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **serving.launch_options())
    yield address
    demo.close(verbose=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.failed = report.failed
    return report


@pytest.fixture
def visit_page(browser, url, request, capfd):
    """Opens pages, each by a visitor of its own, who has been nowhere before; afterwards none may have failed or asked
    for anything else, and the server has logged no fault. What a page shows when its test fails is told."""
    pages, problems = [], []

    def open_page(query="", size=DESKTOP, dark=False, late=None) -> Page:
        page = browser.new_page()
        pages.append(page)
        page.set_viewport_size(size)
        page.emulate_media(color_scheme="dark" if dark else "light")
        forget(page, url)
        page.set_default_timeout(PATIENCE)
        page.posts = []
        page.on("pageerror", lambda error: problems.append(f"error on the page: {error}"))
        page.on("request", lambda request: note(page, request, url, problems))
        if late:
            page.route("**/queue/join*", late)
        page.goto(f"{url}{query}")
        page.locator("#method-line").wait_for(state="attached")
        page.locator("#first-look").wait_for(state="detached")
        page.wait_for_function("document.querySelector('#method-line textarea, #method-line input')?.value")
        return page

    yield open_page
    logged = "".join(capfd.readouterr())
    print(logged)
    for page in pages:
        if page.is_closed():
            continue
        if request.node.failed:
            print(f"\n{page.url} shows:\n{page.inner_text('body')}")
        page.unroute_all(behavior="ignoreErrors")  # what is still answered late
        page.close()
    assert problems == []
    assert "Traceback" not in logged


def forget(page, url):
    """What a visit before has left in the browser, apart from its cache."""
    stored = page.context.new_cdp_session(page)
    stored.send("Storage.clearDataForOrigin", {"origin": url.rstrip("/"), "storageTypes": "local_storage,cookies"})
    stored.detach()


def answer_late(route):
    """Whoever starts something hears of it only when several of its messages have come, as on a slow line."""
    answer = route.fetch()
    route.request.frame.page.wait_for_timeout(600)
    route.fulfill(response=answer)


def answer_panels_after(condition):
    """What lays the page out is answered at once; whoever else asks hears of it when this JavaScript has come true."""

    def answer_when_true(route):
        page = route.request.frame.page
        answer = route.fetch()
        if not lays_out(page, route.request):
            page.wait_for_function(condition)
            page.wait_for_timeout(1500)
        route.fulfill(response=answer)

    return answer_when_true


def answer_layout_late(route):
    """The page hears of its layout when all of that has come, by the line that a panel has opened meanwhile."""
    page = route.request.frame.page
    answer = route.fetch()
    if lays_out(page, route.request):
        page.wait_for_timeout(3000)
    route.fulfill(response=answer)


def lays_out(page, request):
    return page.evaluate(LAYS_OUT, request.post_data_json["fn_index"])


LAYS_OUT = """(asked) => {
  const {dependencies} = window.gradio_config;
  const loads = dependencies.filter(({targets}) => targets.some(([, event]) => event === 'load')).map(({id}) => id);
  return loads.includes(asked) || loads.includes(dependencies.find(({id}) => id === asked).trigger_after);
}"""


def note(page, request, url, problems):
    if request.method == "POST":
        page.posts.append((request.url, len(request.post_data_buffer or b"")))
    if not request.url.startswith((url, "data:", "blob:")):
        problems.append(f"asked for {request.url}")


def paste(page, text, into="#ask textarea"):
    """Through the clipboard, as a visitor does it."""
    page.click(into)
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+V")


def ask(page, text):
    page.fill("#ask textarea", text)
    page.keyboard.press("Enter")


def left_alone(page):
    """A page that nobody touches comes to rest: it asks for nothing for two seconds."""
    for _ in range(PATIENCE // QUIET):
        page.posts.clear()
        page.wait_for_timeout(QUIET)
        if not page.posts:
            return
    assert page.posts == []


def cells(page, state):
    return page.locator(f".cell[data-state={state}]")


def shoot(page, name):
    """Keep a picture, when pictures are wanted."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def open_tab(page, name):
    """As a visitor does it, and until what the tab opens with is there."""
    page.click(f"#tab-{name}-button")
    page.locator(f"#tab-{name} {OPENS_WITH[name]} >> visible=true").first.wait_for()


OPENS_WITH = {
    "chat": ".cell", "passkey": "#passkey-grid-0 .main-svg", "diagnostics": ".board .main-svg",
    "maps": "#map-0-true .main-svg", "odometer": ".main-svg", "evaluate": ".main-svg", "about": ".glossary",
}  # fmt: skip


def upload(page, path):
    with page.expect_file_chooser() as chooser:
        page.click("#upload")
    chooser.value.set_files(str(path))


def pytest_collection_modifyitems(items):
    """The server runs in this process: what its libraries deprecate among themselves must not break its answers."""
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("default::DeprecationWarning"))
