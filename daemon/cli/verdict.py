"""iaipctl verdict: how the last candidate compared, with intervals, per query set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import msgspec

from daemon.cli.result import NOT_FOUND, Result, table
from daemon.cli.root import Context
from daemon.cli.terminal import visible
from daemon.ledger.records import Run
from daemon.web.exported import figures
from daemon.web.reading import Compared, judged_sets, run_view
from daemon.web.wording import Wording
from jobs.domain.examples import JudgedQuery
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
            talk=_unjudged(options.run, options.target, context),
            code=NOT_FOUND,
        )
    helpful = _would_help(*found, context)
    data = {**_data(*found), "would_help": [{"set": name, "query": q.id, "text": q.text} for name, q in helpful]}
    text = render(*found, [query.text for _, query in helpful])
    if options.queries:
        compared = run_view(context.books, found[0].id, context.held_out).compared
        data["queries"] = [query_data(one) for one in compared]
        text += "\n\n" + _query_table(compared)
    return Result(schema="iaip.verdict/1", data=data, text=text)


def _unjudged(number: int | None, target: str | None, context: Context) -> str:
    """Raises KeyError for a run that is not there."""
    if number is not None:
        run = context.books.jobs.run(number)
        ended = run.outcome or run.state
        return f"run {run.id}, {run.target}, has no verdict: {ended}. Next: `iaipctl why run {run.id}`"
    judged = f"no {target} run" if target else "no run"
    return f"{judged} has been judged yet; start one: `iaipctl run {target or 'embedding'}`"


def query_data(one: Compared) -> dict[str, Any]:
    """``place``: of the first right document among those found, from 1."""
    return {
        "set": one.query_set,
        "query": one.query,
        "text": one.text,
        "before": one.before.score,
        "after": one.after.score,
        "place": {"before": one.before.place, "after": one.after.place},
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


def _would_help(run: Run, verdict: Verdict, context: Context) -> list[tuple[str, JudgedQuery]]:
    """The queries whose judgement would tell most, with their sets, the strongest first."""
    judged = judged_sets(context.books, run.id, context.held_out)
    asked = {query.id: (one.name, query) for one in (judged[0].sets if judged else ()) for query in one.queries}
    return [asked[query] for query in verdict.most_informative if query in asked]


def render(run: Run, verdict: Verdict, would_help: Sequence[str]) -> str:
    """The deciding metric, a line per group of queries, then parity, and which questions to judge."""
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
    exported = ", ".join(f"{name} {value}" for name, value in figures(verdict.parity, Wording("en")))
    lines = [f"run {run.id}, {verdict.target}: {verdict.outcome}", verdict.reason, "", table(header, rows), ""]
    lines.append(f"the exported file against the trained model: {exported}")
    if would_help:
        lines.append("judging these would help most (`iaipctl ui` or `iaipctl evaluation add`):")
        lines += [f"  {visible(text)}" for text in would_help]
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
