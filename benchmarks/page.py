"""What opening the page costs its visitors, and what would keep people out of it.

`python -m benchmarks.page` serves the page in a process of its own, opens it in Chromium on a desktop, on a phone, and
on a slow phone (1.6 Mbit/s, 150 ms, a processor slowed 4 times), and prints how much is sent, how much the layout
shifts (CLS), and when there is something to see, the example can be read, costs are told, and all is laid
out. Then axe-core looks at every tab, light and dark.
"""

if __name__ == "__main__":  # before anything imports torch
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from app.page import TABS
from benchmarks.load import server
from docs.pictures import browser_path

PATIENCE = 180_000  # milliseconds
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
SLOW_LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
SLOWED = 4

SHIFTS = """
window.layoutShift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layoutShift += entry.value;
}).observe({type: 'layout-shift', buffered: true});
"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime / 1000"
READABLE = "document.querySelector('.conversation .cell')?.innerText.trim().length > 20"
TOLD = "document.querySelector('.costs')?.innerText.trim().length > 20"
OPENED = "window.longsight?.opened"
NOW = "performance.now() / 1000"


COLUMNS = (
    "sent [kB]", "requests", "layout shift", "first paint [s]", "example readable [s]", "costs told [s]",
    "laid out [s]",
)  # fmt: skip


@dataclass(frozen=True)
class Device:
    """How somebody looks at the page."""

    name: str
    size: dict[str, int]
    slow: bool = False


DEVICES = (Device("desktop", DESKTOP), Device("phone", PHONE), Device("slow phone", PHONE, slow=True))


@dataclass
class Traffic:
    """What came over the line."""

    requests: int = 0
    sent: float = 0  # bytes, compressed

    def watch(self, line: CDPSession) -> None:
        line.send("Network.enable")
        line.on("Network.loadingFinished", self._add)

    def _add(self, finished: dict[str, float]) -> None:
        self.requests += 1
        self.sent += finished["encodedDataLength"]


@contextmanager
def opened(browser: Browser, address: str, device: Device, dark: bool = False) -> Iterator[tuple[Page, Traffic]]:
    """The page, on its way to such a device, in a browser that knows nothing of it."""
    context = browser.new_context(viewport=device.size, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
    try:
        page, traffic = context.new_page(), Traffic()
        page.set_default_timeout(PATIENCE)
        page.add_init_script(SHIFTS)
        line = context.new_cdp_session(page)
        traffic.watch(line)
        if device.slow:
            line.send("Network.emulateNetworkConditions", SLOW_LINE)
            line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        page.goto(address, wait_until="commit")
        yield page, traffic
    finally:
        context.close()


def costs(browser: Browser, address: str, device: Device) -> str:
    """One line of the table."""
    with opened(browser, address, device) as (page, traffic):
        page.wait_for_function(READABLE)
        readable = page.evaluate(NOW)
        page.wait_for_function(TOLD)
        told = page.evaluate(NOW)
        page.wait_for_function(OPENED)
        opened_at = page.evaluate(NOW)
        page.wait_for_timeout(2000)  # for what still moves
        paint, shift = page.evaluate(PAINT), page.evaluate("layoutShift")
    sent = f"{traffic.sent / 1e3:,.0f} | {traffic.requests}"
    return f"| {device.name} | {sent} | {shift:.2f} | {paint:.1f} | {readable:.1f} | {told:.1f} | {opened_at:.1f} |"


def violations(browser: Browser, address: str, dark: bool) -> Iterator[tuple[str, Counter[str]]]:
    """Of each tab: rule of axe-core -> how many elements break it."""
    for tab in TABS:
        with opened(browser, f"{address}/?tab={tab}", DEVICES[0], dark) as (page, _):
            page.wait_for_function(OPENED)
            page.wait_for_timeout(3000)  # for what the tab shows
            found = Axe().run(page).response["violations"]
        yield tab, Counter({each["id"]: len(each["nodes"]) for each in found})


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__).parse_args()
    path = browser_path("Opening the page needs")
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder) / "log") as (address, _),
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print(f"| | {' | '.join(COLUMNS)} |\n|---|{'---:|' * len(COLUMNS)}")
        costs(browser, address, DEVICES[0])  # the first visitor's model is loaded, and nobody else's
        for device in DEVICES:
            print(costs(browser, address, device), flush=True)
        print("\n| tab | axe-core, light | axe-core, dark |\n|---|---|---|")
        light, dark = (dict(violations(browser, address, shade)) for shade in (False, True))
        for tab in TABS:
            print(f"| {tab} | {told(light[tab])} | {told(dark[tab])} |")
        browser.close()


def told(found: Counter[str]) -> str:
    return ", ".join(f"{count} {rule}" for rule, count in sorted(found.items())) or "nothing"


if __name__ == "__main__":
    main()
