"""What this Mac's own tools print, redacted: fresh recordings of the formats that the tests' fakes speak."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path

from launchd.launchd_agent import LABEL
from launchd.machine import NOT_THERE, Machine

_MARKS = (
    (re.compile(r"\b[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}\b", re.IGNORECASE), "UUID"),
    (re.compile(r"\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b", re.IGNORECASE), "MAC"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"), "ADDRESS"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "MAIL"),
    (re.compile(r'("(?:IOPlatformSerialNumber|[^"\n]*Serial[^"\n]*)" = )\S.*'), r"\1SERIAL"),
    (re.compile(r"/(?:Users|Volumes)/[^/\s\"']+"), "/Users/u"),
    (re.compile(r"^( -)(?!InternalBattery).*?(?= \(id=)", re.MULTILINE), r"\1UPS"),
    (re.compile(r"(for user ').*(')"), r"\1NAME\2"),
)
_KEPT = {
    "ioreg-idle": re.compile(r'\+-o IOHIDSystem\b|"HIDIdleTime" = \d+$'),
    "launchctl-print-disabled": re.compile(rf'^[^"]*$|"(?:{re.escape(LABEL)}|com\.apple\.[^"]*)" => '),
}
"""Of tools that list everything there is: the lines that are read, and no other device's or program's name."""
_ENVIRONMENT = re.compile(r"^(\t+)((?:default |inherited )?environment = \{\n)(?:.*\n)*?\1\}$", re.MULTILINE)


def commands(uid: int) -> dict[str, tuple[str, ...]]:
    """Each is one that we read the answer of, or that says which macOS it was. None changes anything or needs root."""
    target = f"gui/{uid}/{LABEL}"
    return {
        "sw_vers": ("sw_vers",),
        "launchctl-print": ("launchctl", "print", target),
        "launchctl-print-missing": ("launchctl", "print", target + ".missing"),
        "launchctl-print-disabled": ("launchctl", "print-disabled", f"gui/{uid}"),
        "pmset-batt": ("pmset", "-g", "batt"),
        "pmset": ("pmset", "-g"),
        "notifyutil-thermal": ("notifyutil", "-g", "com.apple.system.thermalpressurelevel"),
        "sysctl-pressure": ("sysctl", "-n", "kern.memorystatus_vm_pressure_level"),
        "ioreg-idle": ("ioreg", "-c", "IOHIDSystem"),
        "fdesetup": ("fdesetup", "status"),
        "sysctl-boot": ("sysctl", "-n", "kern.bootsessionuuid"),
        "defaults-languages": ("defaults", "read", "-g", "AppleLanguages"),
        "xattr-missing": ("xattr", "-p", "com.apple.quarantine", "/bin/sh"),
    }


def record(machine: Machine, folder: Path) -> list[str]:
    """Writes one file a command into ``folder`` and returns their names. A tool that is missing leaves none."""
    folder.mkdir(parents=True, exist_ok=True)
    private = [machine.user_home.name, socket.gethostname(), socket.gethostname().partition(".")[0]]
    names = []
    for name, (tool, *arguments) in commands(machine.session.uid).items():
        answer = machine.call(tool, *arguments)
        if answer.code == NOT_THERE:
            continue
        shown = " ".join([tool, *arguments]).replace(str(machine.session.uid), "501")
        text = f"$ {shown}\n# exit {answer.code}\n{wanted_lines(name, answer.out + answer.err)}"
        (folder / f"{name}.txt").write_text(redacted(text, private), "utf-8")
        names.append(name)
    return names


def wanted_lines(name: str, text: str) -> str:
    """What of a tool's answer is recorded."""
    kept = _KEPT.get(name)
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if kept is None or kept.search(line.rstrip("\n")))


def redacted(text: str, private: Sequence[str]) -> str:
    """Without the person's and the machine's names, numbers and addresses, and without any environment's values."""
    text = _ENVIRONMENT.sub(r"\1\2\1\t…\n\1}", text)
    for word in sorted((word for word in private if word), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "NAME", text)
    for pattern, mark in _MARKS:
        text = pattern.sub(mark, text)
    return text
