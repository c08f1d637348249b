"""Every crash, power cut and refusal of everything that writes: the next start finds old or new, never half.

Each scenario runs once on the recording disk; then every state that a crash at any of its calls may
leave is laid out, repaired as the next start repairs it, and examined; and the work is done again. What
stands on the disk after the work has returned must be the new, whatever a power cut takes.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from jobs.publish import sync_directory, write_file
from tests.crash.disk import Disk, Refusal
from tests.crash.files import FILES
from tests.crash.house import House
from tests.crash.papers import PAPERS
from tests.crash.releases import RELEASES
from tests.crash.scenarios import Scenario
from tests.crash.trees import Tree, fingerprint, lay_out

every_scenario = pytest.mark.parametrize("scenario", [*FILES, *RELEASES, *PAPERS], ids=lambda scenario: scenario.name)


@contextmanager
def unsynced() -> Iterator[None]:
    """Repairs are examined, not cut off: they need not wait for a disk."""
    with patch("jobs.publish._sync_descriptor", lambda _: None):
        yield


def states_of(disk: Disk) -> Iterator[tuple[str, Tree, bool]]:
    """Each different state once, with where it comes from and whether the work had returned by then."""
    seen = set()
    for number, moment in enumerate(disk.moments):
        ended = moment is disk.moments[-1]
        for tree in disk.states(moment):
            key = (fingerprint(tree), ended)
            if key not in seen:
                seen.add(key)
                yield f"call {number} ({moment.call})", tree, ended


@every_scenario
def test_after_every_crash_the_next_start_finds_old_or_new(scenario: Scenario, house: House) -> None:
    scenario.prepare(house)
    disk = Disk(house.root)
    with disk.recording():
        scenario.work(house)
    examined = 0
    with unsynced():
        for where, tree, ended in states_of(disk):
            lay_out(tree, house.root)
            try:
                scenario.repair(house)
                found = scenario.examine(house)
                assert found == "new" or not ended, "a power cut after the work had returned undid it"
                scenario.work(house)
                scenario.repair(house)
                assert scenario.examine(house) == "new", "doing it again did not do it"
            except Exception as error:
                error.add_note(f"after a crash at {where}, which left {shown(tree)}")
                raise
            examined += 1
    print(f"{scenario.name}: {len(disk.moments)} moments, {examined} states")
    assert examined > 1


def shown(tree: Tree) -> str:
    return "\n".join(f"  {path}: {node.kind} {content[:60]!r}" for path, (_, node, content) in tree.items())


@every_scenario
@pytest.mark.parametrize(
    ("number", "for_good"),
    [(errno.ENOSPC, False), (errno.EIO, False), (errno.EROFS, True)],
    ids=["disk full", "input/output error", "read-only from there on"],
)
def test_what_the_system_refuses_is_told_and_changes_nothing(
    scenario: Scenario, number: int, for_good: bool, house: House
) -> None:
    scenario.prepare(house)
    undisturbed = Disk(house.root)
    with undisturbed.recording():
        scenario.work(house)
    assert undisturbed.start is not None
    [start] = undisturbed.states(undisturbed.start)
    for point in range(len(undisturbed.moments) - 1):
        lay_out(start, house.root)
        disk = Disk(house.root, refusal=Refusal(point, number, for_good))
        with disk.recording(), pytest.raises(OSError, match=os.strerror(number)) as told:
            scenario.work(house)
        assert told.value.errno == number and disk.refused
        house.assert_answers()
        if not (for_good or scenario.removes):
            assert house.left_over() == [], f"refused at {point}"
        with unsynced():
            scenario.repair(house)
            scenario.examine(house)
            scenario.work(house)
            scenario.repair(house)
            assert scenario.examine(house) == "new", f"refused at {point}"


def outcomes(house: House, disk: Disk, path: Path) -> set[bytes | None]:
    """What a power cut after the end may leave at ``path``."""
    found = set()
    for tree in disk.states(disk.moments[-1]):
        lay_out(tree, house.root)
        found.add(path.read_bytes() if path.exists() else None)
    return found


def test_the_disk_finds_a_missing_sync_of_the_content(house: House) -> None:
    path, disk = house.root / "note", Disk(house.root)
    with disk.recording():
        (house.root / "stage").write_bytes(b"content")
        (house.root / "stage").rename(path)
        sync_directory(house.root)
    assert outcomes(house, disk, path) == {b"content", b"con", b""}


def test_a_copy_inside_the_kernel_is_seen_too(house: House) -> None:
    path, disk = house.root / "note", Disk(house.root)
    (house.root / "source").write_bytes(b"content")
    with disk.recording():
        shutil.copyfile(house.root / "source", path)
        sync_directory(house.root)
    assert "write" in [moment.call for moment in disk.moments]
    assert outcomes(house, disk, path) == {b"content", b"con", b""}


def test_the_disk_finds_a_missing_sync_of_the_directory(house: House) -> None:
    path, disk = house.root / "note", Disk(house.root)
    write_file(path, b"old")
    with disk.recording(), patch("jobs.publish.sync_directory", lambda _: None):
        write_file(path, b"new")
    assert outcomes(house, disk, path) == {b"old", b"new"}


def test_the_disk_loses_a_file_in_a_folder_whose_own_entry_was_not_synced(house: House) -> None:
    path, disk = house.root / "folder" / "note", Disk(house.root)
    with disk.recording():
        path.parent.mkdir()
        write_file(path, b"content")
    assert outcomes(house, disk, path) == {b"content", None}
