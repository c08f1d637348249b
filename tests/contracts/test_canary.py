"""The canary over the real tools: trained, exported and searched with by real QMD. (The embedding model's flies in
tests/flow/test_loop.py.)"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from jobs.adapters.node import find_converter, find_node, find_qmd
from jobs.canary import prove_path
from jobs.wire import JobSpec
from jobs.worker import assemble
from tests.contracts.tools import tool
from tests.learnt import Learnt

pytestmark = [pytest.mark.ml, pytest.mark.qmd, pytest.mark.slow, pytest.mark.timeout(1200)]


class Undisturbed:
    """A lifeline that nobody pulls."""

    def should_stop(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def _tools() -> None:
    for find in (find_node, find_qmd, lambda chosen: find_converter()):
        tool(find, "IAIP_TEST_NONE")


def test_the_packaged_language_model_proves_its_whole_path(tmp_path: Path, bases: Path, model: Path) -> None:
    house = Learnt(tmp_path)
    house.home.base_models.symlink_to(bases)
    configuration = house.releases.current / "qmd" / "index.yml"
    configuration.write_text(f"{configuration.read_text()}models:\n  embed: {model}\n")
    spec = JobSpec(job=1, stage="train", target="expansion", home=str(house.home.root))
    lifeline: Any = Undisturbed()
    workshop = assemble(spec, io.BytesIO(), lifeline)
    result = prove_path(workshop.base_model("expansion"), workshop)
    assert result.parity.problems == ()
    assert "qmd-2" in result.tools and "torch-2" in result.tools
    [place] = [stage for stage in house.home.stages.iterdir() if stage.name.startswith("canary-")]
    assert sorted(entry.name for entry in place.iterdir()) == ["model", "result.json"]
