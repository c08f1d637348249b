"""Whether the disk under the home is encrypted: FileVault on macOS, LUKS on Linux. Notes lie there plainly."""

from __future__ import annotations

from pathlib import Path

from daemon.checks.finding import Finding, Subject, cannot_tell, ok, warn
from daemon.system.mounts import volume_of
from launchd.machine import Machine

BLOCKS = Path("/sys/class/block")
_OTHER_VOLUMES = Path("/Volumes")


def check_encryption(subject: Subject) -> Finding:
    return encryption(subject.machine, subject.home.root)


def encryption(machine: Machine, home: Path) -> Finding:
    """Ok, warn or cannot tell, with the next step."""
    if machine.platform == "darwin":
        if home.resolve().is_relative_to(_OTHER_VOLUMES):
            return _unknown("the home is on a volume of its own; `diskutil apfs list` tells")
        answer = machine.call("fdesetup", "status")
        return filevault(answer.out) if answer.code == 0 else _unknown(answer.err.strip())
    device = volume_of(home).device
    if not device.startswith("/dev/"):
        return _unknown(f"the home is on {device or 'an unnamed device'}")
    if (found := lies_on_luks(Path(device))) is not None:
        return _encrypted(found)
    answer = machine.call("lsblk", "--inverse", "--noheadings", "--output", "TYPE", device)
    return luks(answer.out) if answer.code == 0 else _unknown(answer.err.strip())


def lies_on_luks(device: Path, blocks: Path = BLOCKS) -> bool | None:
    """Whether all that the block device lies on is encrypted; none if the kernel tells nothing of it.

    The device mapper's id of an encrypted device begins with ``CRYPT-`` (dm-crypt of cryptsetup); ``slaves`` are the
    devices that one is made of (Documentation/ABI/stable/sysfs-block and testing/sysfs-block-dm of the kernel).
    """
    entry = blocks / device.resolve().name
    if not entry.exists():
        return None
    mapped = entry / "dm" / "uuid"
    if mapped.exists() and mapped.read_text().startswith("CRYPT-"):
        return True
    below = sorted(one.name for one in (entry / "slaves").glob("*"))
    if (entry / "partition").exists():
        below.append(entry.resolve().parent.name)
    return bool(below) and all(lies_on_luks(blocks / name, blocks) for name in below)


def luks(types: str) -> Finding:
    """What `lsblk --inverse --output TYPE` says of a device and all it lies on."""
    return _encrypted("crypt" in types.split()) if types.split() else _unknown("lsblk gave no answer that we know")


def filevault(status: str) -> Finding:
    """What `fdesetup status` says. On counts only without a line about something still under way."""
    first, *more = status.strip().splitlines() or [""]
    if first == "FileVault is On." and not more:
        return ok("FileVault is on: after a power cut the agent waits until somebody unlocks the disk")
    if first == "FileVault is On.":
        return warn(" ".join([first, *more]), "leave the Mac on until it is done")
    if first == "FileVault is Off.":
        return warn(" ".join([first, *more]), "System Settings, Privacy & Security, FileVault")
    return _unknown("fdesetup gave no answer that we know")


def _encrypted(found: bool) -> Finding:
    if found:
        return ok("the disk is encrypted (LUKS)")
    remedy = "whoever takes the machine reads the notes; LUKS is set up when Linux is installed"
    return warn("the disk is not encrypted", remedy)


def _unknown(why: str) -> Finding:
    return cannot_tell(f"whether the disk is encrypted is unknown: {why}", "see your system's disk settings")
