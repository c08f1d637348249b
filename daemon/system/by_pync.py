"""python -m daemon.system.by_pync TITLE BODY [PAGE]: one notification by pync, and an exit code that tells its fate.

A process of its own, because pync knows no time limit and looks for its notifier while it is imported.
"""

from __future__ import annotations

import sys


def main(title: str, body: str, *page: str) -> None:
    import pync

    pync.notify(body, title=title, wait=True, **({"open": page[0]} if page else {}))  # raises only if it waits


if __name__ == "__main__":
    main(*sys.argv[1:])
