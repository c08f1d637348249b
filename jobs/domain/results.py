"""What each stage leaves for the next, as it stands in the ledger."""

from __future__ import annotations

from msgspec import Struct

from jobs.domain.artifacts import SearchModels
from jobs.domain.examples import QuerySet
from jobs.domain.gates import Answer, ArmName, Verdict
from jobs.domain.recipe import Plan


class DatasetResult(Struct, frozen=True, kw_only=True):
    """The run's dataset by name, and its rows per split. ``curated_problems`` names each hand-made line that could
    not be used, by file and line, without any of its text."""

    dataset: str
    rows: dict[str, int]
    curated_problems: tuple[str, ...] = ()


class BaselineResult(Struct, frozen=True, kw_only=True):
    """``answers`` is a file of ArmAnswers; ``problems`` names what of the curated evaluation could not be read.

    ``sets`` are without those of a sealed dataset, which hold words of notes that are nobody else's to read: see
    ``asked``. ``live`` is the release that was measured, and ``models`` are those that it searched with.
    """

    live: str = ""
    models: SearchModels = SearchModels()
    index: str
    answers: str
    sets: tuple[QuerySet, ...]
    score: float
    plan: Plan
    problems: tuple[str, ...] = ()


def asked(result: BaselineResult, dataset: tuple[QuerySet, ...]) -> tuple[QuerySet, ...]:
    """All that a baseline asked, in order. ``dataset``: the sets that its dataset holds."""
    return result.sets if any(one.kind == "held-out" for one in result.sets) else (*result.sets, *dataset)


class ValidationResult(Struct, frozen=True, kw_only=True):
    """``answers`` is a file of all three arms' ArmAnswers; ``index`` has the candidate's vectors.

    ``judged_by`` are the queries that decided, as ``deciding.deciding_queries`` names them.
    """

    index: str
    answers: str
    verdict: Verdict
    judged_by: tuple[str, ...] = ()


class DeployResult(Struct, frozen=True, kw_only=True):
    release: str
    live: bool
    problems: tuple[str, ...] = ()


class ScoredAnswer(Struct, frozen=True, kw_only=True):
    answer: Answer
    metrics: dict[str, float]


class ArmAnswers(Struct, frozen=True, kw_only=True):
    """One arm's scored answers to one query set."""

    arm: ArmName
    query_set: str
    scored: tuple[ScoredAnswer, ...]
