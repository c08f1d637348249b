"""make chaos: kills daemon, workers and rollbacks at random moments over real jobs, and accounts for everything.

    python -m tests.chaos [--minutes N] [--kills N] [--seed N] [--no-search]

Ends with 1 if a job was lost or done twice, was not picked up in 10 s, the live release did not answer, or the time
was over before so many were killed.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

from daemon.cli.result import table
from jobs.adapters.node import find_converter, find_node, find_qmd
from jobs.domain.errors import ToolFailed
from tests.chaos.accounts import Account, close_accounts
from tests.chaos.house import House
from tests.chaos.storm import Storm, Watch


def run(folder: Path, *, minutes: float, kills: int | None, seed: int, search: bool) -> Account:
    """One storm in ``folder``, from a new home to the closed accounts. ``kills``: it ends after so many."""
    account = Account()
    house = House(folder / "house", search=search)
    try:
        with Watch(house, account):
            storm = Storm(house, account, seed, search=search)
            storm.rage(minutes * 60, kills or sys.maxsize)
            storm.settle()
        close_accounts(house, account, folder / "afresh")
        if kills and account.killed < kills:
            account.violations.append(f"{account.killed} were killed in the time, {kills} were asked for")
    finally:
        house.daemon.kill()
        house.daemon.wait()
    return account


def shown(account: Account) -> str:
    pick_ups = account.pick_ups or [0.0]
    rows = [[f"killed: {what}", str(count)] for what, count in sorted(account.kills.items())]
    rows += [[f"under a {stage} job", str(count)] for stage, count in sorted(account.struck.items())]
    rows += [[f"runs that ended: {outcome}", str(count)] for outcome, count in sorted(account.outcomes.items())]
    rows += [
        ["killed in all", f"{account.killed} in {account.seconds:.0f} s"],
        ["jobs, of them in runs", f"{account.jobs}, {account.runs} runs"],
        ["notes edited", str(account.edits)],
        ["stopped in order", str(account.stops)],
        ["switches by hand tried", str(account.rollbacks)],
        ["looks at the live release", str(account.looks)],
        ["picked up again", f"{len(account.pick_ups)} times"],
        ["pick-up, median and slowest", f"{statistics.median(pick_ups):.2f} s, {max(pick_ups):.2f} s (at most 10)"],
        ["violations", str(len(account.violations))],
    ]
    return table(["chaos", ""], rows)


def has_search() -> bool:
    try:
        find_node(""), find_qmd(""), find_converter()
    except ToolFailed:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, help="end after so many, which must come about in the time")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument(
        "--no-search", action="store_true", help="refreshes and rollbacks alone, without QMD and training"
    )
    options = parser.parse_args()
    search = has_search() and not options.no_search
    print(
        f"seed {options.seed}, {options.minutes:g} minutes, {'whole runs' if search else 'refreshes alone'}", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="iaip-chaos-") as folder:
        account = run(Path(folder), minutes=options.minutes, kills=options.kills, seed=options.seed, search=search)
    print(shown(account))
    for violation, times in Counter(account.violations).items():
        print(f"VIOLATION  {violation}" + (f" ({times} times)" if times > 1 else ""))
    return 1 if account.violations else 0


if __name__ == "__main__":
    sys.exit(main())
