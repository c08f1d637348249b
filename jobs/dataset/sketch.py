"""Near-duplicates: a small sketch per document, and clusters of documents whose sketches agree.

One-permutation MinHash over three-word shingles (P. Li, A. Owen, C.-H. Zhang, "One Permutation Hashing",
2012), its empty bins filled from the next full one, and banded lookup (A. Broder; J. Ullman, "Mining of
Massive Datasets", ch. 3), so that the time grows with the documents, not with their pairs.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Mapping

from jobs.dataset.words import words_of

BINS = 64
SAME = 0.7
"""Documents with at least this estimated Jaccard similarity are one cluster."""

_SHINGLE_BITS = 26
_BAND = 4
_WORD_BYTES = 4
_REPRESENTATIVES = 4
_FEWEST_WORDS = 8
_MASK = 0xFFFFFFFF


def sketch(text: str) -> bytes:
    """64 numbers of 4 bytes; empty for a text of fewer than eight words, which resembles nothing."""
    words = [zlib.crc32(word.encode("utf-8", "replace")) for word in words_of(text.lower())]
    if len(words) < _FEWEST_WORDS:
        return b""
    shingles = {
        (one * 0x9E3779B1 + two * 0x85EBCA77 + three * 0xC2B2AE3D) & _MASK
        for one, two, three in zip(words, words[1:], words[2:], strict=False)
    }
    smallest = {shingle >> _SHINGLE_BITS: shingle for shingle in sorted(shingles, reverse=True)}
    bins = array("I", bytes(BINS * _WORD_BYTES))
    following = smallest[min(smallest)]
    for number in reversed(range(BINS)):
        following = smallest.get(number, following)
        bins[number] = following
    return bins.tobytes()


def similarity(one: bytes, other: bytes) -> float:
    """The estimated Jaccard similarity, 0 to 1, of two sketches that are not empty."""
    left, right = memoryview(one).cast("I"), memoryview(other).cast("I")
    return sum(a == b for a, b in zip(left, right, strict=True)) / BINS


class Clusters:
    """Sets of documents (by name) that belong together; disjoint, and growing by ``join``."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parent = {name: name for name in names}

    def join(self, one: str, other: str) -> None:
        self._parent[self.root(one)] = self.root(other)

    def root(self, name: str) -> str:
        while (parent := self._parent[name]) != name:
            self._parent[name] = name = self._parent[parent]
        return name

    def members(self) -> dict[str, tuple[str, ...]]:
        """Every name with all members of its cluster, itself included, in alphabetical order."""
        grouped: dict[str, list[str]] = {}
        for name in sorted(self._parent):
            grouped.setdefault(self.root(name), []).append(name)
        return {name: tuple(group) for group in grouped.values() for name in group}


def near_duplicates(sketches: Mapping[str, bytes]) -> Clusters:
    """Clusters of the documents whose sketches agree. The order of the mapping does not matter."""
    clusters = Clusters(sketches)
    seen: dict[tuple[int, bytes], list[str]] = {}
    for name in sorted(sketches):
        own = sketches[name]
        for start in range(0, len(own), _BAND * _WORD_BYTES):
            alike = seen.setdefault((start, own[start : start + _BAND * _WORD_BYTES]), [])
            for other in alike:
                if similarity(own, sketches[other]) >= SAME:
                    clusters.join(name, other)
            if len(alike) < _REPRESENTATIVES:
                alike.append(name)
    return clusters
