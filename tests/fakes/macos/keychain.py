"""security, as far as one login keychain goes: its words and codes; what it keeps is in the state."""

from __future__ import annotations

import sys

from tests.fakes.macos.state import State

Answer = tuple[int, str, str]
NOT_FOUND = "The specified item could not be found in the keychain."


def answer(state: State, words: list[str]) -> Answer:
    """With -i, commands come on standard input, and how they end is not told."""
    if words == ["-i"]:
        _said(state, sys.stdin.read().split())
        return 0, "", ""
    return _said(state, words)


def _said(state: State, words: list[str]) -> Answer:
    with state.change() as values:
        if values["keychain_locked"]:
            return 36, "", "security: SecKeychainSearchCopyNext: User interaction is not allowed.\n"
        item, items = words[words.index("-s") + 1], values["keychain"]
        match words[0]:
            case "add-generic-password":
                assert "-U" in words
                items[item] = words[words.index("-w") + 1]
                return 0, "", ""
            case "find-generic-password" if item in items:
                assert words[-1] == "-w"
                return 0, f"{items[item]}\n", ""
            case "delete-generic-password" if item in items:
                del items[item]
                return 0, "password has been deleted.\n", ""
    return 44, "", f"security: SecKeychainSearchCopyNext: {NOT_FOUND}\n"
