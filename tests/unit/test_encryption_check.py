"""Whether the disk under the home is encrypted, as macOS and the Linux kernel tell it."""

from __future__ import annotations

import pytest

from daemon.checks.encryption import filevault, lies_on_luks, luks


@pytest.mark.parametrize(
    ("status", "level"),
    [
        ("FileVault is On.\n", "ok"),
        ("FileVault is On.\nEncryption in progress: Percent completed = 42\n", "warn"),
        ("FileVault is On.\nDecryption in progress: Percent completed = 42\n", "warn"),
        ("FileVault is Off.\n", "warn"),
        ("FileVault is Off.\nDeferred enablement appears to be active for user 'x'.\n", "warn"),
        ("", "cannot tell"),
        ("something new", "cannot tell"),
    ],
)
def test_filevault_counts_only_when_it_is_done(status, level) -> None:
    assert filevault(status).level == level


@pytest.mark.parametrize(
    ("types", "level"), [("lvm\ncrypt\npart\ndisk\n", "ok"), ("part\ndisk\n", "warn"), ("", "cannot tell")]
)
def test_on_linux_any_encrypted_layer_under_the_home_counts(types, level) -> None:
    assert luks(types).level == level


@pytest.mark.parametrize(
    ("home_on", "encrypted"),
    [("dm-1", True), ("dm-2", False), ("sda2", False), ("sda", False), ("md0", False), ("dm-3", True), ("sdz", None)],
)
def test_the_kernel_tells_what_a_device_lies_on(tmp_path, home_on, encrypted) -> None:
    """dm-1: LVM on LUKS on sda3; dm-2: plain LVM; md0: a mirror with one half encrypted; dm-3: LVM on two LUKS."""
    blocks = tmp_path / "class"
    blocks.mkdir()
    layers = {"dm-0": ["sda3"], "dm-1": ["dm-0"], "dm-2": ["sda2"], "dm-4": ["sdb"], "dm-3": ["dm-0", "dm-4"]}
    layers |= {"md0": ["dm-0", "sda2"], "sdb": [], "sda": []}
    for name, below in layers.items():
        (blocks / name / "slaves").mkdir(parents=True)
        for one in below:
            (blocks / name / "slaves" / one).symlink_to(blocks / one)
    for name, kind in {"dm-0": "CRYPT-LUKS2-ab", "dm-4": "CRYPT-LUKS1-cd", "dm-1": "LVM-x", "dm-2": "LVM-y"}.items():
        (blocks / name / "dm").mkdir()
        (blocks / name / "dm" / "uuid").write_text(f"{kind}-name\n")
    for part in ("sda2", "sda3"):
        (blocks / "sda" / part).mkdir()
        (blocks / "sda" / part / "partition").write_text("2\n")
        (blocks / part).symlink_to(blocks / "sda" / part)
    assert lies_on_luks(tmp_path / "dev" / home_on, blocks) is encrypted
