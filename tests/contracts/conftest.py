"""Real QMD over three notes, with a model that is a real GGUF of random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.adapters.node import find_node, find_qmd
from jobs.adapters.qmd_arm import QmdArm
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.artifacts import SearchModels
from tests.contracts.tools import tool


@pytest.fixture(scope="session")
def tools() -> QmdTools:
    node, package = tool(find_node, "IAIP_TEST_NODE"), tool(find_qmd, "IAIP_TEST_QMD")
    return QmdTools(node=node, package=package, single_thread=True, timeout=60.0, patience=1.0)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.fakes.tiny_gguf import write_tiny_bert  # needs the ml extra

    return write_tiny_bert(tmp_path_factory.mktemp("models") / "one.gguf", dimensions=32, seed=1)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("dog", "cat", "query"):
        (folder / f"{name}.md").write_text(f"# {name}\n\nA note about a {name} and its title.\n")
    return folder


@pytest.fixture
def configuration(tmp_path: Path, notes: Path, model: Path) -> Path:
    path = tmp_path / "qmd" / "index.yml"
    path.parent.mkdir()
    path.write_text(f"collections:\n  notes:\n    path: {notes}\nmodels:\n  embed: {model}\n")
    return path


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index" / "index.sqlite"


@pytest.fixture
def arm(tools: QmdTools, configuration: Path, index: Path, model: Path) -> Iterator[QmdArm]:
    with QmdArm(tools, configuration, index, SearchModels(embed=str(model))) as opened:
        yield opened
