"""Which documents train and which are kept back. By document and cluster, never by query.

A cluster goes where the hash of its representative and the seed falls, so that nothing depends on what
else is there: a new document moves another only by joining its cluster, and then seldom.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from config.settings import DatasetSettings
from jobs.dataset.sketch import Clusters
from jobs.domain.examples import Split


def joined_clusters(
    near: Mapping[str, tuple[str, ...]], together: Sequence[Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """``near`` grown until the known documents of every sequence in ``together`` share a cluster."""
    clusters = Clusters(near)
    for members in near.values():
        for member in members[1:]:
            clusters.join(members[0], member)
    for group in together:
        known = [name for name in group if name in near]
        for name in known[1:]:
            clusters.join(known[0], name)
    return clusters.members()


def split_documents(clusters: Mapping[str, tuple[str, ...]], settings: DatasetSettings) -> dict[str, Split]:
    """The split of every document. All members of a cluster share it."""
    return {name: _split(representative(members), settings) for name, members in clusters.items()}


def representative(members: Sequence[str]) -> str:
    """The member whose name hashes lowest: one that joins takes its place with a chance of 1 in their number."""
    return min(members, key=lambda name: (_fraction("representative", name), name))


def split_alone(name: str, settings: DatasetSettings) -> Split:
    """The split of rows that search cannot find again (free text, expansions without a document): never test."""
    split = _split(name, settings)
    return "train" if split == "test" else split


def order(seed: int, name: str) -> float:
    """A fixed, seeded number between 0 and 1 for a name: what is chosen by it is chosen evenly and alike each time."""
    return _fraction(f"order {seed}", name)


def _split(name: str, settings: DatasetSettings) -> Split:
    place = _fraction(f"split {settings.seed}", name)
    if place < settings.test_share:
        return "test"
    return "development" if place < settings.test_share + settings.development_share else "train"


def _fraction(purpose: str, name: str) -> float:
    hashed = hashlib.blake2b(f"{purpose}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(hashed) / 2**64
