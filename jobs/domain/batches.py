"""Which examples meet in which training batch.

In-batch negatives ask two things of a batch: texts of about one length, so that little is padded,
and no example whose right answer is also another one's, or a right answer would be punished.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

_BATCHES_SORTED_TOGETHER = 20
"""Sorting over everything would fix who meets whom; over one batch it would save nothing."""


def plan_batches(
    lengths: Sequence[int], keys: Sequence[frozenset[Hashable]], *, batch_size: int, epochs: int, seed: int
) -> list[list[int]]:
    """The batches of all epochs, in order: lists of at least 2 and at most ``batch_size`` indices into ``lengths``.

    ``lengths`` are the examples' sizes in tokens; two examples that share one of their ``keys`` never
    meet. In each epoch every example comes up once, save one that is left with nobody to meet.
    The same arguments give the same batches.
    """
    batches: list[list[int]] = []
    for epoch in range(epochs):
        chance = random.Random(f"{seed}/{epoch}")
        batches += _one_epoch(lengths, keys, batch_size, chance)
    return batches


def _one_epoch(
    lengths: Sequence[int], keys: Sequence[frozenset[Hashable]], batch_size: int, chance: random.Random
) -> list[list[int]]:
    order = list(range(len(lengths)))
    chance.shuffle(order)
    batches: list[list[int]] = []
    leftover: list[int] = []
    span = batch_size * _BATCHES_SORTED_TOGETHER
    for start in range(0, len(order), span):
        together = sorted(leftover + order[start : start + span], key=lambda index: lengths[index])
        full, leftover = _fill(together, keys, batch_size)
        batches += full
    batches += _last(leftover, keys, batch_size)
    chance.shuffle(batches)
    return batches


def _fill(
    indices: Sequence[int], keys: Sequence[frozenset[Hashable]], batch_size: int
) -> tuple[list[list[int]], list[int]]:
    """Full batches in the order of ``indices``, and what is left over."""
    full: list[list[int]] = []
    waiting = list(indices)
    while len(waiting) >= batch_size:
        batch, others = _take(waiting, keys, batch_size)
        if len(batch) < batch_size:
            break
        full.append(batch)
        waiting = others
    return full, waiting


def _last(indices: Sequence[int], keys: Sequence[frozenset[Hashable]], batch_size: int) -> list[list[int]]:
    """The batches of an epoch's end, full or not."""
    batches: list[list[int]] = []
    waiting = list(indices)
    while waiting:
        batch, waiting = _take(waiting, keys, batch_size)
        batches.append(batch)
    return [batch for batch in batches if len(batch) > 1]


def _take(waiting: Sequence[int], keys: Sequence[frozenset[Hashable]], batch_size: int) -> tuple[list[int], list[int]]:
    """The first ``batch_size`` indices that share no key, and the rest in order."""
    batch: list[int] = []
    passed_over: list[int] = []
    taken: set[Hashable] = set()
    for position, index in enumerate(waiting):
        if len(batch) == batch_size:
            return batch, passed_over + list(waiting[position:])
        if taken.isdisjoint(keys[index]):
            batch.append(index)
            taken |= keys[index]
        else:
            passed_over.append(index)
    return batch, passed_over
