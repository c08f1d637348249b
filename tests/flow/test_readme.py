"""What README.md tells a person to type is typed here, in a home that has been lived in, and does what it should."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.load import load_settings
from daemon.cli import root
from daemon.cli.__main__ import main
from daemon.cli.result import DONE, FAILED, NOT_FOUND, NOT_RUNNING, REFUSED
from daemon.cli.root import Context
from jobs.adapters.node import find_node, find_qmd
from jobs.adapters.qmd_command import QmdCommand
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.errors import ToolFailed
from tests import readme
from tests.fakes.macos.machine import FakeMachine, fake_machine
from tests.terminal import terminal
from tests.web.household import Household

TEXT = readme.README.read_text("utf-8")
PROJECT = readme.README.parent
MENTIONED = list(readme.mentioned(TEXT))
SHOWN = readme.commands(TEXT, "iaipctl")
COMMANDS = list(dict.fromkeys([*SHOWN, *(made for pair in MENTIONED if (made := readme.whole(*pair)))]))
# Where another end than "done" is the right one here, with the daemon down and nobody at a terminal.
ENDS: dict[str, tuple[int, ...]] = {
    "status": (DONE, NOT_RUNNING),
    "run": (NOT_RUNNING,),
    "ui": (NOT_RUNNING,),
    "queue retry": (NOT_RUNNING,),
    "queue cancel": (NOT_RUNNING,),
    "queue pause": (NOT_RUNNING,),
    "queue resume": (NOT_RUNNING,),
    "alerts ack": (NOT_RUNNING,),
    "ledger restore": (NOT_FOUND,),  # the first copy is made after a day
    "doctor": (DONE, FAILED),  # it says what this machine lacks
    "models fetch": (FAILED,),  # without a network
    "models confirm": (NOT_FOUND,),  # nothing was fetched
    "export-bundle": (FAILED,),  # the household's notes are nobody's yet
    "lineage release v3 --bom": (NOT_FOUND,),  # its releases were not trained: tests/flow/test_lineage_commands.py
    "withdraw --consent": (NOT_FOUND,),
    "withdraw --person": (NOT_FOUND,),
    "uninstall --purge": (REFUSED,),  # nobody agreed
}
FIRST = {"start": "install", "restart": "install"}


def test_the_qmd_that_a_person_is_told_to_install_is_the_one_that_was_tested() -> None:
    pinned = json.loads((PROJECT / "config" / "tools" / "package.json").read_text("utf-8"))["dependencies"]
    [(folder, *named)] = re.findall(r'npm install --global --prefix "([^"]+)" (@tobilu/qmd)@([\d.]+)', TEXT)
    assert named == list(*pinned.items())
    assert f'export PATH="{folder}/bin:$PATH"' in TEXT, "where npm puts the command"


def test_every_program_that_a_block_types_is_one_that_a_test_here_takes() -> None:
    taken = {"iaipctl", "make", "qmd"} | {"export", "npm"}  # of these two, the one line each that the test above reads
    typed = [command.split()[0] for command in readme.typed_in_blocks(TEXT)]
    assert set(typed) <= taken
    assert (typed.count("export"), typed.count("npm")) == (1, 1)


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs, v3 live, and a folder of notes; made once."""
    folder = tmp_path_factory.mktemp("readme") / "it"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "ice.md").write_text("# The ice road\n\nIt opens in January.\n")
    made = Household(folder)
    made.settle()
    made.live_through(4, promoted=3)
    made.leave()
    (made.home.root / "logs").mkdir()
    (made.home.root / "logs" / "iaipd.log").write_text('{"event": "job started", "job": 7, "run": 3}\n' * 3)
    (folder / "qmd").mkdir()
    (folder / "qmd" / "index.yml").write_text(made.configuration)
    return folder


