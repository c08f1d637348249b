"""A ledger needs locks that hold: some places are refused, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.system import volumes
from daemon.system.mounts import is_remote, may_be_remote
from daemon.system.volumes import Mount, in_icloud, require_local, unfit
from jobs.domain.errors import Refused

PERSON = Path("/Users/mika")
DISK = Mount(point="/", kind="apfs")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("/Users/mika/Library/Mobile Documents/com~apple~CloudDocs/iaip", "iCloud Drive"),
        ("/Users/mika/Library/CloudStorage/Dropbox/iaip", "cloud storage"),
        ("/Users/mika/Dropbox/iaip", "synced"),
        ("/Users/mika/Dropbox (Personal)/iaip", "synced"),
        ("/Users/mika/OneDrive - Contoso/iaip", "synced"),
        ("/Users/mika/Nextcloud", "synced"),
    ],
)
def test_a_folder_that_a_service_syncs_is_refused(place: str, reason: str) -> None:
    assert reason in (unfit(Path(place), PERSON, [DISK]) or "")


@pytest.mark.parametrize(
    "place",
    [
        "/Users/mika/Library/Application Support/iaip",
        "/Users/mika/Library",
        "/Users/mika/iaip",
        "/Users/mika",
        "/Users/mika/boxes/iaip",
        "/Users/mika/code/dropbox/iaip",
        "/srv/Dropbox/iaip",
    ],
)
def test_a_folder_of_ones_own_is_taken(place: str) -> None:
    assert unfit(Path(place), PERSON, [DISK]) is None


NETWORK = [
    *("nfs", "nfs3", "nfs4", "smbfs", "cifs", "9p", "webdav", "afpfs", "virtiofs", "vboxsf", "prl_fs", "vmhgfs"),
    *("fuse.sshfs", "fuse.rclone", "fuse.gvfsd-fuse", "fuse.vmhgfs-fuse", "fuse.davfs2"),
]


@pytest.mark.parametrize("kind", NETWORK)
def test_a_network_volume_is_refused_by_name(kind: str) -> None:
    told = unfit(Path("/mnt/far/iaip"), PERSON, [DISK, Mount(point="/mnt/far", kind=kind)])
    assert told is not None and f"is a network volume ({kind})" in told
    assert is_remote(kind) and may_be_remote(kind), "notes there are scanned often, and `doctor` says the same"


@pytest.mark.parametrize("kind", ["macfuse", "osxfuse", "fuse", "fuse.some-cloud"])
def test_a_home_needs_certainty_where_notes_do_not(kind: str) -> None:
    told = unfit(Path("/mnt/far/iaip"), PERSON, [DISK, Mount(point="/mnt/far", kind=kind)])
    assert told is not None and f"may be a network volume ({kind})" in told
    assert not is_remote(kind)


@pytest.mark.parametrize(
    "kind", ["fuseblk", "fuse.gocryptfs", "apfs", "hfs", "ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs"]
)
def test_a_disk_is_taken(kind: str) -> None:
    assert unfit(Path("/data/iaip"), PERSON, [Mount(point="/", kind=kind)]) is None


def test_the_nearest_mount_counts_and_of_two_at_one_place_the_later() -> None:
    far, near = Mount(point="/mnt", kind="nfs"), Mount(point="/mnt/disk", kind="ext4")
    assert unfit(Path("/mnt/disk/iaip"), PERSON, [DISK, far, near]) is None
    assert unfit(Path("/mnt/diskette"), PERSON, [DISK, far, near]) is not None
    over = Mount(point="/mnt", kind="ext4")
    assert unfit(Path("/mnt/iaip"), PERSON, [DISK, far, over]) is None
    assert unfit(Path("/mnt/iaip"), PERSON, [DISK, over, far]) is not None


@given(st.lists(st.sampled_from(["a", "Library", "Mobile Documents", "Dropbox", "CloudStorage"]), max_size=4))
def test_outside_the_owners_folder_no_name_matters(parts: list[str]) -> None:
    assert unfit(Path("/srv").joinpath(*parts), PERSON, [DISK]) is None
    assert unfit(Path("/srv").joinpath(*parts), PERSON, [DISK, Mount(point="/srv", kind="nfs")]) is not None


@pytest.mark.parametrize("linked", [True, False])
def test_documents_are_refused_while_icloud_has_taken_them_over_and_only_then(tmp_path: Path, linked: bool) -> None:
    home = tmp_path / "documents" / "iaip"
    assert in_icloud(tmp_path) == frozenset()
    assert unfit(home, tmp_path, [DISK], in_icloud(tmp_path)) is None
    drive = tmp_path / "Library" / "Mobile Documents" / "com~apple~CloudDocs"
    drive.mkdir(parents=True)
    if linked:
        (drive / "Documents").symlink_to(tmp_path / "Documents")
    else:
        (drive / "Documents").mkdir()
    assert "iCloud Drive" in (unfit(home, tmp_path, [DISK], in_icloud(tmp_path)) or "")
    assert unfit(tmp_path / "Desktop" / "iaip", tmp_path, [DISK], in_icloud(tmp_path)) is None
    assert unfit(tmp_path / "iaip", tmp_path, [DISK], in_icloud(tmp_path)) is None


def test_this_machines_own_disk_is_taken_before_the_home_is_there(tmp_path: Path) -> None:
    require_local(tmp_path / "not" / "yet")


def test_a_refusal_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "unfit", lambda *_: "it is far away")
    with pytest.raises(Refused, match="it is far away") as refusal:
        require_local(tmp_path)
    assert "--home" in refusal.value.remedy
