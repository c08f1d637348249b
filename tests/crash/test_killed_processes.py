"""Real processes on the real kernel, killed or refused at every system call that writes, by strace.

The recording disk models what our own files do; SQLite's it takes on trust. Here nothing is modelled.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.ledger.books import open_books
from daemon.ledger.database import OutOfReach
from daemon.ledger.schema import MIGRATIONS
from tests.crash.house import House, read_index, write_index
from tests.crash.papers import ledger_overwritten, ledger_restored, start

CALLS = (
    "copy_file_range,fdatasync,fsync,ftruncate,link,linkat,mkdir,mkdirat,pwrite64,rename,renameat,renameat2,rmdir,sendfile,"
    "symlink,symlinkat,unlink,unlinkat,write"
)
PROJECT = Path(__file__).resolve().parents[2]


def traced(code: str, argument: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """On one processor: strace and what it traces take turns, and across two each turn costs a wake-up."""
    place = ["taskset", "--cpu-list", str(max(os.sched_getaffinity(0)))]
    command = [*place, "strace", "-f", "-qq", *options, sys.executable, "-c", code, str(argument)]
    environment = {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def can_trace() -> bool:
    return shutil.which("strace") is not None and traced("pass", Path(), "-e", "trace=none").returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not can_trace(), reason="needs Linux with strace and leave to trace: apt-get install strace"),
]


def calls_of(code: str, argument: Path, tmp_path: Path) -> list[tuple[str, int]]:
    """Every call of an undisturbed run that writes: its name and which one of that name it is, from 1."""
    log = tmp_path / "trace"
    done = traced(code, argument, "-e", f"trace={CALLS}", "-o", str(log))
    assert done.returncode == 0, done.stderr
    counts = Counter(re.findall(r"^\d+ +(\w+)\(", log.read_text(), flags=re.MULTILINE))
    return [(name, number) for name, count in sorted(counts.items()) for number in range(1, count + 1)]


def each_ended(
    code: str, injected: str, prepare: Callable[[], Path], tmp_path: Path, only: str = r"\w+", for_good: bool = False
) -> Iterator[tuple[Path, subprocess.CompletedProcess[str]]]:
    """The run is repeated from the same start for every call, with ``injected`` at that one (or from there on).

    With --seccomp-bpf only the calls named stop the process, which takes half the time; signals need all of them.
    """
    calls = [(name, number) for name, number in calls_of(code, prepare(), tmp_path) if re.fullmatch(only, name)]
    assert len(calls) > 5
    quick = () if "signal=" in injected else ("--seccomp-bpf",)
    for name, number in calls:
        place = prepare()
        yield (
            place,
            traced(
                code,
                place,
                *quick,
                "-e",
                f"trace={name}",
                "-e",
                f"inject={name}:{injected}:when={number}{'+' * for_good}",
            ),
        )


OPEN = "import sys, pathlib; from daemon.ledger.books import open_books; open_books(pathlib.Path(sys.argv[1]))"


def ledger_of(version: int, path: Path) -> Path:
    """A ledger as the version left it that knew so many migrations; none at all for nought."""
    for old in path.parent.glob("ledger.sqlite*"):
        old.unlink()
    if version:
        with closing(sqlite3.connect(path, isolation_level=None)) as ledger:
            ledger.execute("PRAGMA journal_mode=WAL")
            for number in range(version):
                ledger.executescript(MIGRATIONS[number])
            ledger.execute("INSERT INTO fact (key, value) VALUES ('kept', 'yes')")
            ledger.execute(f"PRAGMA user_version={version}")
    return path


def assert_migrated(path: Path, version: int) -> None:
    books = open_books(path)
    assert books.database.rows("PRAGMA integrity_check")[0][0] == "ok"
    assert books.database.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)
    assert books.knowledge.fact("kept") == ("yes" if version else None)
    books.database.close()


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_a_ledger_killed_anywhere_in_a_migration_is_migrated_by_the_next_start(version: int, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    for path, ended in each_ended(OPEN, "signal=KILL", lambda: ledger_of(version, ledger), tmp_path):
        assert ended.returncode != 0
        assert_migrated(path, version)


@pytest.mark.parametrize("version", [0, len(MIGRATIONS) - 1])
@pytest.mark.parametrize("refusal", ["ENOSPC", "EIO", "EROFS+"])
def test_a_ledger_that_cannot_be_written_or_migrated_says_so_and_opens_afterwards(
    refusal: str, version: int, tmp_path: Path
) -> None:
    """``+``: from there on. A disk that is read-only stays so."""
    ledger, told = tmp_path / "ledger.sqlite", 0
    error, for_good = refusal.rstrip("+"), refusal.endswith("+")
    for path, ended in each_ended(
        OPEN,
        f"error={error}",
        lambda: ledger_of(version, ledger),
        tmp_path,
        only="pwrite64|fdatasync|fsync",
        for_good=for_good,
    ):
        told += ended.returncode != 0
        assert ended.returncode == 0 or OutOfReach.__name__ in ended.stderr, ended.stderr[-600:]
        assert_migrated(path, version)
    assert told


RESTORE = (
    "import sys, pathlib; from tests.crash.house import House; from tests.crash.papers import start;"
    " start(House(pathlib.Path(sys.argv[1])))"
)


def test_a_restoration_killed_anywhere_is_done_again_by_the_next_start(tmp_path: Path) -> None:
    def prepare() -> Path:
        shutil.rmtree(tmp_path / "disk", ignore_errors=True)
        (tmp_path / "disk").mkdir()
        ledger_overwritten(House(tmp_path / "disk"))
        return tmp_path / "disk"

    for root, ended in each_ended(RESTORE, "signal=KILL", prepare, tmp_path):
        assert ended.returncode != 0
        start(House(root))
        assert ledger_restored(House(root)) == "new"


ADOPT = "import sys, pathlib; from tests.crash.house import House; House(pathlib.Path(sys.argv[1])).adopt()"


def test_an_adoption_killed_anywhere_keeps_the_owners_files_and_can_be_repeated(tmp_path: Path) -> None:
    def prepare() -> Path:
        shutil.rmtree(tmp_path / "disk", ignore_errors=True)
        (tmp_path / "disk").mkdir()
        House(tmp_path / "disk").bring_files()
        return tmp_path / "disk"

    for root, ended in each_ended(ADOPT, "signal=KILL", prepare, tmp_path):
        assert ended.returncode != 0
        house = House(root)
        assert read_index(house.files.index) == "v0"
        assert "hf:none/v0" in house.files.config.read_text("utf-8")
        house.releases.recover()
        house.adopt()
        house.assert_sound()


PROMOTE = (
    "import sys, pathlib; from tests.crash.house import House; releases = House(pathlib.Path(sys.argv[1])).releases;"
    " releases.switch('v2'); releases.confirm('v2'); releases.roll_back()"
)


def test_a_promotion_and_its_rollback_killed_anywhere_leave_a_live_release(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    house = House(root)
    house.with_releases(1)
    house.publish()

    def prepare() -> Path:
        """The same paths every time: configurations and links name them."""
        if not (tmp_path / "kept").exists():
            shutil.copytree(root, tmp_path / "kept", symlinks=True)
        shutil.rmtree(root)
        shutil.copytree(tmp_path / "kept", root, symlinks=True)
        return root

    for _, ended in each_ended(PROMOTE, "signal=KILL", prepare, tmp_path):
        assert ended.returncode != 0
        house.assert_answers()
        house.releases.recover()
        house.assert_sound()
        assert house.releases.live() in ("v1", "v2")


COPY = (
    "import sys, pathlib; from jobs.index_file import copy_index; from jobs.domain.errors import IaipError\n"
    "folder = pathlib.Path(sys.argv[1])\n"
    "try: copy_index(folder / 'new.sqlite', folder / 'old.sqlite')\n"
    "except (IaipError, OSError) as error: sys.exit(3)\n"
)


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_an_index_that_cannot_be_copied_over_another_leaves_it_as_it_was(error: str, tmp_path: Path) -> None:
    def prepare() -> Path:
        for old in tmp_path.glob("*.sqlite*"):
            old.unlink()
        write_index(tmp_path / "new.sqlite", "new")
        write_index(tmp_path / "old.sqlite", "old")
        return tmp_path

    told = 0
    for folder, ended in each_ended(COPY, f"error={error}", prepare, tmp_path, only="pwrite64|fdatasync|fsync"):
        if ended.returncode == 0:
            assert read_index(folder / "old.sqlite") == "new"
            continue
        told += 1
        assert ended.returncode == 3, ended.stderr
        assert read_index(folder / "old.sqlite") in ("old", "new")
        again = subprocess.run([sys.executable, "-c", COPY, str(folder)], cwd=PROJECT, check=False)
        assert again.returncode == 0 and read_index(folder / "old.sqlite") == "new"
    assert told
