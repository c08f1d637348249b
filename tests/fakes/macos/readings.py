"""The tools that only tell: sensors, power, encryption, notifications. Formats as recorded; values from ``readings``.

``readings`` in the state overrides DEFAULTS; a value of None is a tool that is not there.
"""

from __future__ import annotations

import subprocess
from typing import Any

from tests.fakes.macos.state import State

Answer = tuple[int, str, str]

DEFAULTS: dict[str, Any] = {
    "thermal": 0,  # 0 nominal … 4 sleeping
    "pressure": 1,  # 1 normal, 2 warn, 4 critical
    "free_percent": 76,
    "swap": "total = 1024.00M  used = 0.00M  free = 1024.00M  (encrypted)",
    "power": "Now drawing from 'AC Power'\n",
    "low_power": 0,
    "therm": (
        "Note: No thermal warning level has been recorded\n"
        "Note: No performance warning level has been recorded\n"
        "Note: No CPU power status has been recorded\n"
    ),
    "idle_ns": 4500000000,
    "boot": "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9",
    "wired_limit": 0,
    "filevault": "FileVault is On.\n",
    "notifier": 0,  # the exit code of a terminal-notifier that is not allowed to show anything
    "focus": False,  # Notification Center drops everything and still answers 0
    "languages": '(\n    "en-CA",\n    "fr-CA"\n)\n',
    "lsblk": "part\ncrypt\n",
    "linger": 0,
}
THERMAL = "com.apple.system.thermalpressurelevel"


def answer(state: State, tool: str, words: list[str]) -> Answer:
    values = state.read()
    told = {**DEFAULTS, **values["readings"]}
    tellers = {
        "sw_vers": lambda: (0, _sw_vers(values["macos"], words), ""),
        "defaults": lambda: _keyed({"read -g AppleLanguages": told["languages"]}, words),
        "notifyutil": lambda: _keyed({f"-g {THERMAL}": f"{THERMAL} {told['thermal']}\n"}, words),
        "sysctl": lambda: _sysctl(told, words),
        "pmset": lambda: _pmset(told, words),
        "ioreg": lambda: (0, f'    |   "HIDIdleTime" = {told["idle_ns"]}\n' if told["idle_ns"] is not None else "", ""),
        "fdesetup": lambda: _fdesetup(told, words),
        "osascript": lambda: _osascript(state, words),
        "terminal-notifier": lambda: _terminal_notifier(told, words),
        "notify-send": lambda: (0, "", ""),
        "xattr": lambda: _xattr(values, words),
        "lsblk": lambda: (0, told["lsblk"], "") if told["lsblk"] else (32, "", "lsblk: not a block device\n"),
        "loginctl": lambda: (told["linger"], "", ""),
        "caffeinate": lambda: _passed_on(words, {"-i": 0, "-s": 0, "-w": 1}),
        "taskpolicy": lambda: _passed_on(words, {"-b": 0, "-B": 0, "-c": 1, "-d": 1, "-p": 1}),
        "sandbox-exec": lambda: _passed_on(words, {"-D": 1, "-f": 1, "-p": 1}),
    }
    return tellers[tool]() if tool in tellers else (127, "", f"{tool}: command not found\n")


def _sw_vers(version: str, words: list[str]) -> str:
    if words == ["-productVersion"]:
        return f"{version}\n"
    return f"ProductName:\t\tmacOS\nProductVersion:\t\t{version}\nBuildVersion:\t\t25B78\n"


def _keyed(answers: dict[str, str], words: list[str]) -> Answer:
    asked = " ".join(words)
    return (0, answers[asked], "") if asked in answers else (64, "", f"usage: unknown {asked}\n")


def _sysctl(told: dict[str, Any], words: list[str]) -> Answer:
    names = {
        "kern.memorystatus_vm_pressure_level": told["pressure"],
        "kern.memorystatus_level": told["free_percent"],
        "vm.swapusage": told["swap"],
        "iogpu.wired_limit_mb": told["wired_limit"],
        "kern.bootsessionuuid": told["boot"],
    }
    name = words[-1]
    return (0, f"{names[name]}\n", "") if name in names else (1, "", f"sysctl: unknown oid '{name}'\n")


def _pmset(told: dict[str, Any], words: list[str]) -> Answer:
    match words:
        case ["-g"]:
            return 0, f"System-wide power settings:\nCurrently in use:\n lowpowermode         {told['low_power']}\n", ""
        case ["-g", "batt"]:
            return 0, told["power"], ""
        case ["-g", "therm"]:
            return 0, told["therm"], ""
    return 64, "", "Usage: pmset <options>\n"


def _fdesetup(told: dict[str, Any], words: list[str]) -> Answer:
    on = told["filevault"].startswith("FileVault is On.")
    if words == ["isactive"]:
        return (0, "true\n", "") if on else (1, "false\n", "")
    return (0, told["filevault"], "") if words == ["status"] else (1, "", "fdesetup: usage\n")


def _osascript(state: State, words: list[str]) -> Answer:
    """Takes -e LINE pairs, then stops at the first word that is no option: the rest is the script's argv.

    A word with a leading dash in the place of an argument is taken for an option and refused, as there.
    """
    script, argv = [], list(words)
    while argv and argv[0].startswith("-"):
        if argv[0] != "-e" or len(argv) < 2:
            return 1, "", f"osascript: illegal option -- {argv[0][1:]}\n"
        script.append(argv[1])
        argv = argv[2:]
    with state.change() as values:
        values.setdefault("shown", []).append({"script": script, "argv": argv})
    return 0, "", ""


def _terminal_notifier(told: dict[str, Any], words: list[str]) -> Answer:
    """Values that look like an option or a property list are misread; in Focus nothing is shown, and the code is 0."""
    if told["notifier"]:
        return int(told["notifier"]), "", "notifications are not allowed for this application\n"
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    text = pairs.get("-message", "")
    return (1, "", "Usage: terminal-notifier -message VALUE\n") if text[:1] in ("-", "[", "") else (0, "", "")


def _xattr(values: dict[str, Any], words: list[str]) -> Answer:
    name, path = words[-2:]
    if path in values["quarantined"]:
        return 0, "0083;68e0a1b2;Safari;\n", ""
    return 1, "", f"xattr: {path}: No such xattr: {name}\n"


def _passed_on(words: list[str], options: dict[str, int]) -> Answer:
    """Tools that run another: their own options are taken off, the rest is run."""
    rest = list(words)
    while rest and rest[0] in options:
        rest = rest[1 + options[rest[0]] :]
    if not rest:
        return 0, "", ""
    done = subprocess.run(rest, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr
