"""What `iaipctl doctor` records of a machine's tools: their format whole, and nobody's name."""

from __future__ import annotations

from daemon.checks.recordings import record, redacted
from launchd.launchd_agent import LABEL

PRIVATE = """gui/501/x = {
\tpath = /Users/marie.curie/Library/LaunchAgents/x.plist
\tenvironment = {
\t\tTOKEN => s3cret
\t}

\tdefault environment = {
\t\tPATH => /opt/private/bin
\t}

\tstate = running
}
"IOPlatformSerialNumber" = "C02XK0AAJG5J"
host radium.local at 192.168.1.20, aa:bb:cc:dd:ee:ff, 0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9, marie@curie.fr
"""


def test_a_recording_names_nobody_and_keeps_the_format() -> None:
    told = redacted(PRIVATE, ["marie.curie", "radium.local", "radium"])
    for secret in (
        "marie",
        "curie",
        "s3cret",
        "/opt/private",
        "C02XK0AAJG5J",
        "radium",
        "192.168",
        "aa:bb",
        "0A1B2C3D",
    ):
        assert secret not in told
    assert "\tstate = running\n" in told and "\tenvironment = {\n" in told


def test_recording_skips_tools_that_are_not_there(mac, tmp_path) -> None:
    machine = mac.machine("darwin")
    (mac.tools / "vm_stat").unlink()
    names = record(machine, tmp_path / "recorded")
    assert "vm_stat" not in names and "launchctl-print-missing" in names
    told = (tmp_path / "recorded" / "launchctl-print-missing.txt").read_text()
    assert told.startswith(f"$ launchctl print gui/501/{LABEL}.missing\n# exit 113\n")
