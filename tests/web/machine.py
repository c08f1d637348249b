"""A machine that had a day: the governor's own decisions on made-up readings."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from config.settings import GovernorSettings
from daemon.ledger.books import Books
from daemon.ledger.pace import PaceRecord
from daemon.pace import PaceState, decide
from daemon.readings import Power, Readings, Unknown


def paced(books: Books, settings: GovernorSettings, until: datetime, hours: int = 30) -> None:
    """A day and more of the governor's decisions, up to now, as it would have taken and noted them."""
    state, last, at = PaceState(), None, until - timedelta(hours=hours)
    causes: tuple[str, ...] | None = None
    with books.database.transaction():
        for minute in range(0, hours * 60 + 1, 10):
            readings = read_at(minute)
            decision, state = decide(
                state, readings, None, settings, reserve=5 * 10**9, now=minute * 60.0, wall=time(12, 0)
            )
            now = at + timedelta(minutes=minute)
            same = last is not None and (last.action, causes) == (decision.order.kind, decision.causes)
            causes = decision.causes
            last = PaceRecord(
                at=now,
                since=last.since if same and last is not None else now,
                action=decision.order.kind,
                rest=decision.order.rest,
                reason=decision.reason,
                readings=readings,
            )
            if not 700 < minute < 800:  # the machine slept
                books.pace.add(last)


def read_at(minute: int) -> Readings:
    hour = minute // 60
    return Readings(
        heat="heavy" if hour in (9, 22) else "moderate" if hour in (10, 23) else "nominal",
        memory="critical" if hour == 26 else "normal",
        swap_growth=(minute % 70) << 20,
        free_disk=80_000_000_000 - minute * 1_000_000,
        power=Power(source="battery" if hour == 14 else "mains", percent=64),
        low_power=Unknown(reason="no such mode here") if hour < 3 else False,
        idle=30.0 if hour in (5, 19) else 5000.0,
        load=0.4 + (minute % 300) / 200,
    )
