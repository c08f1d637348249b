"""iaipctl verdict: how the last candidate compared, with intervals, per query set."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from daemon.cli.result import NOT_FOUND, Result, table
from daemon.cli.root import Context
from daemon.ledger.records import Run
from daemon.web.reading import Compared, run_view
from jobs.domain.gates import DECISIVE_METRIC, SetComparison, Verdict
from jobs.domain.results import ValidationResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", type=int, help="the run's number (default: the latest that was judged)")
    parser.add_argument("--target", choices=("embedding", "expansion"), help="the latest of this target")
    parser.add_argument("--queries", action="store_true", help="every query before and after, the most moved first")


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
    data, text = _data(*found), render(*found)
    if options.queries:
        compared = run_view(context.books, found[0].id, context.held_out).compared
        data["queries"] = [_query(one) for one in compared]
        text += "\n\n" + _query_table(compared)
    return Result(schema="iaip.verdict/1", data=data, text=text)


def _query(one: Compared) -> dict[str, Any]:
    return {
        "set": one.query_set,
        "query": one.query,
        "text": one.text,
        "before": one.before.score,
        "after": one.after.score,
        "change": one.change,
    }


def _query_table(compared: tuple[Compared, ...]) -> str:
    rows = [
        [one.query_set, one.query, f"{one.before.score:.3f}", f"{one.after.score:.3f}", f"{one.change:+.3f}", one.text]
        for one in compared
    ]
    return (
        table(["set", "query", "before", "after", "change", "asked"], rows) if rows else "no query was answered by both"
    )


def judged_run(number: int | None, target: str | None, context: Context) -> tuple[Run, Verdict] | None:
    """The run asked for, or the newest of the target, that has a verdict."""
    row = context.books.database.row(
        "SELECT run, result FROM job INDEXED BY job_judged WHERE stage = 'validate' AND state = 'done'"
        " AND (? IS NULL OR run = ?) AND (? IS NULL OR target = ?) ORDER BY id DESC LIMIT 1",
        number,
        number,
        target,
        target,
    )
    if row is None:
        return None
    validation = msgspec.json.decode(row["result"], type=ValidationResult)
    return context.books.jobs.run(row["run"]), validation.verdict


def render(run: Run, verdict: Verdict) -> str:
    """The deciding metric, a line per group of queries, then parity."""
    rows = [_row(query_set) for query_set in verdict.sets]
    header = [
        f"{DECISIVE_METRIC} on",
        "queries",
        "none",
        "current",
        "candidate",
        "change",
        "95 % interval",
        "p",
        "detectable",
    ]
    parity = ", ".join(f"{name} {value:.6g}" for name, value in verdict.parity.measures.items())
    lines = [f"run {run.id}, {verdict.target}: {verdict.outcome}", verdict.reason, "", table(header, rows), ""]
    lines.append(f"exported file against trained model: {parity}")
    if verdict.most_informative:
        lines.append(f"judging these would help most: {', '.join(verdict.most_informative)}")
    return "\n".join(lines)


def _row(query_set: SetComparison) -> list[str]:
    found = next(c for c in query_set.comparisons if c.metric == DECISIVE_METRIC)
    return [
        f"{query_set.name} ({query_set.kind}: {query_set.standing})",
        str(query_set.queries),
        _number(found.none),
        _number(found.current),
        f"{found.candidate:.3f}",
        f"{found.delta:+.3f}",
        f"{found.low:+.3f} to {found.high:+.3f}",
        f"{found.p:.4f}",
        f"{found.minimum_detectable_effect:.3f}",
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _data(run: Run, verdict: Verdict) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(verdict)
    return {"run": run.id, "state": run.state, **data}
