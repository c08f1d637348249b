"""The first thing the page says: is the search well, what is live, what runs. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from daemon.ledger.records import Alert, Job
from jobs.releases import Release

CALM = ("promoted", "rejected", "cannot-tell", "not-enough", "already-strong", "switched")
"""Kinds of alerts that tell of an ordinary end. Every other kind wants a person."""


class Sentence(Struct, frozen=True, kw_only=True):
    """A sentence of the catalogue with what to put into it."""

    key: str
    values: dict[str, Any] = {}


class Measure(Struct, frozen=True, kw_only=True):
    """On how many queries the live release was judged, and whether its owner judged them."""

    queries: int
    own: bool


def troubles(unread: list[Alert]) -> list[Alert]:
    """The alerts that want a person."""
    return [alert for alert in unread if alert.kind not in CALM]


def sentences(
    live: Release | None, measure: Measure | None, unread: list[Alert], running: Job | None
) -> tuple[Sentence, ...]:
    """How it is, what is live, what runs: three sentences, the first one alone before ``iaipctl init``."""
    if live is None:
        return (Sentence(key="well.nothing"),)
    return (_health(live, troubles(unread)), _live(live, measure), _running(running))


def _health(live: Release, wanting: list[Alert]) -> Sentence:
    if live.state == "withdrawn":
        return Sentence(key="well.withdrawn", values={"release": live.metadata.name})
    if wanting:
        return Sentence(key="well.trouble.one" if len(wanting) == 1 else "well.trouble", values={"n": len(wanting)})
    return Sentence(key="well.trial" if live.state == "trial" else "well.well")


def _live(live: Release, measure: Measure | None) -> Sentence:
    name, gain = live.metadata.name, live.metadata.gain
    if gain is None:
        return Sentence(key="live.adopted", values={"release": name})
    values: dict[str, Any] = {"release": name, "metric": gain.metric, "gain": gain.delta}
    if measure is None:
        return Sentence(key="live.gain", values=values)
    return Sentence(key="live.gain.own" if measure.own else "live.gain.made", values={**values, "n": measure.queries})


def _running(running: Job | None) -> Sentence:
    if running is None:
        return Sentence(key="runs.nothing")
    return Sentence(key=f"runs.{running.stage}", values={"model": running.target})
