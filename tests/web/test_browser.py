"""The page as a person meets it: in a real Chromium, by keyboard, in their language, without JavaScript."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from jobs.domain.examples import OWN_SET
from tests.web.chromium import IN_CHROMIUM, Opened, at, named
from tests.web.household import Household

pytestmark = IN_CHROMIUM


def test_it_begins_with_how_the_search_is(large: Household, opened: Opened) -> None:
    page = opened(large)
    assert urlsplit(page.url).path == "/"
    assert page.inner_text("h1").startswith("Your search is well. v50 is live: +0.")
    assert "on your own 134 queries" in page.inner_text("h1")
    assert page.title() == "Now · iaip"


def test_a_rollback_asks_first(household: Household, opened: Opened) -> None:
    page = opened(household)
    page.click("text=Releases")
    page.click("text=Go back to v1")
    assert "Go back to v1?" in page.inner_text("h1")
    page.click("text=Leave everything as it is")
    assert household.releases.live() == "v2"
    page.click("text=Go back to v1")
    page.click("text=Make v1 live")
    assert urlsplit(page.url).path == "/releases/v1"
    assert "live" in page.inner_text("h1") and household.releases.live() == "v1"


def test_an_alert_is_acknowledged(household: Household, opened: Opened) -> None:
    household.books.alerts.post(
        "failed", "The embedding job failed in export", "No room. Next: free some", household.now
    )
    page = opened(household)
    assert "one matter wants you" in page.inner_text("h1")
    page.click("section:has(#wanting) button")
    assert household.books.history.alerts(1)[0].acknowledged_at is not None
    page.goto(at(page, "/"))
    assert "Your search is well." in page.inner_text("h1")


def test_queries_are_judged_one_after_the_other(household: Household, opened: Opened) -> None:
    page = opened(household)
    page.click("nav >> text=Judge")
    first = page.inner_text(".questions a >> nth=0")
    page.click(".questions a >> nth=0")
    assert first in page.inner_text("h1")
    for fieldset in page.locator("fieldset").all()[1:]:
        fieldset.get_by_label("no", exact=True).check()
    page.locator("fieldset").first.get_by_label("this is it").check()
    page.click("text=Keep and go on")
    assert first not in page.inner_text("h1")
    assert first in (household.home.evaluation / OWN_SET / "queries.jsonl").read_text()
    page.goto(at(page, "/judge"))
    assert page.locator(".questions .state.done").count() == 1


def test_before_and_after_stand_side_by_side(large: Household, opened: Opened) -> None:
    page = opened(large)
    page.goto(at(page, "/runs/189"))
    page.click(".query summary >> nth=0")
    before, after = (page.locator(".query[open] .sides > div").nth(number) for number in (0, 1))
    assert before.locator("li").count() == after.locator("li").count() == 5
    assert abs(before.bounding_box()["y"] - after.bounding_box()["y"]) < 1
    assert after.locator(".answer").count() == 1


def test_everything_is_reached_by_the_keyboard(household: Household, opened: Opened) -> None:
    page = opened(household)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.goto(at(page, "/releases"))
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == "/releases/v1/rollback":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/releases/v1/rollback")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    page.keyboard.press("Tab")
    assert page.evaluate(outline) == "solid"


def test_a_row_is_found_left_out_and_taken_back(household: Household, opened: Opened) -> None:
    page = opened(household)
    page.click("nav >> text=Rows")
    page.click("text=Review these rows >> nth=0")
    page.fill("input[name=words]", "spruce")
    page.select_option("select[name=class]", "personal")
    page.focus("form[role=search] button")
    page.keyboard.press("Enter")
    page.wait_for_url("**class=personal")
    assert page.locator(".example").count() == 0 and "No such row." in page.inner_text("main")
    page.click("text=All rows")
    page.fill("input[name=words]", "woodstove")
    page.click("text=Show")
    first = page.inner_text(".example .title >> nth=0")
    page.click(".example button >> nth=0")
    assert page.locator(".example.left").count() == 1
    assert page.input_value("input[name=words]") == "woodstove", "it stays where it was"
    assert page.evaluate("location.hash").startswith("#row-")
    page.click("nav >> text=Rows")
    assert first in page.inner_text("section:has(#left)")
    page.click("section:has(#left) button")
    assert "None." in page.inner_text("section:has(#left)")
    assert not any(household.home.left_out.iterdir())


def test_a_steward_classifies_folders_by_the_keyboard(household: Household, opened: Opened) -> None:
    page = opened(household)
    page.goto(at(page, "/consent"))
    for folder in ("canoe", "trapline"):
        page.focus(f"input[value='notes/{folder}']")
        page.keyboard.press("Space")
    page.focus("input[name=as][value=public]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/consent/classify?**")
    assert "Call this personal?" in page.inner_text("h1") and "72" in page.inner_text("tbody")
    page.focus("button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/consent")
    assert "notes/canoe" not in page.inner_text("section:has(#waiting)")
    assert "no consent of a person" in page.inner_text("section:has(#classes)")


def test_a_freer_word_must_be_meant(household: Household, opened: Opened) -> None:
    page = opened(household)
    for word in ("community", "public"):
        page.goto(at(page, f"/consent/classify?folder=notes/canoe&as={word}"))
        page.click("button.firm")
    assert page.evaluate("document.querySelector('input[name=freeing]').validity.valueMissing")
    page.check("input[name=freeing]")
    page.click("button.firm")
    page.wait_for_url("**/consent")
    assert "public" in page.inner_text("section:has(#classes)")


def test_alerts_speak_french_and_keep_their_own_words(household: Household, opened: Opened) -> None:
    household.books.alerts.post(
        "failed", "The embedding job failed in export", "No room. Next: free some", household.now, about="embedding"
    )
    page = opened(household, locale="fr")
    assert "Une tâche a échoué (vectorisation)" in page.inner_text("section:has(#wanting)")
    page.click("section:has(#wanting) summary")
    assert "No room. Next: free some" in page.inner_text("section:has(#wanting) [lang=en] >> nth=1")


def test_without_javascript_all_of_it_works(household: Household, opened: Opened) -> None:
    page = opened(household, java_script_enabled=False)
    assert "Your search is well." in page.inner_text("h1")
    assert "does not follow along" in page.inner_text("main")
    page.click("text=Releases")
    page.click("text=Go back to v1")
    page.click("text=Make v1 live")
    assert household.releases.live() == "v1"
    page.goto(at(page, "/consent"))
    page.check("input[value='notes/canoe']")
    page.check("input[name=as][value=public]")
    page.click("text=Show what that changes")
    page.click("text=Call it public")
    assert "notes/canoe" not in page.inner_text("section:has(#waiting)")
    page.goto(at(page, named("/rows/DATASET", household)))
    page.click(".example button >> nth=0")
    assert page.locator(".example.left").count() == 1


def test_it_speaks_french_to_those_who_do(household: Household, opened: Opened) -> None:
    page = opened(household, locale="fr-CA")
    assert page.inner_text("h1").startswith("Votre recherche va bien.")
    assert page.get_attribute("html", "lang") == "fr"


def test_a_used_link_tells_how_to_get_another(household: Household, opened: Opened, chromium: Any) -> None:
    link = household.enter()
    for _ in range(2):
        context = chromium.new_context()
        page = context.new_page()
        page.goto(link)
        text = page.inner_text("main")
        context.close()
    assert "used already" in text and "iaipctl ui" in text


def test_another_page_of_this_machine_cannot_reach_it(household: Household, opened: Opened) -> None:
    """Another port of 127.0.0.1 is the same site to a browser, cookies included; it is refused all the same."""
    other = Household(household.home.root / "other")
    try:
        page = opened(household)
        target = at(page, "/releases/v1/rollback")
        attacker = page.context.new_page()
        attacker.goto(other.enter())
        told = attacker.evaluate(
            "url => fetch(url, {credentials: 'include'}).then(() => 'read', () => 'refused')", target
        )
        assert told == "refused"
        attacker.set_content(f"<form method=post action='{target}'><button>go</button></form>")
        attacker.evaluate("document.forms[0].submit()")
        attacker.wait_for_timeout(500)
        assert household.releases.live() == "v2"
    finally:
        other.leave()
