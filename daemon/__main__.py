"""iaipd: the resident process, in the foreground."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from config.load import ConfigurationError
from config.paths import Home, default_home
from daemon.app import serve
from daemon.ledger.database import Damaged
from daemon.system.logs import log_to
from jobs.domain.errors import IaipError, Refused

PERMANENT, TRY_AGAIN, REFUSED = 78, 75, 5


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="iaipd", description="Watches the knowledge base and trains its search models. Ctrl-C stops it in order."
    )
    parser.add_argument("--home", metavar="DIR", help="where everything lives (or IAIP_HOME)")
    options = parser.parse_args()
    home = Home(root=Path(options.home).expanduser().absolute() if options.home else default_home(os.environ))
    os.umask(0o077)
    if not (home.releases / "current").is_symlink():
        print(f"iaipd: there is nothing at {home.root} yet\n  next: run `iaipctl init` first", file=sys.stderr)
        return PERMANENT
    log_to(home.logs / "iaipd.log")
    try:
        serve(home)
    except IaipError as error:
        print(f"iaipd: {error.message}\n  next: {error.remedy}", file=sys.stderr)
        return REFUSED if isinstance(error, Refused) else TRY_AGAIN if isinstance(error, Damaged) else PERMANENT
    except ConfigurationError as error:
        print(f"iaipd: {error}", file=sys.stderr)
        return PERMANENT
    return 0


if __name__ == "__main__":
    sys.exit(main())
