"""What `iaipctl doctor` records of a machine's tools: their format whole, and nobody's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.checks.encryption import filevault
from daemon.checks.recordings import commands, record, redacted, wanted_lines
from daemon.system import telemetry_macos as macos
from daemon.system.notices import language_of
from launchd import launchctl
from launchd.launchd_agent import LABEL

RECORDINGS = Path(__file__).parents[1] / "fakes" / "macos" / "recordings"

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
    (mac.tools / "notifyutil").unlink()
    names = record(machine, tmp_path / "recorded")
    assert "notifyutil-thermal" not in names and "launchctl-print-missing" in names
    told = (tmp_path / "recorded" / "launchctl-print-missing.txt").read_text()
    assert told.startswith(f"$ launchctl print gui/501/{LABEL}.missing\n# exit 113\n")


@pytest.mark.parametrize(
    ("name", "private", "kept"),
    [
        (
            "ioreg-idle",
            '  "Product" = "Marie\'s Keyboard"\n  "DeviceAddress" = "aa-bb-cc-dd-ee-ff"\n',
            '  "HIDIdleTime" = 45\n',
        ),
        ("launchctl-print-disabled", '\t\t"com.dropbox.agent" => enabled\n', f'\t\t"{LABEL}" => enabled\n\t}}\n'),
    ],
)
def test_what_lists_everything_is_recorded_without_other_names(name: str, private: str, kept: str) -> None:
    assert wanted_lines(name, private + kept) == kept
    assert wanted_lines("pmset", private + kept) == private + kept


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (" -Marie's UPS (id=4653155)\t97%; AC attached\n", " -UPS (id=4653155)\t97%; AC attached\n"),
        (" -InternalBattery-0 (id=46)\t43%; charging\n", " -InternalBattery-0 (id=46)\t43%; charging\n"),
        ("address aa-bb-cc-dd-ee-ff\n", "address MAC\n"),
        ("Deferred enablement appears to be active for user 'pierre'.\n", None),
    ],
)
def test_names_of_devices_and_of_other_users_go_and_the_format_stays(text: str, told: str | None) -> None:
    assert redacted(text, []) == (told or text.replace("pierre", "NAME"))


def is_known(answer: str) -> bool:
    """Every line about a service ends with a word that `is_disabled` knows."""
    words = re.findall(r'^\s*"[^"]+" => (.*)$', answer, re.MULTILINE)
    return bool(words) and set(words) <= {"disabled", "enabled", "true", "false"}


READERS: dict[str, tuple[int, Callable[[str], object]]] = {
    "sw_vers": (0, lambda text: re.search(r"\d+\.\d+", text)),
    "launchctl-print": (0, launchctl.told_state),
    "launchctl-print-missing": (launchctl.NO_SERVICE, lambda text: "Could not find service" in text),
    "launchctl-print-disabled": (0, is_known),
    "pmset-batt": (0, macos.parse_power),
    "pmset": (0, lambda text: macos.parse_low_power(text) in (True, False)),
    "notifyutil-thermal": (0, macos.parse_heat),
    "sysctl-pressure": (0, macos.parse_memory),
    "ioreg-idle": (0, macos.parse_idle),
    "fdesetup": (0, lambda text: filevault(text).level in ("ok", "warn")),
    "sysctl-boot": (0, lambda text: re.fullmatch(r"(UUID|[0-9A-F-]{36})\n", text)),
    "defaults-languages": (0, lambda text: language_of({"LANG": "fr_CA"}, text) == "en"),
    "xattr-missing": (1, lambda text: "No such xattr" in text),
}
"""The exit code that our reader goes by, and the reader: it raises or tells nothing for a format that it lacks."""


def recorded(name: str) -> tuple[str, int, str]:
    """The command, its exit code and what it printed."""
    command, code, body = (RECORDINGS / f"{name}.txt").read_text("utf-8").split("\n", 2)
    found = re.match(r"# exit (\d+)", code)
    assert found is not None and command.startswith("$ ")
    return command.removeprefix("$ "), int(found[1]), body


def test_every_reading_has_its_recording_and_every_recording_its_reader() -> None:
    assert {path.stem for path in RECORDINGS.iterdir()} == set(READERS) == set(commands(501))


@pytest.mark.parametrize("name", READERS)
def test_our_readers_understand_what_was_recorded(name: str) -> None:
    command, code, body = recorded(name)
    wanted, reader = READERS[name]
    assert command == " ".join(commands(501)[name])
    assert code == wanted and reader(body)
    assert wanted_lines(name, body) == body
    assert redacted(body, []) == body or "environment = {" in body, "it names nobody"


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"launchctl-print"}))
def test_the_fake_prints_what_our_readers_understand_too(mac, name: str) -> None:
    """What it prints of an installed agent, test_launchd_agent compares with the recording."""
    tool, *arguments = commands(501)[name]
    answer = mac.machine("darwin").call(tool, *arguments)
    wanted, reader = READERS[name]
    assert answer.code == wanted
    if name != "launchctl-print-disabled":  # nothing was ever switched off there
        assert reader(answer.out + answer.err)
