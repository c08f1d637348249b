"""Every page in every look: nothing to mend for axe, and nothing cut off when it is narrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.chromium import IN_CHROMIUM, Opened, at, named
from tests.web.household import Household

pytestmark = IN_CHROMIUM
AXE = Path(__file__).parents[2] / ".tools/qmd/node_modules/axe-core/axe.min.js"
PAGES = (
    *("/", "/jobs", "/runs", "/runs/189?queries=all", "/runs/191", "/judge", "QUESTION", "/alerts", "/nothing"),
    *("/releases", "/releases/v50", "/releases/v49/rollback", "/lineage?note=ice-road/2008"),
    *("/rows", "/rows/DATASET", "/rows/DATASET?words=tea&class=personal", "/consent", "/consent/report", "/pace"),
    *("/consent/classify?folder=notes/dog-team&other=notes/canoe&as=public", "/consent/classify?as=public"),
)
"""DATASET is the newest one, QUESTION the page of the first query to judge."""
WIDE, NARROW = {"width": 960, "height": 900}, {"width": 320, "height": 640}
LOOKS = (("light", WIDE), ("dark", WIDE), ("light", NARROW))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_axe_finds_nothing_to_mend_in_any_look(large: Household, opened: Opened, path: str, language: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make install")
    page = opened(large, locale=language)
    page.goto(at(page, named(path, large)))
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    page.evaluate(AXE.read_text("utf-8"))
    for scheme, size in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        found = page.evaluate("axe.run().then(found => found.violations)")
        told = [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found]
        assert told == [], (scheme, size)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_nothing_is_cut_off_at_320_pixels(large: Household, opened: Opened, path: str, language: str) -> None:
    page = opened(large, viewport={"width": 320, "height": 640}, locale=language)
    page.goto(at(page, named(path, large)))
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
