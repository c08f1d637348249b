"""Baseline and validation: the arms none, current and candidate answer the same queries through real QMD.

The baseline freezes a copy of the live index, brought up to date. The candidate searches a copy of
that copy, with its own vectors: both arms see the same text, whatever was edited in the meantime.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from jobs.dataset.evaluation import read_evaluation_sets
from jobs.dataset.stage import built
from jobs.domain.artifacts import ExportedModel, SearchModels
from jobs.domain.corpus import digest
from jobs.domain.deciding import attempt_on, deciding_queries, too_few
from jobs.domain.errors import BadInput
from jobs.domain.examples import QuerySet, Target
from jobs.domain.gates import ArmName, QueryScore, ScoredSet
from jobs.domain.judgement import judge, primary_score
from jobs.domain.recipe import plan_for_baseline
from jobs.domain.results import ArmAnswers, BaselineResult, ScoredAnswer, ValidationResult, asked
from jobs.index_file import copy_index
from jobs.ports import SearchArm
from jobs.publish import write_file
from jobs.still_live import require_still_live
from jobs.wire import Done, JobSpec
from jobs.workshop import Workshop, once

ANSWERS_PER_QUERY = 10

# What is asked of each arm. The embedding model is judged alone, without the other models' noise; the
# expansion model by what it adds to the search that goes without it.
NONE_ARM = {"embedding": "lexical", "expansion": "plain"}
MODEL_ARM = {"embedding": "vector", "expansion": "hybrid"}


def run_baseline(spec: JobSpec, workshop: Workshop) -> Done:
    """Measures the arms none and current. Ends the run when search is strong already and nobody asked for more, or
    when there are too few queries to tell a better model from a worse one."""
    assert spec.target is not None
    target = spec.target
    dataset = built(spec, workshop)
    models = workshop.search.models(_live_configuration(workshop))
    curated = read_evaluation_sets(workshop.home.evaluation, dataset)
    sets = (*curated.sets, *dataset.query_sets)
    if (word := too_few(sets, workshop.settings.gate)) is not None:
        return Done(result={}, ends_run=f"cannot-tell: {word}")
    inputs = digest(
        dataset.manifest.name,
        *map(_digest_of_set, sets),
        msgspec.json.encode(models).decode(),
        str(workshop.releases.live()),
        str(spec.forced),
        msgspec.json.encode(workshop.settings.gate).decode(),
        workshop.search.version(),
    )
    result = once(
        workshop.home.stages / f"baseline-{inputs}",
        BaselineResult,
        lambda directory: msgspec.structs.replace(
            _baseline(spec, target, sets, curated.problems, models, directory, workshop),
            sets=curated.sets if dataset.consents() else sets,
        ),
        run=spec.run,
    )
    ends = f"already-strong: {result.plan.reason}" if result.plan.intensity == "none" else None
    return Done(result=msgspec.to_builtins(result), ends_run=ends)


def _baseline(
    spec: JobSpec,
    target: Target,
    sets: Sequence[QuerySet],
    problems: Sequence[str],
    models: SearchModels,
    directory: Path,
    workshop: Workshop,
) -> BaselineResult:
    index = directory / "index.sqlite"
    _fresh_copy(workshop.releases.current / "index" / "index.sqlite", index)
    arm = workshop.search.open_arm(_live_configuration(workshop), index, models)
    try:
        arm.index(lambda done, total: workshop.phase("indexing today's notes", done, total), reread=True, afresh=False)
        answers = [
            *_ask(arm, "none", sets, NONE_ARM[target], workshop),
            *_ask(arm, "current", sets, MODEL_ARM[target], workshop),
        ]
    finally:
        arm.close()
    score = primary_score(_scored_sets(sets, answers), workshop.settings.gate)
    gate = workshop.settings.gate
    return BaselineResult(
        live=str(workshop.releases.live()),
        models=models,
        index=str(index),
        answers=_stored(directory, answers),
        sets=tuple(sets),
        score=score,
        plan=plan_for_baseline(score, weak_below=gate.weak_below, strong_above=gate.strong_above, forced=spec.forced),
        problems=tuple(problems),
    )


def run(spec: JobSpec, workshop: Workshop) -> Done:
    """Measures the candidate and judges it. Ends the run with the verdict's reason unless it says promote."""
    assert spec.target is not None
    target = spec.target
    baseline = msgspec.convert(spec.earlier["baseline"], BaselineResult)
    baseline = msgspec.structs.replace(baseline, sets=asked(baseline, built(spec, workshop).query_sets))
    exported = msgspec.convert(spec.earlier["export"], ExportedModel)
    if not Path(baseline.index).exists():
        raise BadInput(
            f"what run {spec.run} measured as its baseline has been cleared away since",
            remedy=f"`iaipctl run {target}` starts anew; the live search is untouched",
        )
    require_still_live(spec, workshop.releases)
    inputs = digest(baseline.answers, exported.sha256, msgspec.json.encode(workshop.settings.gate).decode())
    result = once(
        workshop.home.stages / f"validate-{inputs}",
        ValidationResult,
        lambda directory: _validate(spec, target, baseline, exported, directory, workshop),
        run=spec.run,
    )
    verdict = result.verdict
    ends = None if verdict.outcome == "promote" else f"{verdict.outcome}: {verdict.reason}"
    return Done(result=msgspec.to_builtins(result), ends_run=ends)


