"""Cron expressions: whether one is one."""

from __future__ import annotations

from datetime import datetime

from cronsim import CronSim, CronSimError

_FIELDS = 5
_ANY_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - only the expression is looked at


def cron_problem(expression: str) -> str | None:
    """What is wrong with it, in words; none if it names moments. Five fields, local wall time."""
    if len(expression.split()) != _FIELDS:
        return f"“{expression}” has {len(expression.split())} fields, and cron wants {_FIELDS}"
    try:
        CronSim(expression, _ANY_MOMENT)
    except CronSimError as error:
        return f"“{expression}” is no cron expression ({error})"
    return None
