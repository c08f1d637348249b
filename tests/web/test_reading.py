"""What the page says and draws, without a browser."""

from __future__ import annotations

import math
import re
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import daemon.web
from daemon.ledger.records import Alert
from daemon.web.curves import Measured, curve, ticks, whiskers
from daemon.web.sessions import LINK_SECONDS, SESSION_SECONDS, Sessions
from daemon.web.wellness import Measure, sentences
from daemon.web.wording import LANGUAGES, Wording, catalogue
from jobs.domain.artifacts import Gain, ReleaseMetadata
from jobs.releases import Release
from tests.web.caller import Caller, owner
from tests.web.household import Household

WEB = Path(daemon.web.__file__).parent
REPORT = WEB.parent / "cli" / "consent_report.py"
"""It speaks as the page does."""
SOURCES = [*WEB.glob("*.py"), *WEB.glob("templates/**/*.html"), REPORT]
NOW = datetime(2026, 1, 2, tzinfo=UTC)
finite = st.floats(-1e6, 1e6)


def release(**values) -> Release:
    gain = values.pop("gain", Gain(metric="nDCG@10", delta=0.12, low=0.05, high=0.19))
    metadata = ReleaseMetadata(name="v3", created_at=NOW, targets={}, gain=gain)
    return Release(metadata=metadata, state=values.pop("state", "live"), directory=Path())


def alert(kind: str) -> Alert:
    return Alert(id=1, at=NOW, kind=kind, title="t", body="b", attempted_at=None, acknowledged_at=None)


def told(language: str, *arguments) -> str:
    wording = Wording(language)
    return " ".join(wording.say(one.key, **one.values) for one in sentences(*arguments))


def test_the_page_begins_with_a_sentence_that_says_it_all() -> None:
    assert told("en", release(), Measure(queries=134, own=True), [], None) == (
        "Your search is well. v3 is live: +0.12 nDCG@10 on your own 134 queries. Nothing runs."
    )
    assert told("fr", release(), Measure(queries=134, own=True), [], None).startswith(
        "Votre recherche va bien. v3 est en service\u202f: +0,12 de nDCG@10 sur vos 134 propres requêtes."
    )


@pytest.mark.parametrize(
    ("live", "measure", "alerts", "beginning"),
    [
        (None, None, [], "Nothing is live yet"),
        (release(gain=None), None, [], "Your search is well. v3 is live, your search as you had it."),
        (release(), Measure(queries=60, own=False), [], "Your search is well. v3 is live: +0.12 nDCG@10 on 60 queries"),
        (release(state="trial"), None, [], "A new release is on trial."),
        (release(state="withdrawn"), None, [alert("failed")], "v3 was withdrawn"),
        (release(), None, [alert("promoted"), alert("rejected")], "Your search is well."),
        (release(), None, [alert("failed")], "Your search works, and one matter wants you."),
        (release(), None, [alert("failed"), alert("a kind of tomorrow")], "Your search works, and 2 matters want you."),
    ],
)
def test_the_sentence_follows_what_is(live, measure, alerts, beginning: str) -> None:
    assert told("en", live, measure, alerts, None).startswith(beginning)


def test_the_catalogue_has_both_languages_with_the_same_blanks() -> None:
    for key, sentence in catalogue().items():
        blanks = [{field for _, field, _, _ in string.Formatter().parse(sentence[name]) if field} for name in LANGUAGES]
        assert set(sentence) == set(LANGUAGES) and blanks[0] == blanks[1], key


def test_every_sentence_that_the_page_asks_for_is_there_and_none_is_idle() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    asked = set(re.findall(r'(?:say\(|key=)"([a-z][a-z.-]*[a-z])"', text))
    dynamic = re.findall(r'"([a-z-]+\.)" ~|f"([a-z]+\.)\{|retold\("([a-z-]+\.)"', text)
    prefixes = {prefix for found in dynamic for prefix in found if prefix} | {"refused.", "model."}
    for _ in range(2):  # a blank's sentence may have a blank
        retold = " ".join(sentence["en"] for key, sentence in catalogue().items() if key.startswith(tuple(prefixes)))
        prefixes |= {f"{blank}." for blank in re.findall(r"\{([a-z]+)\}", retold)}
    quoted = set(re.findall(r'"([a-z][a-z.-]*[a-z])"', text.replace("'", '"')))
    assert asked <= set(catalogue())
    idle = {key for key in catalogue() if key not in quoted and not key.startswith(tuple(prefixes))}
    assert idle == set()


