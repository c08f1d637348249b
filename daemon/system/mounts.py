"""Which kind of file system a folder is on. psutil reads the table of mounts on both platforms."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import psutil
from msgspec import Struct

# Other machines change these too, and the kernel here hears nothing of it.
REMOTE = frozenset(
    {"nfs", "nfs3", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "davfs", "9p", "ceph", "afs", "glusterfs"}
    | {"lustre", "beegfs", "virtiofs", "vboxsf"}
)
REMOTE_OVER_FUSE = ("sshfs", "rclone", "gcsfuse", "s3fs", "davfs", "glusterfs", "ceph")


class Volume(Struct, frozen=True, kw_only=True):
    """Both are empty where the system names none."""

    device: str = ""
    file_system: str = ""


def is_remote(file_system: str) -> bool:
    kind, _, over = file_system.lower().partition(".")
    return kind in REMOTE or (kind == "fuse" and over.startswith(REMOTE_OVER_FUSE))


def mount_of(path: str, mounts: Iterable[str]) -> str | None:
    """The innermost of the mount points that ``path`` lies in; ``path`` is absolute and without links."""
    inside = [mount for mount in mounts if Path(path).is_relative_to(mount)]
    return max(inside, key=len, default=None)


def is_on_remote(folder: str) -> bool:
    mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    mount = mount_of(os.path.realpath(folder), mounts)
    return mount is not None and is_remote(mounts[mount])


def volume_of(path: Path) -> Volume:
    """The volume that holds the path, which need not be free of links."""
    parts = {part.mountpoint: part for part in psutil.disk_partitions(all=True)}
    mount = mount_of(os.path.realpath(path), parts)
    return Volume() if mount is None else Volume(device=parts[mount].device, file_system=parts[mount].fstype)
