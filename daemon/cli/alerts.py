"""iaipctl alerts [ack [ID…]]: what happened since you last looked, and that you have read it."""

from __future__ import annotations

import argparse
import os

import msgspec

from daemon.cli.result import DONE, NOT_FOUND, REFUSED, USAGE, Result
from daemon.cli.root import Context
from daemon.cli.unanswered import unanswered
from daemon.ledger.records import Alert
from daemon.system.notices import Language, catalogue, language_of, next_step, retold

SCHEMA = "iaip.alerts/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("list", "ack"), default="list", help="list (default), or ack: I have read these"
    )
    parser.add_argument(
        "ids", nargs="*", type=int, metavar="ID", help="ack: the alerts' numbers (default: all that are unread now)"
    )
    parser.add_argument("--all", action="store_true", help="list: read ones too; ack: all, as without numbers")
    parser.add_argument("--limit", type=int, default=50, help="list --all: so many at most (default 50)")


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.action == "ack":
        return _acknowledge(options.ids, context, everything=options.all)
    alerts = context.books.history.alerts(options.limit) if options.all else context.books.alerts.unread()[::-1]
    return Result(
        schema=SCHEMA,
        data={"alerts": [msgspec.to_builtins(alert) for alert in alerts]},
        text="\n".join(told(alert, language_of(os.environ)) for alert in alerts) or _say("none"),
    )


def told(alert: Alert, language: Language) -> str:
    """When, what and how often; below it what to do, and in the ledger's own words what exactly happened."""
    read = _say("read") if alert.acknowledged_at is not None else ""
    often = _say("times", alert.times) if alert.times > 1 else ""
    title = retold(alert.kind, alert.about, language) or alert.title
    first = f"{alert.id}  {alert.at.astimezone():%Y-%m-%d %H:%M}  {title}{often}{read}"
    return "\n".join([first, *(f"    {line}" for line in (next_step(alert.kind, language), alert.body) if line)])


def _say(key: str, times: int = 0) -> str:
    return catalogue()[f"listed.{key}"][language_of(os.environ)].format(times=times)


def _acknowledge(ids: list[int], context: Context, *, everything: bool) -> Result:
    """Without ids those that are unread now: one that comes meanwhile was not seen, and stays unread."""
    if everything and ids:
        talk = "some or all? `iaipctl alerts ack ID…`, or `iaipctl alerts ack` for all that are unread now"
        return Result(schema=SCHEMA, data={}, text="", talk=talk, code=USAGE)
    asked = ids or [alert.id for alert in context.books.alerts.unread()]
    if not asked:
        return _told_read([], [])
    answer = context.ask("acknowledge", {"alerts": asked})
    if answer is None:
        return unanswered(SCHEMA, {"asked": asked}, context)
    if "refused" in answer:
        talk = f"{answer['refused']}. Next: `iaipctl alerts`"
        return Result(schema=SCHEMA, data=answer, text="", talk=talk, code=REFUSED)
    return _told_read(answer["acknowledged"], answer["unknown"])


def _told_read(acknowledged: list[int], unknown: list[int]) -> Result:
    lost = ", ".join(map(str, unknown))
    return Result(
        schema=SCHEMA,
        data={"acknowledged": acknowledged, "unknown": unknown},
        text=_say("marked", len(acknowledged)),
        talk=f"no unread alert {lost}. Next: `iaipctl alerts`" if unknown else "",
        code=NOT_FOUND if unknown else DONE,
    )
