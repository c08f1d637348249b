"""What passes between the daemon and a worker: one JobSpec and then Orders on stdin, Events as JSON lines on stdout.

The first Event is the Receipt: without a good one there is no JobSpec.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from jobs.domain.artifacts import Progress
from jobs.domain.confinement import Receipt
from jobs.domain.examples import Target

Stage = Literal["dataset", "baseline", "train", "export", "validate", "deploy"]
STAGE_ORDER: tuple[Stage, ...] = ("dataset", "baseline", "train", "export", "validate", "deploy")


LIGHT_STAGES: frozenset[Stage] = frozenset({"dataset"})
"""They need no accelerator, little memory and few seconds, and don't wait for a heavy job. One at a time: they share
the cache of examples."""

UNGOVERNED_STAGES: frozenset[Stage] = LIGHT_STAGES | {"deploy"}
"""They run at full speed to their end: a switch is short, and best ended as it was begun."""


def following(stage: Stage) -> Stage | None:
    """The stage after this one; none after the last."""
    position = STAGE_ORDER.index(stage) + 1
    return STAGE_ORDER[position] if position < len(STAGE_ORDER) else None


class JobSpec(Struct, frozen=True, kw_only=True):
    """All a worker needs to know. ``earlier`` maps each finished stage of the run to its result.

    ``target`` is none for a dataset job that only keeps the examples fresh."""

    job: int
    stage: Stage
    home: str
    run: int | None = None
    target: Target | None = None
    forced: bool = False
    smaller: bool = False
    """The machine restarted under this job: it gets one more try, and should ask less of the machine."""
    judged_before: dict[str, int] = {}
    """How often each query (by digest) has decided on this target before: the gate's alpha budget."""
    earlier: dict[str, Any] = {}
    documents: tuple[tuple[str, str, str], ...] = ()
    """For dataset jobs: (collection, path, sha256) of every readable document."""


class Phase(Struct, frozen=True, kw_only=True, tag="phase"):
    """What the job is doing now, in a few words without any note's text."""

    text: str
    done: int = 0
    total: int = 0


class Step(Struct, frozen=True, kw_only=True, tag="progress"):
    progress: Progress


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """``ends_run`` is set when the run ends here without an error, with its reason in words."""

    result: dict[str, Any]
    ends_run: str | None = None


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    message: str
    remedy: str
    kind: str


Event = Receipt | Phase | Step | Done | Failed


class Order(Struct, frozen=True, kw_only=True):
    """How a worker goes on from its next step boundary. ``rest`` is the share of the time that it sleeps when slow."""

    kind: Literal["run", "slow", "pause", "checkpoint-and-exit"]
    rest: Annotated[float, Meta(ge=0.0, le=0.95)] = 0.0


RUN = Order(kind="run")
PAUSE = Order(kind="pause")
LEAVE = Order(kind="checkpoint-and-exit")


def slow(rest: float) -> Order:
    return Order(kind="slow", rest=rest)


_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_receipt_decoder = msgspec.json.Decoder(Receipt)
_spec_decoder = msgspec.json.Decoder(JobSpec)
_order_decoder = msgspec.json.Decoder(Order)


def encode(message: Event | JobSpec | Order) -> bytes:
    """One line, newline included."""
    return msgspec.json.encode(message) + b"\n"


def decode_event(line: bytes) -> Event:
    """Raises msgspec.DecodeError (a ValueError) for anything that is not an event."""
    return _decoder.decode(line)


def decode_receipt(line: bytes) -> Receipt:
    """Raises msgspec.DecodeError (a ValueError) for anything that is not a receipt."""
    return _receipt_decoder.decode(line)


def decode_spec(line: bytes) -> JobSpec:
    return _spec_decoder.decode(line)


def decode_order(line: bytes) -> Order:
    """Raises msgspec.DecodeError (a ValueError) for anything that is not an order."""
    return _order_decoder.decode(line)
