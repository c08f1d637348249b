"""The page on loopback, with a thousand jobs and fifty releases: how soon a browser paints it, and what it weighs."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.bench.measure import Row
from tests.web.caller import Caller
from tests.web.desk import Desk
from tests.web.years import lived_for_years

PAGES = (
    *("/", "/jobs", "/runs", "/runs/189", "/releases", "/releases/v50", "/alerts", "/judge", "/pace"),
    *("/rows", "/consent", "/consent/report", "/lineage?note=ice-road/2008"),
)
LOOKS = 15
PAINTED = """new Promise(seen => new PerformanceObserver(list => seen(list.getEntries()[0].startTime))
    .observe({type: 'paint', buffered: true}))"""


def measure(folder: Path) -> list[Row]:
    """Milliseconds until the first paint, by the browser's own clock (Paint Timing, W3C); MiB of the daemon."""
    (folder / "desk").mkdir()
    rows = [_weight(folder / "desk")]
    if chromium := shutil.which("chromium") or shutil.which("google-chrome"):
        rows += _paints(folder / "years", chromium)
    else:
        print("first paint: left out, there is no Chromium (apt-get install chromium)", file=sys.stderr)
    return rows


def _paints(folder: Path, chromium: str) -> Iterator[Row]:
    from playwright.sync_api import sync_playwright

    folder.mkdir()
    household = lived_for_years(folder)
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(household.enter())
            base = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
            for path in PAGES:
                taken = []
                for _ in range(LOOKS):
                    page.goto(base + path)
                    taken.append(page.evaluate(PAINTED))
                name = f"first paint of {path.partition('?')[0]}"
                yield Row(name=name, value=statistics.median(taken), unit="ms", goal=300.0, better="lower")
            browser.close()
    finally:
        household.leave()


def _weight(folder: Path) -> Row:
    """The page was opened, every kind of page was looked at in two languages, and nobody looks any more."""
    desk = Desk(folder)
    desk.start()
    try:
        assert desk.daemon is not None
        link = urlsplit(desk.asks_for_the_page()["url"])
        caller = Caller(port=link.port or 0)
        caller.cookie = caller.get(link.path).headers["set-cookie"].split(";")[0]
        for path in ("/", "/jobs", "/runs", "/releases", "/alerts", "/judge", "/rows", "/consent", "/pace"):
            for language in ("en", "fr"):
                assert caller.get(path, Accept_Language=language).status == 200
        time.sleep(3.0)
        resident = psutil.Process(desk.daemon.pid).memory_info().rss / 2**20
    finally:
        desk.leave()
    return Row(name="daemon with the page idle, resident", value=resident, unit="MiB", goal=70.0, better="lower")
