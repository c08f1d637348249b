"""The page follows along by itself, and says so when it no longer does: in a real Chromium."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from daemon.ledger.pace import PaceRecord
from daemon.readings import Readings
from tests.web.chromium import IN_CHROMIUM, Opened, at, playwright
from tests.web.household import Household
from tests.web.machine import paced

pytestmark = IN_CHROMIUM


def daemon_starts_again(household: Household) -> None:
    """To a browser: the stream ends, and the daemon that answers next knows no session."""
    assert household.front._open is not None
    _, site = household.front._open
    site._sessions._sessions.clear()
    site.stop()


def test_a_training_is_followed_live(household: Household, opened: Opened) -> None:
    page = opened(household)
    assert "Nothing runs" in page.inner_text("h1")
    job = household.training_now(upto=10)
    playwright.expect(page.locator("h1")).to_contain_text("A new embedding model is in training", timeout=5000)
    playwright.expect(page.locator("[data-part=now]")).to_contain_text("10 / 141", timeout=5000)
    household.train(job, upto=42, steps=141)
    playwright.expect(page.locator("[data-part=now]")).to_contain_text("42 / 141", timeout=5000)
    assert page.get_attribute("progress", "value") == "42"
    page.click("[data-part=now] a")
    assert page.locator("[data-part=curves] polyline").count() == 2
    before = page.get_attribute("[data-part=curves] polyline >> nth=0", "points")
    page.click("[data-part=curves] summary >> nth=0")
    household.train(job, upto=80, steps=141)
    playwright.expect(page.locator("[data-part=stages]")).to_contain_text("step 80 of 141", timeout=5000)
    assert page.get_attribute("[data-part=curves] polyline >> nth=0", "points") != before
    assert page.locator("[data-part=curves] details[open]").count() == 1, "what was open stays open"


def test_leaving_and_coming_back_many_times_never_starves_it(household: Household, opened: Opened) -> None:
    page = opened(household)
    for _ in range(25):
        page.goto(at(page, "/"))
    household.training_now(upto=7)
    playwright.expect(page.locator("[data-part=now]")).to_contain_text("7 / 141", timeout=8000)


def test_a_page_that_no_longer_follows_along_says_so(household: Household, chromium: Any) -> None:
    """A browser of its own: its console complains of the refusal, as it should."""
    context = chromium.new_context(locale="fr")
    page = context.new_page()
    page.goto(household.enter())
    stale = page.get_by_role("status").filter(has_text="Cette page n'est plus à jour")
    playwright.expect(stale).to_be_hidden()
    daemon_starts_again(household)
    playwright.expect(stale).to_be_visible(timeout=8000)
    assert "iaipctl ui" in stale.inner_text()
    context.close()


def test_it_says_so_where_nobody_answers_at_all(household: Household, chromium: Any) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(household.enter())
    playwright.expect(page.locator("[data-part=queue]")).to_contain_text("Nothing waits", timeout=5000)
    household.front.stop()
    playwright.expect(page.locator("#stale")).to_be_visible(timeout=20000)
    context.close()


def test_a_run_that_ends_shows_its_verdict_by_itself(household: Household, opened: Opened) -> None:
    page = opened(household)
    job = household.training_now(upto=10)
    page.goto(at(page, f"/runs/{job.run}"))
    assert "It is under way" in page.inner_text(".lead") and page.locator("#verdict").count() == 0
    household.judged_now(job)
    playwright.expect(page.locator("#verdict")).to_be_visible(timeout=8000)
    assert "It is under way" not in page.inner_text(".lead") and page.locator("[data-live]").count() == 0


def test_a_new_alert_and_a_new_gain_come_by_themselves_and_go(household: Household, opened: Opened) -> None:
    page = opened(household)
    told = ("failed", "The embedding job failed in export", "No room. Next: free some")
    household.books.alerts.post(*told, household.now)
    playwright.expect(page.locator("section:has(#wanting) li")).to_have_count(1, timeout=5000)
    household.books.alerts.acknowledge(household.books.history.alerts(1)[0].id, household.now)
    playwright.expect(page.locator("#wanting")).to_have_count(0, timeout=5000)
    assert page.locator("section:has(#gained) g").count() == 2
    household.live_through(1, promoted=1)
    playwright.expect(page.locator("section:has(#gained) g")).to_have_count(3, timeout=8000)


def test_the_pace_is_followed_live(household: Household, opened: Opened) -> None:
    page = opened(household)
    page.goto(at(page, "/pace"))
    assert "Nobody has looked" in page.inner_text("main")
    paced(household.books, household.settings.governor, datetime.now(UTC))
    playwright.expect(page.locator("svg rect.bar").first).to_be_visible(timeout=8000)
    now = datetime.now(UTC)
    reason = "the machine runs on battery (64 % left)"
    held = PaceRecord(at=now, since=now, action="slow", rest=0.5, reason=reason, readings=Readings(load=2.0))
    household.books.pace.add(held)
    playwright.expect(page.locator("[data-part=pace]")).to_contain_text("Heavy work goes slowly.", timeout=8000)
    assert reason in page.inner_text("[data-part=pace]")
