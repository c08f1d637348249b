"""The order and the pace of a training: which rows meet in a batch, and how large each step is."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from msgspec import Struct

from jobs.domain.recipe import Intensity

GENTLE_RATE = 0.6
_BATCHES_SORTED_TOGETHER = 16


class Pace(Struct, frozen=True, kw_only=True):
    """How long and how fast: ``peak`` is the learning rate at the end of the warm-up."""

    epochs: int
    peak: float


def pace_for(intensity: Intensity, *, epochs: int, learning_rate: float) -> Pace:
    """Firm is the recipe as written; gentle is one epoch at a smaller rate. Raises ValueError for ``none``."""
    if intensity == "none":
        raise ValueError("no training was planned")
    if intensity == "gentle":
        return Pace(epochs=1, peak=learning_rate * GENTLE_RATE)
    return Pace(epochs=epochs, peak=learning_rate)


def learning_rate_at(step: int, *, steps: int, warmup_share: float, peak: float) -> float:
    """The rate of step ``step`` (0 to ``steps - 1``): a linear rise to ``peak``, then half a cosine towards 0.

    Never 0 within the training: the first and the last step also learn.
    """
    warmup = min(max(1, round(steps * warmup_share)), steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / (steps - warmup)
    return peak * 0.5 * (1.0 + math.cos(math.pi * done))


def length_batches(lengths: Sequence[int], batch_size: int, *, seed: int) -> tuple[tuple[int, ...], ...]:
    """Row numbers in batches of at most ``batch_size``, every row once, rows of like length together.

    Rows are shuffled, cut into runs of 16 batches, sorted by length inside each run and the batches are shuffled
    again: little padding, yet another mixture for every ``seed``.
    """
    shuffler = random.Random(seed)
    order = list(range(len(lengths)))
    shuffler.shuffle(order)
    run = batch_size * _BATCHES_SORTED_TOGETHER
    batches: list[tuple[int, ...]] = []
    for start in range(0, len(order), run):
        alike = sorted(order[start : start + run], key=lambda row: lengths[row])
        batches += [tuple(alike[at : at + batch_size]) for at in range(0, len(alike), batch_size)]
    shuffler.shuffle(batches)
    return tuple(batches)