def test_figures_are_written_as_their_language_does() -> None:
    english, french = Wording("en"), Wording("fr")
    assert (english.number(0.5), french.number(0.5), english.number(None)) == ("0.500", "0,500", "–")
    assert (english.signed(-0.02), french.signed(0.02, 2)) == ("−0.020", "+0,02")
    assert (english.count(1234), french.count(1234)) == ("1,234", "1\u202f234")
    assert [english.span(seconds) for seconds in (12, 700, 9000)] == ["12 s", "12 min", "2.5 h"]


@given(st.lists(st.tuples(finite, finite), max_size=60))
def test_a_curve_stays_inside_its_drawing(values) -> None:
    drawn = curve(sorted(values), width=400, height=200)
    assert (drawn is None) == (len(values) < 2)
    if drawn is not None:
        points = [tuple(map(float, point.split(","))) for point in drawn.points.split()]
        assert all(0 <= x <= 400 and 0 <= y <= 200 for x, y in points)
        assert all(0 <= tick.at <= 200 for tick in drawn.up) and all(0 <= tick.at <= 400 for tick in drawn.across)


def test_a_loss_that_is_no_number_is_left_out_of_the_curve() -> None:
    drawn = curve([(1.0, 2.0), (2.0, math.nan), (3.0, math.inf), (4.0, 1.0)], width=400, height=200)
    assert drawn is not None and len(drawn.points.split()) == 2


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=80))
def test_whiskers_stay_inside_and_in_order(values) -> None:
    measured = [Measured(name="v1", kind="embedding", value=v, low=v - a, high=v + b) for v, a, b in values]
    drawn = whiskers(measured, width=760, height=240)
    assert drawn is not None
    for one in drawn.whiskers:
        assert 0 <= one.high <= one.y <= one.low <= 240
    assert [one.x for one in drawn.whiskers] == sorted(one.x for one in drawn.whiskers)
    assert sum(one.labelled for one in drawn.whiskers) <= 13


@given(finite, st.floats(1e-6, 1e6))
def test_ticks_are_few_rising_and_begin_at_or_under_the_lowest(low: float, span: float) -> None:
    found = ticks(low, low + span, most=4)
    assert 1 <= len(found) <= 7
    assert list(found) == sorted(found)
    assert found[0] <= low + 1e-6 * max(1.0, abs(low))


def test_a_session_ends_and_a_link_is_void_when_it_is_old() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    old, fresh = sessions.new_link(), sessions.new_link()
    session = sessions.enter(fresh)
    assert session is not None and sessions.knows(session) and sessions.enter(fresh) is None
    now[0] = LINK_SECONDS + 1
    assert sessions.enter(old) is None and sessions.knows(session)
    now[0] = SESSION_SECONDS + 1
    assert not sessions.knows(session)


def test_a_run_shows_its_curve_its_verdict_and_both_answers(household: Household) -> None:
    body = owner(household).get("/runs/3?queries=all").body
    assert body.count("<polyline") == 2
    assert "A gain was shown and every guard held." in body
    assert body.count('<details class="query">') == 194
    assert body.count("answers it") > 100


def test_the_step_that_was_trained_twice_counts_once(household: Household) -> None:
    job = household.training_now(upto=20)
    household.train(job, upto=30, steps=141)
    reports = household.books.history.progress(job.id, 240)
    assert [report.step for report in reports] == list(range(1, 31))


def test_a_long_training_is_thinned_and_keeps_both_ends(household: Household) -> None:
    job = household.training_now(upto=900, steps=900)
    reports = household.books.history.progress(job.id, 200)
    assert (reports[0].step, reports[-1].step) == (1, 900)
    assert 150 <= len(reports) <= 303


