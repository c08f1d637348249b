"""iaipctl ledger [list | restore [NUMBER]]: the ledger's daily copies, and the way back to one."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from daemon.cli.result import NOT_FOUND, Result, table
from daemon.cli.root import Context
from daemon.ledger import snapshots
from daemon.ledger.restore import restore
from daemon.ledger.snapshots import Snapshot
from daemon.system.lock import single_daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("list", "restore"), default="list", help="list (default), or go back to a copy"
    )
    parser.add_argument("number", nargs="?", type=int, help="restore: which copy (default: the newest good one)")
    parser.epilog = "Restoring needs the daemon stopped. What stood there is kept; releases and search are untouched."


def run(options: argparse.Namespace, context: Context) -> Result:
    found = snapshots.listed(context.home.snapshots)
    if options.action == "list":
        return _list(found)
    chosen = next((s for s in found if s.problem is None and options.number in (None, s.number)), None)
    if chosen is None:
        return Result(
            schema="iaip.ledger/1",
            data={"restored": None},
            text="",
            talk="there is no good copy of that number; `iaipctl ledger` lists what there is",
            code=NOT_FOUND,
        )
    with single_daemon(context.home.daemon_lock):
        books, restored = restore(context.home, context.releases, chosen, datetime.now(UTC))
        books.database.close()
    return Result(
        schema="iaip.ledger/1",
        data={"restored": chosen.number, "kept": str(restored.kept) if restored.kept else None, "runs": restored.runs},
        text=f"copy {chosen.number} is the ledger now. {restored.told()}",
        talk="Next: start the daemon again with `iaipctl start`",
    )


def _list(found: list[Snapshot]) -> Result:
    rows = [[str(s.number), _taken(s), f"{s.bytes / 1e6:.1f} MB", s.problem or "good"] for s in found]
    return Result(
        schema="iaip.ledger/1",
        data={"copies": [_data(snapshot) for snapshot in found]},
        text=table(["copy", "taken", "size", ""], rows) if rows else "no copy yet: the daemon makes one a day",
    )


def _taken(snapshot: Snapshot) -> str:
    return "–" if snapshot.taken_at is None else snapshot.taken_at.astimezone().strftime("%Y-%m-%d %H:%M")


def _data(snapshot: Snapshot) -> dict[str, object]:
    return {
        "number": snapshot.number,
        "taken_at": None if snapshot.taken_at is None else snapshot.taken_at.isoformat(),
        "bytes": snapshot.bytes,
        "good": snapshot.problem is None,
    }