def _validate(
    spec: JobSpec,
    target: Target,
    baseline: BaselineResult,
    exported: ExportedModel,
    directory: Path,
    workshop: Workshop,
) -> ValidationResult:
    index = directory / "index.sqlite"
    _fresh_copy(Path(baseline.index), index)
    changed = "embed" if target == "embedding" else "generate"
    models = msgspec.structs.replace(baseline.models, **{changed: exported.gguf})
    arm = workshop.search.open_arm(_live_configuration(workshop), index, models)
    try:
        arm.index(
            lambda done, total: workshop.phase("indexing with the candidate", done, total),
            reread=False,
            afresh=target == "embedding",
        )
        candidate = _ask(arm, "candidate", baseline.sets, MODEL_ARM[target], workshop)
    finally:
        arm.close()
    before = msgspec.json.decode(Path(baseline.answers).read_bytes(), type=list[ArmAnswers])
    answers = [*before, *candidate]
    scored, gate = _scored_sets(baseline.sets, answers), workshop.settings.gate
    judged_by = deciding_queries(scored, gate)
    verdict = judge(target, scored, exported.parity, gate, attempt=attempt_on(judged_by, spec.judged_before))
    return ValidationResult(index=str(index), answers=_stored(directory, answers), verdict=verdict, judged_by=judged_by)


def _ask(arm: SearchArm, name: ArmName, sets: Sequence[QuerySet], how: str, workshop: Workshop) -> list[ArmAnswers]:
    total = sum(len(query_set.queries) for query_set in sets)
    done = 0
    every = []
    for query_set in sets:
        answers = []
        for answer in arm.ask(query_set.queries, how, ANSWERS_PER_QUERY):
            answers.append(answer)
            done += 1
            workshop.phase(f"asking the {name} arm", done, total)
            workshop.rest_if_told()
        scores = workshop.scorer().score(query_set, answers)
        scored = tuple(
            ScoredAnswer(answer=answer, metrics=score.metrics) for answer, score in zip(answers, scores, strict=True)
        )
        every.append(ArmAnswers(arm=name, query_set=query_set.name, scored=scored))
    return every


def _scored_sets(sets: Sequence[QuerySet], answers: Sequence[ArmAnswers]) -> list[ScoredSet]:
    """Each query set with what every arm scored on it."""
    by_arm: dict[tuple[str, str], ArmAnswers] = {(a.query_set, a.arm): a for a in answers}
    return [
        ScoredSet(
            query_set=query_set,
            scores={
                arm: tuple(QueryScore(query=s.answer.query, metrics=s.metrics) for s in found.scored)
                for arm in ("none", "current", "candidate")
                if (found := by_arm.get((query_set.name, arm)))
            },
            answers={
                arm: tuple(s.answer for s in found.scored)
                for arm in ("none", "current", "candidate")
                if (found := by_arm.get((query_set.name, arm)))
            },
        )
        for query_set in sets
    ]


def _live_configuration(workshop: Workshop) -> Path:
    return workshop.releases.current / "qmd" / "index.yml"


def _fresh_copy(source: Path, target: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    copy_index(source, target)


def _stored(directory: Path, answers: Sequence[ArmAnswers]) -> str:
    path = directory / "answers.json"
    write_file(path, msgspec.json.encode(list(answers)))
    return str(path)


def _digest_of_set(query_set: QuerySet) -> str:
    return digest(msgspec.json.encode(query_set).decode())
