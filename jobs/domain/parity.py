"""Whether a GGUF computes what the trained model computes. Pure: both sides' numbers in, a Parity out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from msgspec import Struct

from jobs.domain.artifacts import Parity

NEIGHBOURS = 10
LEAST_TOKEN_MATCH = 0.95
"""llama.cpp reads a few scripts (Hangul, Devanagari under BERT) otherwise than Hugging Face's tokenizers, before
and after training alike: one such note among a hundred says nothing against the file, a wrong tokenizer does."""
Vector = Sequence[float]


class Embedded(Struct, frozen=True, kw_only=True):
    """One text as one side embeds it: the token ids it feeds its model, special ones included, and the vector."""

    tokens: tuple[int, ...]
    vector: tuple[float, ...]


class Generated(Struct, frozen=True, kw_only=True):
    """One prompt as one side reads it, and its likeliest next token at each step of the trained model's answer."""

    tokens: tuple[int, ...]
    greedy: tuple[int, ...]


class Pooling(Struct, frozen=True, kw_only=True):
    """How token vectors become one: ``mean``, ``cls``, ``last``, or what else stands there."""

    trained: str
    exported: str


def embedding_parity(
    trained: Sequence[Embedded],
    exported: Sequence[Embedded],
    pooling: Pooling,
    *,
    least_cosine: float,
    least_overlap: float,
) -> Parity:
    """Pooling and (but for LEAST_TOKEN_MATCH) token ids must be equal, every cosine and the mean overlap of
    neighbours at least as given.

    Cosine and overlap are taken over the texts that both sides read as the same tokens; the overlap
    only with enough of them that ten neighbours are a choice.
    """
    match = _share_equal([one.tokens for one in trained], [one.tokens for one in exported])
    longest = max((len(one.tokens) for one in trained), default=0)
    measures = {
        "texts": float(len(trained)),
        "tokens_longest": float(longest),
        "token_match": match,
        "token_match_least": LEAST_TOKEN_MATCH,
    }
    problems = _shortfall("share of texts with equal token ids", match, LEAST_TOKEN_MATCH)
    alike = [pair for pair in zip(trained, exported, strict=True) if pair[0].tokens == pair[1].tokens]
    if pooling.trained != pooling.exported:
        problems.append(f"pooling {pooling.exported} in the file, {pooling.trained} in the trained model")
    cosines = [_cosine(mine.vector, other.vector) for mine, other in alike]
    measures["cosine_min"] = min(cosines, default=0.0)
    measures["cosine_min_least"] = least_cosine
    measures["cosine_mean"] = sum(cosines) / len(cosines) if cosines else 0.0
    problems += _shortfall("cosine", measures["cosine_min"], least_cosine)
    if len(alike) > NEIGHBOURS + 1:
        overlap = neighbour_overlap([mine.vector for mine, _ in alike], [other.vector for _, other in alike])
        measures["overlap_top10"] = overlap
        measures["overlap_top10_least"] = least_overlap
        problems += _shortfall("top-10 overlap", overlap, least_overlap)
    return Parity(measures=measures, problems=tuple(problems))


def generation_parity(trained: Sequence[Generated], exported: Sequence[Generated], *, least_agreement: float) -> Parity:
    """Token ids must be equal (but for LEAST_TOKEN_MATCH), and so must be the given share of greedy next tokens."""
    match = _share_equal([one.tokens for one in trained], [one.tokens for one in exported])
    problems = _shortfall("share of texts with equal token ids", match, LEAST_TOKEN_MATCH)
    steps = [
        mine == other
        for one, two in zip(trained, exported, strict=True)
        for mine, other in zip(one.greedy, two.greedy, strict=True)
    ]
    agreement = sum(steps) / len(steps) if steps else 0.0
    problems += _shortfall("greedy agreement", agreement, least_agreement)
    measures = {
        "prompts": float(len(trained)),
        "token_match": match,
        "token_match_least": LEAST_TOKEN_MATCH,
        "steps": float(len(steps)),
        "greedy_agreement": agreement,
        "greedy_agreement_least": least_agreement,
    }
    return Parity(measures=measures, problems=tuple(problems))


def neighbour_overlap(trained: Sequence[Vector], exported: Sequence[Vector]) -> float:
    """The mean share of a text's ten nearest other texts that both sides agree on, 0 to 1."""
    one, other = _neighbours(trained), _neighbours(exported)
    shares = [len(mine & theirs) / len(mine) for mine, theirs in zip(one, other, strict=True) if mine]
    return sum(shares) / len(shares) if shares else 1.0


def _neighbours(vectors: Sequence[Vector]) -> list[set[int]]:
    units = [_unit(vector) for vector in vectors]
    found = []
    for index, unit in enumerate(units):
        closeness = [(sum(map(mul, unit, other)), -place) for place, other in enumerate(units) if place != index]
        found.append({-place for _, place in sorted(closeness, reverse=True)[:NEIGHBOURS]})
    return found


def _unit(vector: Vector) -> list[float]:
    length = math.sqrt(sum(map(mul, vector, vector)))
    return [value / length for value in vector] if length > 0 else [0.0] * len(vector)


def _cosine(one: Vector, other: Vector) -> float:
    """Zero when a side is all zeros, or when the two have different dimensions."""
    return sum(map(mul, _unit(one), _unit(other))) if len(one) == len(other) else 0.0


def _share_equal(trained: Sequence[tuple[int, ...]], exported: Sequence[tuple[int, ...]]) -> float:
    equal = [mine == other for mine, other in zip(trained, exported, strict=True)]
    return sum(equal) / len(equal) if equal else 0.0


def _shortfall(what: str, value: float, least: float) -> list[str]:
    """``not >=`` rather than ``<``: a NaN is a shortfall too."""
    return [] if value >= least else [f"{what} {_just_under(value, least)} under {least:g}"]


def _just_under(value: float, least: float) -> str:
    """As many decimals as show that the value is smaller."""
    for decimals in range(3, 9):
        if not round(value, decimals) >= least:
            return f"{value:.{decimals}f}"
    return repr(value)
