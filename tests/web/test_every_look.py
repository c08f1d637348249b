"""Every page in every look: nothing to mend for axe, and nothing cut off when it is narrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
EMPTY = (
    "/",
    "/jobs",
    "/runs",
    "/judge",
    "/alerts",
    "/releases",
    "/lineage",
    "/rows",
    "/consent",
    "/consent/report",
    "/pace",
)
WIDE, NARROW = {"width": 960, "height": 900}, {"width": 320, "height": 640}
LOOKS = (("light", WIDE), ("dark", WIDE), ("light", NARROW))


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """Nothing was trained or judged yet."""
    made = Household(tmp_path_factory.mktemp("young"))
    made.settle()
    yield made
    made.leave()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_axe_finds_nothing_to_mend_in_any_look(large: Household, opened: Opened, path: str, language: str) -> None:
    page = opened(large, locale=language)
    page.goto(at(page, named(path, large)))
    assert_nothing_to_mend(page)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_axe_finds_nothing_to_mend_before_anything_has_happened(
    young: Household, opened: Opened, language: str
) -> None:
    page = opened(young, locale=language)
    for path in EMPTY:
        page.goto(at(page, path))
        assert_nothing_to_mend(page)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_axe_finds_nothing_to_mend_where_one_is_refused(young: Household, chromium: Any, language: str) -> None:
    with chromium.new_context(locale=language) as stranger:
        page = stranger.new_page()
        link = young.enter()
        assert [page.goto(link).status for _ in range(2)] == [200, 403], "a link that was used"
        assert_nothing_to_mend(page)


def assert_nothing_to_mend(page: Any) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make install")
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    page.evaluate(AXE.read_text("utf-8"))
    for scheme, size in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        found = page.evaluate("axe.run().then(found => found.violations)")
        told = [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found]
        assert told == [], (page.url, scheme, size)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_nothing_is_cut_off_at_320_pixels(large: Household, opened: Opened, path: str, language: str) -> None:
    page = opened(large, viewport={"width": 320, "height": 640}, locale=language)
    page.goto(at(page, named(path, large)))
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
