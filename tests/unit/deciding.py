"""The governor's decisions on a series of readings, one a sample."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from config.load import load_settings
from config.settings import GovernorSettings
from daemon.pace import Decision, PaceState, Work, decide
from daemon.readings import Readings
from tests.fakes.readings import FINE

NIGHT = time(3, 0)
RESERVE = 5_000_000_000
DEFAULTS = load_settings(Path("absent.toml")).governor
TRAINING = Work(training=True)
MEASURING = Work(training=False)
EVERY = 5.0
works = st.none() | st.builds(
    Work, training=st.booleans(), seconds=st.floats(0, 2000), share=st.none() | st.floats(0, 2)
)


def settings(**changes: Any) -> GovernorSettings:
    return msgspec.structs.replace(DEFAULTS, **changes)


def but(**changes: Any) -> Readings:
    return msgspec.structs.replace(FINE, **changes)


def decisions(
    readings: Sequence[Readings],
    work: Work | None = TRAINING,
    chosen: GovernorSettings = DEFAULTS,
    *,
    wall: time = NIGHT,
    every: float = EVERY,
    state: PaceState | None = None,
) -> list[Decision]:
    """One decision a sample."""
    state, made = state or PaceState(), []
    for number, sample in enumerate(readings):
        decision, state = decide(state, sample, work, chosen, reserve=RESERVE, now=100.0 + number * every, wall=wall)
        made.append(decision)
    return made


def last(readings: Sequence[Readings], *rest: Any, **options: Any) -> Decision:
    return decisions(readings, *rest, **options)[-1]
