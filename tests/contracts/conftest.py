"""Real QMD over three notes, with a model that is a real GGUF of random weights; and the walls of a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from daemon.system.witness import Witness
from jobs.adapters.node import find_node, find_qmd
from jobs.adapters.qmd_arm import QmdArm
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.artifacts import SearchModels
from tests.contracts.confining import AS_IT_IS, NO_NAMESPACES, have_landlock, have_namespaces
from tests.contracts.tools import tool


@pytest.fixture(scope="session")
def tools() -> QmdTools:
    node, package = tool(find_node, "IAIP_TEST_NODE"), tool(find_qmd, "IAIP_TEST_QMD")
    return QmdTools(node=node, package=package, single_thread=True, timeout=60.0, patience=1.0)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.fakes.tiny_gguf import write_tiny_bert  # needs the ml extra

    return write_tiny_bert(tmp_path_factory.mktemp("models") / "one.gguf", dimensions=32, seed=1)


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where packaged bases are unpacked, each by the first test that asks for it: the language model takes a while."""
    return tmp_path_factory.mktemp("bases")


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


@pytest.fixture(params=["namespace", "landlock"])
def rung(request: pytest.FixtureRequest) -> str:
    wanted: str = request.param
    if not have_namespaces() or (wanted == "landlock" and not have_landlock()):
        pytest.skip(f"this machine cannot show the rung {wanted}")
    return wanted


@pytest.fixture
def around(rung: str) -> Sequence[str]:
    """What makes the system offer no better rung than this one."""
    return NO_NAMESPACES if rung == "landlock" else AS_IT_IS


@pytest.fixture
def witness() -> Iterator[Witness]:
    with Witness() as listening:
        yield listening