def test_a_release_names_what_it_learned_from_and_what_it_inherited(household: Household) -> None:
    caller = owner(household)
    body = caller.get("/releases/v2?notes=all").body
    assert body.count("notes/ice-road/2008-spring.md") == 2
    assert "unchanged since v1" in body
    assert caller.get("/releases/v0").status == 200


def test_a_note_leads_to_every_release_that_learned_from_it(household: Household) -> None:
    caller = owner(household)
    body = caller.get("/lineage?note=ICE-road/2008-spring").body
    assert body.index('href="/releases/v2"') < body.index('href="/releases/v1"')
    assert "No release" in caller.get("/lineage?note=nowhere").body
    assert "No release" in caller.get("/lineage?note=x").body


def test_jobs_are_shown_in_pages(large: Household) -> None:
    caller = owner(large)
    seen: set[str] = set()
    path = "/jobs"
    while path:
        body = caller.get(path).body
        page = set(re.findall(r'<td class="n">(\d+)</td>', body))
        assert len(page) <= 50 and not page & seen
        seen |= page
        found = re.search(r'href="(/jobs\?before=\d+)"', body)
        path = found.group(1) if found else ""
    assert len(seen) == sum(large.books.jobs.counts().values()) > 1000


def test_a_home_without_anything_says_what_to_do(tmp_path: Path) -> None:
    empty = Household(tmp_path)
    try:
        caller = owner(empty)
        assert "iaipctl init" in caller.get("/").body
        for path in ("/jobs", "/runs", "/releases", "/alerts", "/judge", "/lineage"):
            assert caller.get(path).status == 200
    finally:
        empty.leave()


def test_an_alert_is_read_once(household: Household) -> None:
    caller = owner(household)
    [first, *_] = household.books.alerts.unread()
    assert caller.post(f"/alerts/{first.id}").status == 303
    assert first.id not in [one.id for one in household.books.alerts.unread()]
    assert not household.books.alerts.acknowledge(first.id, household.now)


def test_going_back_takes_a_form_and_leaves_a_word(household: Household) -> None:
    caller = owner(household)
    assert "Go back to v1?" in caller.get("/releases/v1/rollback").body
    assert household.releases.live() == "v2"
    assert caller.post("/releases/v1/rollback").headers["location"] == "/releases/v1"
    assert household.releases.live() == "v1"
    assert household.books.alerts.unread()[-1].title == "v1 is live"


def test_a_withdrawn_release_never_comes_back(household: Household) -> None:
    (household.releases.directory("v1") / "WITHDRAWN").touch()
    reply = owner(household).post("/releases/v1/rollback")
    assert reply.status == 409 and "withdrawn" in reply.body
    assert household.releases.live() == "v2"


def test_what_fails_inside_is_said_without_its_insides(household: Household) -> None:
    caller: Caller = owner(household)
    household.books.database.close()
    reply = caller.get("/")
    assert reply.status == 500 and "Traceback" not in reply.body and "sqlite" not in reply.body.lower()


def test_the_page_has_an_address_once_it_is_open(household: Household) -> None:
    assert household.front.address() is None
    port = household.enter().split("/")[2]
    assert household.front.address() == f"http://{port}/alerts"


@pytest.mark.parametrize(("language", "step"), [("en", "Judging a few queries"), ("fr", "Juger quelques requêtes")])
def test_an_alert_says_what_would_help_in_either_language(household: Household, language: str, step: str) -> None:
    household.books.alerts.post("cannot-tell", "Cannot tell", "p is 0.4", household.now, about="embedding")
    text = owner(household).get("/alerts", Accept_Language=language).body
    assert f"{step} " in text and "p is 0.4" in text


def test_an_alert_that_repeats_is_shown_with_its_count(household: Household) -> None:
    for _ in range(3):
        household.books.alerts.post("failed", "A job failed", "b", household.now)
    assert "· 3 ×" in owner(household).get("/alerts").body
