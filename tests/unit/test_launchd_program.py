"""The program under its own name, and the environment it is started with."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.paths import Home
from jobs.publish import write_file
from launchd.agent import AgentFailed
from launchd.program import Program, script, steady_name
from launchd.surroundings import agent_environment, lasting_path, refuse_unspeakable

PATHS = st.text(st.characters(exclude_characters="\0/\n\r", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@pytest.fixture
def program(tmp_path) -> Program:
    return Program(Home(root=tmp_path / "it's a home"), write_file)


def test_the_script_starts_this_very_code_with_no_help_from_its_surroundings(program) -> None:
    program.place()
    told = subprocess.run(
        [str(program.path), "--help"],
        check=False,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.returncode == 0 and "--supervised" in told.stdout


@given(PATHS, PATHS)
def test_whatever_a_path_is_called_the_script_names_it(tmp_path_factory, interpreter, code) -> None:
    folder = tmp_path_factory.mktemp("program")
    found = Program(Home(root=folder), write_file)
    found.path.parent.mkdir()
    found.path.write_text(script(Home(root=folder), folder / interpreter, folder / code), "utf-8")
    assert found.interpreter() == folder / interpreter


def test_an_upgrade_keeps_the_former_program_and_can_put_it_back(program, tmp_path) -> None:
    for _ in range(2):
        program.place()
        assert not program.is_on_trial
    former = program.path.read_text()
    upgraded = version(program, tmp_path, "2")
    for _ in range(2):
        upgraded.place()
        assert upgraded.is_on_trial and upgraded.path.read_text() != former
    upgraded.put_back()
    assert upgraded.path.read_text() == former and not upgraded.is_on_trial


def version(program: Program, tmp_path: Path, name: str) -> Program:
    return Program(Home(root=program.path.parents[1]), write_file, code=tmp_path / name)


def test_a_third_version_does_not_take_the_place_of_the_last_one_that_was_well(program, tmp_path) -> None:
    program.place()
    former = program.path.read_text()
    for name in ("2", "3"):
        version(program, tmp_path, name).place()
    program.put_back()
    assert program.path.read_text() == former


def test_a_version_that_proved_well_is_what_the_next_one_goes_back_to(program, tmp_path) -> None:
    program.place()
    second = version(program, tmp_path, "2")
    second.place()
    second.prove()
    assert not second.is_on_trial
    proved = second.path.read_text()
    third = version(program, tmp_path, "3")
    third.place()
    third.put_back()
    assert third.path.read_text() == proved


def test_placing_the_former_version_again_ends_the_trial(program, tmp_path) -> None:
    program.place()
    version(program, tmp_path, "2").place()
    program.place()
    assert not program.is_on_trial


def test_what_was_placed_is_removed(program) -> None:
    program.place()
    program.remove()
    program.remove()
    assert not program.path.exists() and program.interpreter() is None


@pytest.mark.parametrize(
    ("path", "steady"),
    [
        (
            "/opt/homebrew/Cellar/python@3.12/3.12.7_1/Frameworks/bin/python3.12",
            "/opt/homebrew/opt/python@3.12/Frameworks/bin/python3.12",
        ),
        ("/Users/u/.venv/bin/python", None),
        ("/opt/homebrew/Cellar/python@3.12/3.12.7", None),
    ],
)
def test_an_interpreter_is_called_by_the_name_that_outlives_an_upgrade(path, steady) -> None:
    found = steady_name(PurePosixPath(path))
    assert (None if found is None else str(found)) == steady


@given(st.lists(st.sampled_from(["Cellar", "opt", "python@3", "3.1", "bin"]), max_size=7))
def test_a_steady_name_names_no_version_directory(parts) -> None:
    found = steady_name(PurePosixPath("/", *parts))
    if found is not None:
        at = parts.index("Cellar")
        assert found.parts[1:] == (*parts[:at], "opt", parts[at + 1], *parts[at + 3 :])


@given(st.lists(st.sampled_from(["/usr/bin", "/nowhere", "relative", "", ".", "/bin"])))
def test_the_agents_path_holds_absolute_folders_each_once(folders) -> None:
    found = lasting_path(":".join(folders)).split(":")
    assert len(found) == len(set(found)) and "/usr/bin" in found
    assert all(PurePosixPath(folder).is_absolute() and folder != "/nowhere" for folder in found)


def test_nothing_secret_travels_into_the_agent() -> None:
    found = agent_environment(Home(root=Path("/h")), {"OPENAI_API_KEY": "k", "QMD_CONFIG_DIR": "/q", "PATH": "/bin"})
    assert set(found) == {"IAIP_HOME", "LANG", "PATH", "QMD_CONFIG_DIR"}


def test_a_home_that_no_definition_can_name_is_refused() -> None:
    with pytest.raises(AgentFailed, match="control characters"):
        refuse_unspeakable(Home(root=Path("/a\nb")))
