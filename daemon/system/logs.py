"""Structured logs: JSON lines in a rotated file, and the same for a person on a terminal. Never a note's text."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from contextlib import suppress
from pathlib import Path

import structlog

from jobs.domain.wordless import wordless

MEGABYTE = 1 << 20
LONGEST_OF_A_JOB = 5 * MEGABYTE
KEPT_OF_A_JOB = 64 << 10
_DROPPED = b'{"event": "the log grew too long; what stood before this was dropped", "level": "warning"}\n'


def log_to(path: Path, *, terminal: bool = True) -> None:
    """Configures structlog and the standard library's loggers for this process.

    ``terminal``: on stderr as well. Not under a supervisor: launchd's own file of stderr grows without end.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_words,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    to_file = logging.handlers.RotatingFileHandler(path, maxBytes=5 * MEGABYTE, backupCount=3, encoding="utf-8")
    to_file.setFormatter(_formatter(structlog.processors.JSONRenderer(), shared))
    root = logging.getLogger()
    root.handlers = [to_file]
    if terminal:
        to_terminal = logging.StreamHandler(sys.stderr)
        to_terminal.setFormatter(_formatter(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()), shared))
        root.handlers.append(to_terminal)
    root.setLevel(logging.INFO)
    logging.getLogger("huey").setLevel(logging.WARNING)  # it logs every ring of the bell


def keep_small(log: int) -> None:
    """A job's log (a descriptor that reads and appends) keeps its last lines alone once it has grown too long.

    Its writer appends, and notices nothing; a few of its lines may be lost meanwhile.
    """
    if (length := os.fstat(log).st_size) > LONGEST_OF_A_JOB:
        last = os.pread(log, KEPT_OF_A_JOB, length - KEPT_OF_A_JOB).partition(b"\n")[2]
        os.ftruncate(log, 0)
        with suppress(OSError):  # a full disk: there is room for none of it
            os.write(log, _DROPPED + last)


def _without_words(_: object, __: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An exception as where and what kind: its message may name a note."""
    found = entry.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        entry["exception"] = wordless(error)
    return entry


def _formatter(
    renderer: structlog.typing.Processor, shared: list[structlog.typing.Processor]
) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
