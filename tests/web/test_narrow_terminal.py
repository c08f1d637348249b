"""Every screen of iaipctl in a window of 40 columns, and `status` on one screen of the usual size."""

from __future__ import annotations

import os

import pytest

from daemon.cli.grammar import COMMANDS
from tests.answering import daemon_of
from tests.terminal import terminal
from tests.web.household import Household

SCREENS = (
    "status", "queue", "queue show 3", "releases", "verdict", "verdict --queries", "why run 3", "why v2", "alerts",
    "alerts --all", "config show", "ledger", "gc --dry-run", "models", "doctor", "rollback --dry-run", "wait",
    "releases pin v9", "lineage release v2", "lineage document ice-road/2008.md", "withdraw --person me", "fly",
)  # fmt: skip
ENVIRONMENT = {**os.environ, "PYTHONUTF8": "1"}


@pytest.mark.parametrize("words", SCREENS)
def test_it_fits_a_window_of_40_columns(household: Household, words: str) -> None:
    with terminal("--home", str(household.home.root), *words.split(), environment=ENVIRONMENT, columns=40) as person:
        person.ends()
        wide = [line for line in person.seen.split("\n") if len(line) > 40]
        assert person.seen and wide == []


def test_help_fits_it_too(household: Household) -> None:
    for words in (["--help"], ["status", "--help"], ["evaluation", "add", "--help"]):
        with terminal(*words, environment=ENVIRONMENT, columns=40) as person:
            assert person.ends() == 0
            wide = [line for line in person.seen.split("\n") if len(line) > 40]
            assert all(" " not in line.strip() for line in wide), "only what cannot be broken is wider"


def test_status_is_one_screen(household: Household) -> None:
    household.training_now()
    words = ("--home", str(household.home.root), "status")
    with daemon_of(household.home), terminal(*words, environment=ENVIRONMENT, columns=80) as person:
        person.ends()
        assert len(person.seen.rstrip("\n").split("\n")) <= 24
        told = " ".join(person.seen.split())
        assert "step 61/141" in told and "min left" in told and "pairs/s" in told


def test_no_command_was_forgotten() -> None:
    changing = {*"init install uninstall start stop restart run ui completions logs consent export-bundle".split()}
    assert COMMANDS.keys() - {words.split()[0] for words in SCREENS} - changing == {"evaluation", "support-bundle"}
