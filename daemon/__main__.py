"""iaipd: the resident process, in the foreground or under a supervisor."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from config.load import ConfigurationError
from config.paths import Home, default_home
from daemon.supervision import STAY_DOWN, TRY_AGAIN, Supervision, crashed_too_often
from jobs.domain.errors import IaipError, Refused
from launchd.machine import this_machine

PERMANENT, REFUSED = 78, 5


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="iaipd", description="Watches the knowledge base and trains its search models. Ctrl-C stops it in order."
    )
    parser.add_argument("--home", metavar="DIR", help="where everything lives (or IAIP_HOME)")
    parser.add_argument(
        "--supervised", choices=sorted(STAY_DOWN), help="who starts it: crashes are counted, and too many end it"
    )
    options = parser.parse_args()
    home = Home(root=Path(options.home).expanduser().absolute() if options.home else default_home(os.environ))
    os.umask(0o077)
    if options.supervised:
        return _run_supervised(home, options.supervised)
    code, words = _run(home, terminal=True)
    if words:
        print(f"iaipd: {words}", file=sys.stderr)
    return code


def _run_supervised(home: Home, supervisor: str) -> int:
    """As ``_run``, but what a restart cannot mend ends with the code for "stay down", and the owner is told.

    A damaged ledger is mended by a restart, which counts like one after a crash.
    """
    if not home.root.is_dir():
        _tell("home-missing", "")
        return STAY_DOWN[supervisor]
    supervision = Supervision(home)
    if not supervision.begin(now := datetime.now(UTC)):
        supervision.stay_down(crashed_too_often(supervision.read().unclean, now), now, _tell)
        return STAY_DOWN[supervisor]
    code, words = _run(home, terminal=False)
    if code == TRY_AGAIN:
        return code
    supervision.ended_in_order()
    if code:
        supervision.stay_down(words.partition("\n")[0], datetime.now(UTC), _tell)
        return STAY_DOWN[supervisor]
    return 0


def _tell(kind: str, about: str) -> None:
    from daemon.system.notifications import notify

    notify(this_machine(), kind, about)


def _run(home: Home, *, terminal: bool) -> tuple[int, str]:
    """The exit code, and what to tell the owner."""
    from daemon.app import serve  # after the start was counted: a broken installation may fail right here
    from daemon.bounds import Patience, at_once
    from daemon.ledger.database import Damaged, OutOfReach
    from daemon.system.logs import log_to

    if not (home.releases / "current").is_symlink():
        return PERMANENT, f"there is nothing at {home.root} yet\n  next: run `iaipctl init` first"
    log_to(home.logs / "iaipd.log", terminal=terminal)
    try:
        serve(home, at_once if terminal else Patience(_tell))
    except IaipError as error:
        passing = isinstance(error, Damaged | OutOfReach)
        code = REFUSED if isinstance(error, Refused) else TRY_AGAIN if passing else PERMANENT
        return code, f"{error.message}\n  next: {error.remedy}"
    except ConfigurationError as error:
        return PERMANENT, str(error)
    return 0, ""


if __name__ == "__main__":
    sys.exit(main())
