"""Every fake tool by its name: what was laid out for it first, else what the state makes it answer."""

from __future__ import annotations

from tests.fakes.macos import keychain, launchctl, readings, systemctl
from tests.fakes.macos.state import State


def answered(state: State, tool: str, words: list[str]) -> tuple[int, str, str]:
    state.log([tool, *words])
    return scripted(state, tool, words) or answer(state, tool, words)


def scripted(state: State, tool: str, words: list[str]) -> tuple[int, str, str] | None:
    """The next answer that the test has laid out for this tool and verb."""
    verb = words[1] if words[:1] == ["--user"] else words[0] if words else ""
    with state.change() as values:
        waiting = values["scripted"].get(f"{tool} {verb}") or []
        return tuple(waiting.pop(0)) if waiting else None


def answer(state: State, tool: str, words: list[str]) -> tuple[int, str, str]:
    match tool:
        case "launchctl":
            return launchctl.answer(state, words)
        case "security":
            return keychain.answer(state, words)
        case "systemctl":
            return systemctl.answer(state, words)
    return readings.answer(state, tool, words)
