from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.settings import ScheduleSettings
from jobs.domain.errors import BadInput
from jobs.domain.schedule import enough_new, window_due

FRIDAYS = "0 22 * * 5"
BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = datetime(2020, 1, 1, tzinfo=BERLIN)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.astimezone(BERLIN)
)
windows = st.sampled_from([FRIDAYS, "30 2 * * *", "0 3 1 * *", "15 */6 * * 1-5"])


def berlin(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, *, fold: int = 0):
    return datetime(year, month, day, hour, minute, second, tzinfo=BERLIN, fold=fold)


def due(now: datetime, last: datetime | None = None, *, window: str = FRIDAYS, installed: datetime = LONG_AGO) -> bool:
    return window_due(window, last_started=last, installed_at=installed, now=now)


def starts(window: str, ticks: list[datetime]) -> list[datetime]:
    """What a daemon that looks at every tick would start."""
    last: datetime | None = None
    started = []
    for tick in ticks:
        if due(tick, last, window=window, installed=ticks[0]):
            last = tick
            started.append(tick)
    return started


def test_a_window_opens_on_its_minute_and_not_before():
    last = berlin(2026, 11, 13, 22, 0, 5)
    assert not due(berlin(2026, 11, 20, 21, 59, 59), last)
    assert due(berlin(2026, 11, 20, 22, 0, 0), last)


def test_a_missed_window_is_made_up_for_once_however_many_were_missed():
    last, back = berlin(2026, 10, 2, 22), berlin(2026, 11, 18, 9)
    assert due(back, last)
    assert not due(back + timedelta(minutes=1), back)


def test_a_first_installation_does_not_make_up_for_windows_before_it():
    installed = berlin(2026, 11, 18, 9)
    assert not due(installed + timedelta(hours=1), installed=installed)
    assert due(berlin(2026, 11, 20, 22), installed=installed)


def test_a_wall_time_that_the_clock_skips_is_due_right_after_the_gap():
    minutes = [berlin(2026, 3, 29, 0, 30).astimezone(UTC) + timedelta(minutes=n) for n in range(300)]
    started = starts("30 2 * * *", [minute.astimezone(BERLIN) for minute in minutes])
    assert started == [berlin(2026, 3, 29, 3, 0)]


def test_a_wall_time_that_the_clock_repeats_is_due_once():
    minutes = [berlin(2026, 10, 25, 0, 30).astimezone(UTC) + timedelta(minutes=n) for n in range(300)]
    started = starts("30 2 * * *", [minute.astimezone(BERLIN) for minute in minutes])
    assert started == [berlin(2026, 10, 25, 2, 30)]


def test_summer_time_moments_with_fixed_offsets_do_not_fire_a_window_twice():
    summer = datetime.fromisoformat("2026-10-23T22:00:05+02:00")
    winter = datetime.fromisoformat("2026-10-25T12:00:00+01:00")
    assert not due(winter, summer)


def test_a_start_in_the_future_is_a_clock_set_back_and_does_not_block_for_years():
    assert due(berlin(2026, 11, 20, 22), berlin(2031, 1, 1), installed=berlin(2026, 11, 1))
    assert not due(berlin(2026, 11, 20, 22), None, installed=berlin(2031, 1, 1))


@given(
    windows, moments, st.timedeltas(timedelta(0), timedelta(days=40)), st.timedeltas(timedelta(0), timedelta(days=9))
)
def test_once_due_it_stays_due_until_a_run_starts(window, last, first, later):
    now = (last.astimezone(UTC) + first).astimezone(BERLIN)
    after = (now.astimezone(UTC) + max(later, timedelta(hours=2))).astimezone(BERLIN)
    if due(now, last, window=window):
        assert due(after, last, window=window)
        assert not due(now, now, window=window)


@settings(max_examples=40, deadline=None)
@given(moments)
@example(datetime(2025, 10, 23, 2, 0, tzinfo=BERLIN))
def test_a_daily_window_starts_once_a_day_through_every_change_of_the_clock(first):
    ticks = [(first.astimezone(UTC) + timedelta(minutes=7 * n)).astimezone(BERLIN) for n in range(700)]
    days = [start.date() for start in starts("30 2 * * *", ticks)]
    assert len(days) == len(set(days))
    assert len(days) >= 3


@given(st.text(alphabet="0123456789*/,-#LW?MONFRI ²x", max_size=20))
@example("")
@example("0 22 * * 5 *")
@example("0 0 30 2 *")
@example("@weekly")
def test_an_expression_either_works_or_is_refused_with_the_remedy(window):
    try:
        due(berlin(2026, 11, 20, 22), window=window)
    except BadInput as error:
        assert "five fields" in error.remedy


def test_an_expression_with_seconds_is_refused():
    with pytest.raises(BadInput):
        due(berlin(2026, 11, 20, 22), window="0 0 22 * * 5")


@given(st.integers(0, 1000), st.integers(1, 500), st.integers(1, 500))
def test_each_target_starts_at_its_own_number_of_new_rows(new, pairs, expansions):
    schedule = ScheduleSettings(window=FRIDAYS, new_pairs=pairs, new_expansions=expansions, targets=["embedding"])
    assert enough_new("embedding", new, schedule) == (new >= pairs)
    assert enough_new("expansion", new, schedule) == (new >= expansions)
