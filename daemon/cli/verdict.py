"""iaipctl verdict: how the last candidate compared, with intervals, per query set."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from daemon.cli.result import NOT_FOUND, Result, table
from daemon.cli.root import Context
from daemon.ledger.records import Run
from jobs.domain.gates import Verdict
from jobs.validate import ValidationResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", type=int, help="the run's number (default: the latest that was judged)")
    parser.add_argument("--target", choices=("embedding", "expansion"), help="the latest of this target")


def run(options: argparse.Namespace, context: Context) -> Result:
    found = judged_run(options.run, options.target, context)
    if found is None:
        return Result(
            schema="iaip.verdict/1",
            data={"run": None},
            text="",
            talk="no run has been judged yet; start one: `iaipctl run embedding`",
            code=NOT_FOUND,
        )
    judged, verdict, validation = found
    return Result(
        schema="iaip.verdict/1", data=_data(judged, verdict, validation), text=render(judged, verdict, validation)
    )


def judged_run(
    number: int | None, target: str | None, context: Context
) -> tuple[Run, Verdict, ValidationResult] | None:
    """The run asked for, or the newest of the target, that has a verdict."""
    row = context.books.database.row(
        "SELECT run, result FROM job WHERE stage = 'validate' AND state = 'done'"
        " AND (? IS NULL OR run = ?) AND (? IS NULL OR target = ?) ORDER BY id DESC",
        number,
        number,
        target,
        target,
    )
    if row is None:
        return None
    validation = msgspec.json.decode(row["result"], type=ValidationResult)
    return context.books.jobs.run(row["run"]), validation.verdict, validation


def render(run: Run, verdict: Verdict, validation: ValidationResult) -> str:
    rows = [
        [
            comparison.metric if index else f"{query_set.name} ({query_set.kind}, {query_set.queries})",
            "" if index else comparison.metric,
            _number(comparison.none),
            _number(comparison.current),
            f"{comparison.candidate:.3f}",
            f"{comparison.delta:+.3f}",
            f"{comparison.low:+.3f} to {comparison.high:+.3f}",
            f"{comparison.p:.4f}",
            f"{comparison.minimum_detectable_effect:.3f}",
        ]
        for query_set in verdict.sets
        for index, comparison in enumerate(query_set.comparisons)
        if comparison.metric == "nDCG@10" and index >= 0
    ]
    rows = [[row[0] if "(" in row[0] else row[0], *row[2:]] for row in _named(verdict, rows)]
    header = ["nDCG@10 on", "none", "current", "candidate", "change", "95 % interval", "p", "detectable"]
    parity = ", ".join(f"{name} {value:.4f}" for name, value in verdict.parity.items())
    return "\n".join(
        [
            f"run {run.id}, {verdict.target}: {verdict.outcome}",
            verdict.reason,
            "",
            table(header, rows),
            "",
            f"parity: {parity}",
        ]
    )


def _named(verdict: Verdict, rows: list[list[str]]) -> list[list[str]]:
    names = [f"{s.name} ({s.kind}, {s.queries} queries)" for s in verdict.sets if s.comparisons]
    return [[name, *row[1:]] for name, row in zip(names, rows, strict=True)]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _data(run: Run, verdict: Verdict, validation: ValidationResult) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(verdict)
    return {"run": run.id, "state": run.state, **data}
