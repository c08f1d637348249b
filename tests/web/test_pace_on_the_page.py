"""The governor's decisions over time: what held when, drawn and in words, in both languages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_settings
from daemon.ledger.pace import PaceRecord
from daemon.pace import PaceState, Work, decide
from daemon.readings import NOBODY, Power, Readings, Unknown
from daemon.web import pacing
from daemon.web.wording import Wording
from tests.web.caller import owner
from tests.web.household import Household
from tests.web.machine import paced

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
START = NOW - pacing.SHOWN
unknown = st.builds(Unknown, reason=st.sampled_from(["no such tool here", "it took too long; it was left"]))
readings = st.builds(
    Readings,
    heat=st.sampled_from(["nominal", "moderate", "heavy", "critical"]) | unknown,
    memory=st.sampled_from(["normal", "tight", "critical"]) | unknown,
    swap_growth=st.integers(0, 1 << 31) | unknown,
    free_disk=st.integers(0, 1 << 42) | unknown,
    power=st.builds(Power, source=st.sampled_from(["mains", "battery", "ups"]), percent=st.none() | st.integers(0, 100))
    | unknown,
    low_power=st.booleans() | unknown,
    idle=st.floats(0, 1e6) | unknown,
    load=st.floats(0, 100) | unknown,
)


def record(minutes: float, since: float | None = None, action: str = "run", reason: str = "r") -> PaceRecord:
    at = NOW - timedelta(minutes=minutes)
    begun = at if since is None else NOW - timedelta(minutes=since)
    return PaceRecord(at=at, since=begun, action=action, rest=0.0, reason=reason, readings=Readings())


def minutes_of(records: list[PaceRecord]) -> list[tuple[str, float, float]]:
    return [
        (one.action, (NOW - one.begin) / timedelta(minutes=1), (NOW - one.end) / timedelta(minutes=1))
        for one in pacing.spans(records, START, NOW)
    ]


def test_a_decision_holds_until_the_next_one_and_counts_once() -> None:
    records = [record(30, action="pause"), record(20, since=30, action="pause"), record(12), record(5, action="slow")]
    assert minutes_of(records) == [("pause", 30, 12), ("run", 12, 5), ("slow", 5, 0)]


def test_a_time_when_nobody_looked_is_left_empty() -> None:
    assert minutes_of([record(600), record(60)]) == [("run", 600, 585), ("run", 60, 45)]


def test_what_held_before_the_day_is_shown_from_its_beginning() -> None:
    assert minutes_of([record(24 * 60 + 5)]) == [("run", 24 * 60, 24 * 60 - 10)]
    assert minutes_of([record(24 * 60 + 50)]) == []


@given(st.lists(st.tuples(st.floats(0, 3000), st.sampled_from(pacing.ACTIONS)), max_size=30))
def test_spans_follow_each_other_inside_the_day_and_their_drawing(made) -> None:
    records = [record(minutes, action=action) for minutes, action in sorted(made, key=lambda one: -one[0])]
    found = pacing.spans(records, START, NOW)
    edges = [moment for one in found for moment in (one.begin, one.end)]
    assert edges == sorted(edges) and all(START <= moment <= NOW for moment in edges)
    drawn = pacing.timeline(found, NOW)
    assert (drawn is None) == (not found)
    if drawn is not None:
        assert len(drawn.bars) == len(found)
        assert all(bar.x >= 0 and bar.x + bar.width <= drawn.width and 0 < bar.y < drawn.height for bar in drawn.bars)


def test_the_clock_that_was_set_back_draws_nothing_impossible() -> None:
    records = [record(10), record(-600, action="pause"), record(5, action="slow")]
    assert all(one.begin <= one.end <= NOW for one in pacing.spans(records, START, NOW))


@given(readings, st.booleans(), st.floats(0, 1e5), st.floats(0, 1))
def test_every_reason_that_the_governor_can_give_is_known_in_french(found, training, seconds, share) -> None:
    settings = load_settings(Path("/nonexistent")).governor
    state, french = PaceState(), Wording("fr")
    for step, now in enumerate((0.0, 30.0, 400.0, 1e5)):
        work = Work(training=training, seconds=seconds, share=share)
        sample = found if step < 3 else Readings(load=0.1)
        decision, state = decide(state, sample, work, settings, reserve=5 * 10**9, now=now, wall=time(12, 0))
        told = french.retold("because.", decision.reason)
        if "; it was left" not in decision.reason:
            assert told is not None and told != decision.reason
        assert Wording("en").retold("because.", decision.reason) == decision.reason


def test_figures_inside_a_reason_are_written_as_french_does() -> None:
    told = Wording("fr").retold("because.", "the load is 6.5 a processor; somebody uses the machine")
    assert told == "la charge est de 6,5 par processeur\u202f; quelqu'un est à la machine"
    assert Wording("fr").retold("because.", "a reason of tomorrow") is None


@pytest.mark.parametrize(
    ("value", "unit", "english", "french"),
    [
        (Unknown(reason="r"), "", "unknown", "inconnu"),
        ("heavy", "", "heavy", "forte"),
        (Power(source="battery", percent=64), "", "battery 64 %", "batterie 64 %"),
        (Power(source="mains"), "", "mains", "secteur"),
        (0.25, "", "0.25", "0,25"),
        (3 << 20, "megabytes", "3.0", "3,0"),
        (80_500_000_000, "gigabytes", "80.5", "80,5"),
        (NOBODY, "seconds", "nobody", "personne"),
        (90 * 60, "seconds", "1.5 h", "1,5 h"),
    ],
)
def test_readings_are_told_in_their_units(value, unit, english: str, french: str) -> None:
    assert (Wording("en").reading(value, unit), Wording("fr").reading(value, unit)) == (english, french)


def test_the_ledger_gives_the_day_and_what_held_before_it(household: Household) -> None:
    for minutes in (3000, 2000, 100, 50):
        household.books.pace.add(record(minutes))
    found = household.books.pace.between(START, NOW)
    assert [(NOW - one.at) / timedelta(minutes=1) for one in found] == [2000, 100, 50]
    assert household.books.pace.between(NOW - timedelta(days=30), NOW)[0].at == NOW - timedelta(minutes=3000)


def test_the_page_says_the_decision_draws_the_day_and_gives_the_figures(household: Household) -> None:
    caller = owner(household)
    assert "Nobody has looked at the machine yet." in caller.get("/pace").body
    paced(household.books, household.settings.governor, datetime.now(UTC))
    body = caller.get("/pace").body
    latest = household.books.pace.latest()
    assert latest is not None and latest.reason in body
    decisions = re.findall(r'<td class="word">([\w ]+)</td><td>([^<]+)</td>', body)
    assert {action for action, _ in decisions} == {"full pace", "slow", "paused", "left"}
    assert body.count('<rect class="bar') == len(decisions)
    assert ("paused", "thermal pressure is heavy") in decisions
    assert body.count("<polyline") == 2 and "<td>battery 64 %</td>" in body
    french = caller.get("/pace", Accept_Language="fr").body
    assert "la pression thermique est forte" in french and 'lang="en"' not in french


def test_the_first_page_says_why_work_is_held_back(household: Household) -> None:
    now = datetime.now(UTC)
    held = PaceRecord(at=now, since=now, action="pause", rest=0.0, reason="these are quiet hours", readings=Readings())
    household.books.pace.add(held)
    caller = owner(household)
    assert "Heavy work is paused.</a> Because: these are quiet hours." in caller.get("/").body
    french = caller.get("/", Accept_Language="fr").body
    assert "Le travail lourd est en pause.</a> Parce que\u202f: ce sont des heures calmes." in french
