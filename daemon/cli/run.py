"""iaipctl run TARGET: start a run now."""

from __future__ import annotations

import argparse

from daemon.cli import wait
from daemon.cli.result import REFUSED, Result
from daemon.cli.root import Context
from daemon.cli.unanswered import unanswered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", choices=("embedding", "expansion"), help="which model to train anew")
    parser.add_argument("--force", action="store_true", help="train even if search is strong already")
    parser.add_argument("--wait", action="store_true", help="stay until the run has ended")


def run(options: argparse.Namespace, context: Context) -> Result:
    answer = context.ask("run", {"target": options.target, "forced": options.force})
    if answer is None:
        return unanswered("iaip.run/1", {"run": None}, context)
    if "refused" in answer:
        return Result(
            schema="iaip.run/1",
            data=answer,
            text="",
            talk=f"{answer['refused']}. Next: `iaipctl status`",
            code=REFUSED,
        )
    if options.wait:
        return wait.until_ended(answer["run"], None, context)
    return Result(schema="iaip.run/1", data=answer, text=f"run {answer['run']}", talk="Follow it: `iaipctl wait`")
