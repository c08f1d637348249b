"""What is told of watching: once, in words, with a remedy, and without a note's name."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from daemon.system.mounts import is_on_remote, is_remote, mount_of
from daemon.watching import LastScan, Watching, closures, doubts, news, watching_lines

WELL = Watching(collections={"notes": "events"})
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def scan_with(**doubted: int) -> LastScan:
    return LastScan(
        at=NOW, documents=1, changed=0, removed=0, seconds=0.1, left_out={}, unreadable_folders=0, doubted=doubted
    )


def test_all_well_is_nothing_to_tell() -> None:
    assert list(news(Watching(), WELL)) == []
    assert watching_lines(WELL, scan_with()) == []


@pytest.mark.parametrize(
    "worse",
    [
        Watching(collections={"notes": "no-watches"}),
        Watching(collections={"notes": "silent"}),
        Watching(collections={"notes": "events"}, failures=3, failure="OSError"),
    ],
)
def test_what_became_worse_is_told_once_and_again_after_it_was_well(worse: Watching) -> None:
    [told] = news(WELL, worse)
    assert "Next: " in told.body
    assert list(news(worse, worse)) == []
    assert list(news(worse, WELL)) == []
    assert len(watching_lines(worse, None)) == 1


def test_one_failed_scan_is_shown_but_no_alert() -> None:
    failed = Watching(collections={"notes": "events"}, failures=1, failure="OSError")
    assert list(news(WELL, failed)) == []
    assert watching_lines(failed, None) == ["the last 1 scans failed: OSError"]


def test_a_volume_that_is_not_mounted_is_shown_but_no_alert() -> None:
    away = Watching(collections={"notes": "missing"})
    assert list(news(WELL, away)) == []
    assert watching_lines(away, None) == ["notes: not mounted, gone or not readable: its documents are kept"]


def test_a_doubted_loss_is_told_once_with_both_ways_out() -> None:
    [told] = doubts(scan_with(), scan_with(notes=20))
    assert "20 documents of notes" in told.title
    assert "mount it" in told.body and "qmd collection remove notes" in told.body
    assert list(doubts(scan_with(notes=20), scan_with(notes=20))) == []
    assert len(watching_lines(WELL, scan_with(notes=20))) == 1


def test_a_permission_that_was_lost_is_told_once_with_who_to_ask() -> None:
    shut = msgspec.structs.replace(scan_with(), closed={"notes": 2})
    [told] = closures(scan_with(), shut)
    assert told.kind == "permission-lost" and "doctor notes --from-agent" in told.body
    assert list(closures(shut, shut)) == [] and list(closures(shut, scan_with())) == []
    assert [one.kind for one in closures(None, shut)] == ["permission-lost"]


@pytest.mark.parametrize("file_system", ["nfs4", "cifs", "smbfs", "9p", "fuse.sshfs", "fuse.rclone", "webdav"])
def test_what_other_machines_can_change_is_remote(file_system: str) -> None:
    assert is_remote(file_system)


@pytest.mark.parametrize("file_system", ["ext4", "apfs", "btrfs", "zfs", "tmpfs", "exfat", "fuse.ntfs-3g", "fuseblk"])
def test_disks_of_this_machine_are_not(file_system: str) -> None:
    assert not is_remote(file_system)


def test_a_path_lies_on_the_innermost_mount() -> None:
    mounts = ["/", "/mnt", "/mnt/share", "/mnt/shared"]
    assert mount_of("/mnt/share/notes", mounts) == "/mnt/share"
    assert mount_of("/mnt/sharing", mounts) == "/mnt"


def test_this_very_folder_is_on_a_disk_of_this_machine() -> None:
    assert not is_on_remote("/")
