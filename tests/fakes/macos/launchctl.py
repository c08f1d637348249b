"""launchctl as recorded on macOS 15 and 26: its words, its exit codes, and labels that linger after bootout."""

from __future__ import annotations

import os
import plistlib
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.fakes.macos import minder
from tests.fakes.macos.state import State, now

Answer = tuple[int, str, str]

NAMES = {
    3: "No such process",
    5: "Input/output error",
    17: "File exists",
    36: "Operation now in progress",
    109: "Invalid property list",
    111: "Invalid or missing Program/ProgramArguments",
    113: "Could not find specified service",
    119: "Service is disabled",
    122: "Path had bad ownership/permissions",
    125: "Domain does not support specified action",
    155: "Refusing to execute/trust quarantined program/file",
    161: "Service cannot be launched because of BTM policy",
}


def answer(state: State, words: list[str]) -> Answer:
    verb, *rest = words
    verbs = {
        "print": _print,
        "bootstrap": _bootstrap,
        "bootout": _bootout,
        "enable": lambda s, r: _override(s, r, disabled=False),
        "disable": lambda s, r: _override(s, r, disabled=True),
        "print-disabled": _print_disabled,
        "kickstart": _kickstart,
        "list": _list,
    }
    if verb not in verbs:
        return 64, "", f"Unrecognized subcommand: {verb}\n"
    return verbs[verb](state, rest)


def _label(target: str) -> str:
    return target.rpartition("/")[2]


def _print(state: State, rest: list[str]) -> Answer:
    values = state.read()
    if not values["gui"]:
        return 112, "", f"Could not find domain for user gui: {values['uid']}\n"
    label = _label(rest[0])
    service = values["services"].get(label)
    if service is None:
        domain = f"domain for user gui: {values['uid']}"
        return 113, "", f'Bad request.\nCould not find service "{label}" in {domain}\n'
    return 0, printed(values["uid"], label, service), ""


def printed(uid: int, label: str, service: dict[str, Any]) -> str:
    """The recorded layout, with the traps: an argument that looks like the end, a nested state and pid."""
    plist = service["plist"]
    arguments = "".join(f"\t\t{word}\n" for word in plist["ProgramArguments"])
    pid = f"\tpid = {service['pid']}\n" if service["pid"] else ""
    last = "(never exited)" if service["last_exit"] is None else str(service["last_exit"])
    return (
        f"gui/{uid}/{label} = {{\n\tactive count = {1 if service['pid'] else 0}\n\tpath = {service['path']}\n"
        f"\ttype = LaunchAgent\n\tstate = {service['state']}\n\n\tprogram = {plist['ProgramArguments'][0]}\n"
        f"\targuments = {{\n{arguments}\t}}\n\n\tdomain = gui/{uid} [100008]\n\tasid = 100008\n"
        f"\tminimum runtime = {plist.get('ThrottleInterval', 10)}\n\texit timeout = {plist.get('ExitTimeOut', 5)}\n"
        f"\truns = {service['runs']}\n{pid}\tlast exit code = {last}\n\n"
        "\tresource coalition = {\n\t\tID = 1\n\t\ttype = resource\n\t\tstate = active\n\t\tpid = 99\n\t}\n\n"
        "\tspawn type = daemon (3)\n\tproperties = keepalive | runatload | inferred program\n}\n"
    )


def _bootstrap(state: State, rest: list[str]) -> Answer:
    path = Path(rest[1])
    with state.change() as values:
        code, plist = _judged(values, path)
        if code == 0:
            minder.register(values, str(path), plist)
    if code:
        more = "Try re-running the command as root for richer errors.\n" if code == 5 else ""
        return code, "", f"Bootstrap failed: {code}: {NAMES[code]}\n{more}"
    minder.start(state, "service", plist["Label"])
    return 0, "", ""


def _judged(values: dict[str, Any], path: Path) -> tuple[int, dict[str, Any]]:
    """The exit code of bootstrap, and the plist as it is now: later edits of the file change nothing."""
    if not values["gui"]:
        return 125, {}
    try:
        plist: dict[str, Any] = plistlib.loads(path.read_bytes())
        label, program = plist["Label"], plist["ProgramArguments"][0]
    except FileNotFoundError:
        return 5, {}
    except (plistlib.InvalidFileException, KeyError, ValueError):
        return 109, {}
    freed = values["freed"].get(label)
    lingers = freed is not None and now(values) < freed + values["busy_after"]
    rules = (
        (values["login_items"], bool(values["login_items"])),
        (122, bool(path.stat().st_mode & 0o022)),
        (119, bool(values["disabled"].get(label))),
        (5, label in values["services"] or lingers),
        (155, program in values["quarantined"]),
        (111, not Path(program).exists()),
    )
    return next((code for code, holds in rules if holds), 0), plist


def _bootout(state: State, rest: list[str]) -> Answer:
    label = _label(rest[0])
    with state.change() as values:
        service = values["services"].get(label)
        if service is None:
            return 3, "", f"Boot-out failed: 3: {NAMES[3]}\n"
        if service["leaves_at"] is not None:
            return 36, "", f"Boot-out failed: 36: {NAMES[36]}\n"
        service["leaves_at"] = now(values) + values["busy"]
        service["killed_at"] = now(values) + service["plist"].get("ExitTimeOut", 5)
        service["state"] = "SIGTERMed"
        if service["pid"]:
            with suppress(ProcessLookupError):
                os.kill(service["pid"], signal.SIGTERM)
    return 0, "", ""


def _override(state: State, rest: list[str], *, disabled: bool) -> Answer:
    with state.change() as values:
        values["disabled"][_label(rest[0])] = disabled
    return 0, "", ""


def _print_disabled(state: State, _: list[str]) -> Answer:
    overrides = {"com.apple.Siri.agent": True, **state.read()["disabled"]}
    lines = "".join(f'\t\t"{label}" => {"disabled" if off else "enabled"}\n' for label, off in overrides.items())
    return 0, f"\tdisabled services = {{\n{lines}\t}}\n", ""


def _kickstart(state: State, rest: list[str]) -> Answer:
    label = _label(rest[-1])
    with state.change() as values:
        service = values["services"].get(label)
        if service is None:
            return 113, "", f'Could not kickstart service "{label}": 113: {NAMES[113]}\n'
        if service["pid"]:
            return 37, "", f'Could not kickstart service "{label}": 37: Operation already in progress\n'
        service["kicked"] = True
    return 0, "", ""


def _list(state: State, _: list[str]) -> Answer:
    lines = "".join(
        f"{service['pid'] or '-'}\t{service['last_exit'] or 0}\t{label}\n"
        for label, service in state.read()["services"].items()
    )
    return 0, f"PID\tStatus\tLabel\n{lines}", ""