@pytest.fixture
def reader(lived_in: Path, tmp_path: Path, monkeypatch) -> Iterator[FakeMachine]:
    """Sits at a fake Mac, in a copy of that home."""
    shutil.rmtree(tmp_path)
    shutil.copytree(lived_in, tmp_path, symlinks=True)
    monkeypatch.setenv("IAIP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("QMD_CONFIG_DIR", str(tmp_path / "qmd"))
    monkeypatch.setenv("INDEX_PATH", str(tmp_path / "qmd" / "index.sqlite"))
    monkeypatch.chdir(tmp_path)
    with fake_machine(tmp_path / "machine") as fake:
        machine = fake.machine("darwin", processes=True)
        monkeypatch.setattr(root, "Context", lambda home: Context(home, machine))
        yield fake


def test_there_is_something_to_type() -> None:
    assert len(COMMANDS) > 45 and "iaipctl install" in COMMANDS and "iaipctl why job 7" in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_does_what_it_should(reader: FakeMachine, capsys, command: str) -> None:
    words = shlex.split(command)[1:]
    assert readme.problem(words) is None, f"README.md shows `{command}`: {readme.problem(words)}"
    if {"-f", "evaluation"} & set(words):
        return typed_in_a_window(words)
    if words[0] in FIRST:
        assert main([FIRST[words[0]]]) == DONE
    code = main(words)
    told = capsys.readouterr()
    expected = next((ends for start, ends in ENDS.items() if " ".join(words).startswith(start)), (DONE,))
    assert code in expected, f"`{command}` ended with {code}: {told.out}{told.err}"
    assert told.out or told.err
    return None


def typed_in_a_window(words: list[str]) -> None:
    """What stays until the person has seen enough."""
    with terminal(*words, environment=os.environ) as person:
        if words[:2] == ["evaluation", "add"] and words[2:]:  # with a model: tests/contracts/test_live_search.py
            assert person.ends() == FAILED and "next:" in person.seen
        elif "evaluation" in words:
            person.waits_for("q: end")
            person.types("q", "judged now")
            assert person.ends() == DONE
        else:
            person.waits_for("job started")
            person.types("\x03", "stopped watching")
            assert person.ends() == 130


@pytest.mark.parametrize(("command", "word"), MENTIONED)
def test_what_a_row_says_of_its_command_is_known_to_it(command: str, word: str) -> None:
    assert readme.put_together(command, word), f"README.md says `{word}` of `{command}`"


@pytest.mark.parametrize("command", ["iaipctl fly", "iaipctl status --nothing", "iaipctl queue fly 3"])
def test_a_command_that_does_not_exist_would_be_found(command: str) -> None:
    shown = TEXT + f"\n| `{command}` | no such thing |\n\n```sh\n{command}\n```\n"
    assert command in readme.commands(shown, "iaipctl")
    assert readme.problem(command.split()[1:]) is not None


@pytest.mark.parametrize("word", ["--fly", "fly 3"])
def test_an_option_that_does_not_exist_would_be_found(word: str) -> None:
    row = f"| `iaipctl queue` | the jobs; `{word}` |\n"
    assert ("iaipctl queue", word) in readme.mentioned(row) and readme.put_together("iaipctl queue", word) is None


@pytest.mark.parametrize("settings", list(readme.settings(TEXT)), ids=str)
def test_settings_of_the_readme_are_taken(settings, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(next(block for block in readme.blocks(TEXT, "toml") if tomllib.loads(block) == settings))
    taken = load_settings(path)
    for section, values in settings.items():
        assert {key: getattr(getattr(taken, section), key) for key in values} == values


@pytest.mark.parametrize(("section", "key"), list(readme.named_settings(TEXT)))
def test_settings_that_a_sentence_names_exist(section: str, key: str) -> None:
    assert hasattr(getattr(load_settings(Path("/no such file")), section), key or "__struct_fields__")


@pytest.mark.parametrize("command", readme.commands(TEXT, "make"))
def test_make_knows_its_targets_and_they_lead_to_programs_that_start(command: str) -> None:
    """The whole of each runs for minutes: what it would do is asked, and its program is asked for its options."""
    asked = ["make", "--dry-run", "--always-make", *command.split()[1:]]
    told = subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stderr
    *_, last = [line for line in told.stdout.splitlines() if line.startswith(".venv/bin/python -m")]
    _, _, module, *options = last.partition(";")[0].split()
    answer = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.returncode == 0 and all(
        option.partition("=")[0] in answer.stdout for option in options if option.startswith("--")
    )


def test_the_daemon_can_be_started_by_its_name() -> None:
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert "`iaipd`" in TEXT and scripts["iaipd"] == "daemon.__main__:main"
    words = [sys.executable, "-m", "daemon", "--help"]
    assert subprocess.run(words, cwd=PROJECT, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.mark.qmd
@pytest.mark.parametrize("command", readme.commands(TEXT, "qmd"))
def test_qmd_knows_what_it_is_told(tmp_path: Path, command: str) -> None:
    try:
        tools = QmdTools(node=find_node(""), package=find_qmd(""), single_thread=True, timeout=60.0)
    except ToolFailed as missing:
        pytest.skip(missing.message)
    qmd = QmdCommand(tools, tmp_path / "qmd" / "index.yml", tmp_path / "index.sqlite")
    (tmp_path / "qmd").mkdir()
    (tmp_path / "notes").mkdir()
    words = [str(tmp_path / "notes") if word == "~/notes" else word for word in shlex.split(command)[1:]]
    if words == ["embed"]:  # with a model: tests/contracts/test_live_search.py
        assert "qmd embed" in qmd.run(["--help"], {}, 60.0).stdout
        return
    if words[:2] == ["collection", "remove"]:
        qmd.run(["collection", "add", str(tmp_path / "notes"), "--name", words[2]], {}, 60.0)
    answer = qmd.run(words, {}, 60.0)
    assert answer.code == 0, answer.stderr
