"""Which kind of file system a folder is on. psutil reads the table of mounts on both platforms."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import psutil
from msgspec import Struct

# Other machines, or the host of a virtual one, change these too, and the kernel here hears nothing of it.
_REMOTE = frozenset(
    {
        *("afpfs", "cifs", "davfs", "ncpfs", "nfs", "nfs3", "nfs4", "smb2", "smb3", "smbfs", "webdav"),
        *("9p", "drvfs", "prl_fs", "prlfs", "vboxsf", "virtiofs", "vmhgfs"),
        *("afs", "beegfs", "ceph", "gfs2", "glusterfs", "gpfs", "lustre", "ocfs2"),
    }
)
_REMOTE_OVER_FUSE = (
    *("ceph", "davfs", "gcsfuse", "glusterfs", "gvfsd", "mountpoint-s3", "rclone", "s3fs", "sshfs", "vmhgfs"),
)
_FUSE = ("fuse", "macfuse", "osxfuse")
_LOCAL_OVER_FUSE = ("encfs", "fuse-overlayfs", "gocryptfs")


class Volume(Struct, frozen=True, kw_only=True):
    """Both are empty where the system names none."""

    device: str = ""
    file_system: str = ""


def is_remote(file_system: str) -> bool:
    kind, _, over = file_system.lower().partition(".")
    return kind in _REMOTE or (kind in _FUSE and over.startswith(_REMOTE_OVER_FUSE))


def may_be_remote(file_system: str) -> bool:
    """For what needs certainty: a file system of some program's own making may be anywhere. On a Mac none of them says
    which program's it is."""
    kind, _, over = file_system.lower().partition(".")
    return is_remote(file_system) or (kind in _FUSE and not over.startswith(_LOCAL_OVER_FUSE))


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
