"""A full disk is known by whatever name it is told; another error is not taken for one."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from jobs.domain.full_disk import is_disk_full


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "kein Platz"),
        OSError(errno.EDQUOT, "quota"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_every_name_of_a_full_disk_is_known(error: Exception) -> None:
    assert is_disk_full(error)


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "the disk is full of notes"), sqlite3.OperationalError("database is locked")]
)
def test_another_error_is_no_full_disk(error: Exception) -> None:
    assert not is_disk_full(error)
