"""The crash budget: enough is enough, said once, and forgiven when asked."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.paths import Home
from daemon.bounds import Patience
from daemon.ledger.books import open_books
from daemon.supervision import DAY, MOST_A_DAY, MOST_UNCLEAN, WINDOW, Starts, Supervision, crashed_too_often
from daemon.system.service_manager import tell_service_manager
from launchd.agent import AgentFailed

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
AGES = st.lists(st.integers(-3600, 100_000).map(lambda seconds: timedelta(seconds=seconds)), max_size=16)


@pytest.fixture
def supervision(tmp_path) -> Supervision:
    (tmp_path / "home").mkdir()
    return Supervision(Home(root=tmp_path / "home"))


@given(AGES)
def test_the_budget_counts_what_happened_within_ten_minutes_and_within_a_day(ages) -> None:
    starts = [NOW - age for age in ages]
    lately, today = sum(age < WINDOW for age in ages), sum(age < DAY for age in ages)
    assert bool(crashed_too_often(starts, NOW)) == (lately >= MOST_UNCLEAN or today >= MOST_A_DAY)


@given(AGES, st.integers(0, 100_000))
def test_one_start_more_never_frees_the_budget_and_time_does(ages, seconds) -> None:
    starts = [NOW - age for age in ages]
    later = NOW + DAY + timedelta(hours=2)
    if crashed_too_often(starts, NOW):
        assert crashed_too_often([*starts, NOW - timedelta(seconds=seconds)], NOW)
    assert not crashed_too_often(starts, later)


def test_a_daemon_that_always_dies_is_let_in_a_few_times_only(supervision) -> None:
    admitted = [supervision.begin(NOW + timedelta(seconds=31 * number)) for number in range(8)]
    assert admitted == [True] * MOST_UNCLEAN + [False] * (8 - MOST_UNCLEAN)


def test_a_daemon_that_dies_every_quarter_of_an_hour_is_let_in_a_dozen_times(supervision) -> None:
    moments = [NOW + timedelta(minutes=15 * number) for number in range(20)]
    assert [supervision.begin(moment) for moment in moments].count(True) == MOST_A_DAY
    assert crashed_too_often(supervision.read().unclean, moments[-1]) == "it ended badly 12 times within a day"


def test_orderly_ends_cost_nothing(supervision) -> None:
    for number in range(20):
        assert supervision.begin(NOW + timedelta(seconds=number))
        supervision.ended_in_order()


def test_start_clears_the_count(supervision) -> None:
    for _ in range(MOST_UNCLEAN):
        supervision.begin(NOW)
    assert not supervision.begin(NOW)
    for _ in range(2):
        with supervision.cleared():
            pass
    assert supervision.begin(NOW)


def test_a_start_that_the_supervisor_refused_leaves_the_count_as_it_was(supervision) -> None:
    for _ in range(MOST_UNCLEAN):
        supervision.begin(NOW)
    supervision.stay_down("it ended badly 4 times", NOW, lambda *_: None)
    before = supervision.read()
    with pytest.raises(AgentFailed), supervision.cleared():
        assert supervision.read() == Starts()
        raise AgentFailed("launchctl did not answer in time", remedy="try again")
    assert supervision.read() == before and before.down is not None


def test_a_damaged_file_is_no_reason_to_stay_down(supervision, tmp_path) -> None:
    (tmp_path / "home" / "starts.json").write_bytes(b"\x00\xff")
    assert supervision.begin(NOW)


def test_staying_down_is_told_once_and_kept_for_status(supervision, tmp_path) -> None:
    books = open_books(tmp_path / "home" / "ledger.sqlite")
    told = []
    for _ in range(3):
        supervision.stay_down("it ended badly 4 times", NOW, lambda *words: told.append(words))
    [alert] = books.alerts.unread()
    assert (len(told), alert.kind, alert.attempted_at) == (1, "stays-down", NOW)
    assert "iaipctl start" in alert.body and supervision.read().down == "it ended badly 4 times"


def test_a_ledger_that_cannot_be_read_does_not_keep_the_desktop_from_being_told(supervision, tmp_path) -> None:
    (tmp_path / "home" / "ledger.sqlite").write_bytes(b"no database" * 500)
    told = []
    supervision.stay_down("the ledger is damaged", NOW, lambda *words: told.append(words))
    assert len(told) == 1


def test_a_disk_out_of_reach_is_waited_for_told_once_and_never_counted_as_a_hang(tmp_path, monkeypatch) -> None:
    told: list[tuple[str, ...]] = []
    slept: list[float] = []
    patience = Patience(lambda *words: told.append(words), slept.append)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        for _ in range(3):
            patience(OSError("No space left on device"))
            word, _, microseconds = manager.recv(100).decode().partition("=")
            assert word == "EXTEND_TIMEOUT_USEC" and int(microseconds) > slept[-1] * 1e6
    assert (told, len(slept)) == ([("out-of-reach", "")], 3)


@pytest.mark.parametrize("address", ["{folder}/notify", "@iaip-test-{pid}"])
def test_systemd_hears_that_we_are_ready(tmp_path, monkeypatch, address) -> None:
    address = address.format(folder=tmp_path, pid=os.getpid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if address.startswith("@") else address)
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        tell_service_manager("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_said_and_nothing_fails(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell_service_manager("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    tell_service_manager("READY=1")
