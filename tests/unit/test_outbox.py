"""The outbox: what repeats is counted, the desktop is told a few times an hour, and in words that give nothing away."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.paths import Home
from daemon.ledger.books import Books, open_books
from daemon.outbox import MOST_SHOWN, WINDOW, may_show, repeats
from daemon.system.notices import catalogue, language_of, next_step, notice
from launchd.surroundings import agent_environment

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MOMENTS = st.integers(-10_000, 10_000).map(lambda seconds: NOW + timedelta(seconds=seconds))


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return open_books(tmp_path / "ledger.sqlite")


@given(st.lists(MOMENTS, max_size=60).map(sorted))
def test_no_hour_ever_shows_more_than_the_measure(moments) -> None:
    shown: list[datetime] = []
    for moment in moments:
        if may_show(shown, moment):
            shown.append(moment)
    for moment in shown:
        assert sum(timedelta(0) <= other - moment < WINDOW for other in shown) <= MOST_SHOWN


@given(st.lists(MOMENTS, max_size=30), MOMENTS)
def test_only_a_full_hour_keeps_an_alert_off_the_desktop(shown, now) -> None:
    near = [moment for moment in shown if abs(moment - now) < WINDOW]
    assert may_show(shown, now) == (len(near) < MOST_SHOWN) == may_show(near, now)


@given(MOMENTS, MOMENTS)
def test_what_repeats_repeats_whichever_way_the_clock_is_set(first, now) -> None:
    assert repeats(first, now) == repeats(now, first)
    assert repeats(first, first) and not repeats(None, now) and not repeats(first, first + WINDOW)


def test_the_same_within_an_hour_is_one_alert_with_a_count(books: Books) -> None:
    for minute in (0, 10, 59):
        books.alerts.post("failed", "t", f"at {minute}", NOW + timedelta(minutes=minute), about="embedding")
    [alert] = books.alerts.unread()
    assert (alert.times, alert.body, alert.at) == (3, "at 59", NOW)
    assert alert.last_at == NOW + timedelta(minutes=59)


@pytest.mark.parametrize("about", ["expansion", ""])
def test_another_subject_is_another_alert(books: Books, about: str) -> None:
    books.alerts.post("failed", "t", "b", NOW, about="embedding")
    books.alerts.post("failed", "t", "b", NOW, about=about)
    books.alerts.post("rejected", "t", "b", NOW, about="embedding")
    assert [alert.times for alert in books.alerts.unread()] == [1, 1, 1]


def test_after_the_hour_or_once_it_was_read_it_is_told_anew(books: Books) -> None:
    books.alerts.post("failed", "t", "b", NOW)
    books.alerts.post("failed", "t", "b", NOW + WINDOW)
    assert len(books.alerts.unread()) == 2
    for alert in books.alerts.unread():
        books.alerts.acknowledge(alert.id, NOW)
    books.alerts.post("failed", "t", "b", NOW + WINDOW)
    assert len(books.alerts.unread()) == 1


def test_what_is_over_the_measure_stays_in_the_outbox_and_is_not_asked_about_again(books: Books) -> None:
    for number in range(MOST_SHOWN + 2):
        books.alerts.post("failed", "t", "b", NOW, about=str(number))
    taken = [books.alerts.take(alert.id, NOW) for alert in books.alerts.undelivered()]
    assert taken == [True] * MOST_SHOWN + [False] * 2
    assert books.alerts.undelivered() == [] and len(books.alerts.unread()) == MOST_SHOWN + 2
    books.alerts.post("promoted", "t", "b", NOW + WINDOW)
    [late] = books.alerts.undelivered()
    assert books.alerts.take(late.id, NOW + WINDOW), "an hour later there is room again"


def test_every_notice_is_there_in_both_languages_with_the_same_blanks() -> None:
    for key, sentence in catalogue().items():
        blanks = [{field for _, field, _, _ in string.Formatter().parse(sentence[name]) if field} for name in sentence]
        assert set(sentence) == {"en", "fr"} and blanks[0] == blanks[1], key


@given(st.text(), st.text(), st.sampled_from(["en", "fr"]))
def test_no_word_from_elsewhere_reaches_the_desktop(kind, about, language) -> None:
    known = "promoted" if kind not in catalogue() else kind
    assert (
        notice(known, about, language) == notice(known, "", language)
        or about in ("embedding", "expansion")
        or (about.lstrip("v").isdecimal())
    )
    title, body = notice(kind, about, language)
    assert title and body and "{" not in title + body


@pytest.mark.parametrize("kind", [key for key in catalogue() if f"{key}.body" in catalogue() and key != "other"])
def test_whoever_reads_the_outbox_is_told_what_to_do_in_either_language(kind: str) -> None:
    steps = {next_step(kind, language) for language in ("en", "fr")}
    assert len(steps) == 2 and "" not in steps
    assert not any("`iaipctl alerts`" in step for step in steps), "that is what is being read"


def test_a_notice_names_the_target_or_the_release() -> None:
    assert notice("promoted", "embedding", "en")[0] == "Better search is live (embedding)"
    assert notice("promoted", "embedding", "fr")[0] == "Une meilleure recherche est en service (vectorisation)"
    assert notice("switched", "v3", "en")[0] == "v3 is live"
    assert notice("a kind of tomorrow", "", "fr") == ("Il s'est passé quelque chose", "`iaipctl alerts` en dit plus.")


@pytest.mark.parametrize(
    ("environment", "apple", "language"),
    [
        ({}, "", "en"),
        ({"LANG": "fr_CA.UTF-8"}, "", "fr"),
        ({"LC_ALL": "C", "LANG": "fr_CA.UTF-8"}, "", "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "fr", "LANG": "en_US.UTF-8"}, "", "fr"),
        ({"LANG": "fry_NL"}, "", "en"),
        ({"LANG": "en_US.UTF-8"}, '(\n    "fr-CA",\n    "en-US"\n)\n', "fr"),
        ({"LANG": "fr_FR.UTF-8"}, '(\n    "en-US",\n    fr\n)\n', "en"),
        ({}, "(\n    fr\n)\n", "fr"),
    ],
)
def test_the_language_is_the_owners(environment, apple, language) -> None:
    assert language_of(environment, apple) == language


@pytest.mark.parametrize(("installers", "agents"), [("fr_CA.UTF-8", "fr_CA.UTF-8"), ("C", "en_US.UTF-8")])
def test_the_agent_speaks_the_language_it_was_installed_in(tmp_path: Path, installers: str, agents: str) -> None:
    assert agent_environment(Home(root=tmp_path), {"LANG": installers})["LANG"] == agents
