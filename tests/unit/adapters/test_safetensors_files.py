"""A safetensors file is whole, or it is BadInput before anything of it is read."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.adapters.safetensors_files import SafeTensor, is_whole_checkpoint, read_safetensors, whole_safetensors
from jobs.domain.errors import BadInput

ENTRIES: dict[str, Any] = {
    "__metadata__": {"format": "pt"},
    "two": {"dtype": "F32", "shape": [2, 2], "data_offsets": [6, 22]},
    "one": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]},
}
DATA = bytes(22)


def file_of(header: bytes, data: bytes = DATA) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def sound() -> bytes:
    return file_of(json.dumps(ENTRIES).encode())


def with_entry(**changes: Any) -> bytes:
    return file_of(json.dumps(ENTRIES | {"two": ENTRIES["two"] | changes}).encode())


def checked(folder: Path, content: bytes) -> tuple[SafeTensor, ...]:
    path = folder / f"{uuid4().hex}.safetensors"
    path.write_bytes(content)
    try:
        return read_safetensors(path)
    finally:
        path.unlink()


def test_a_whole_file_tells_its_tensors_in_order(tmp_path: Path) -> None:
    found = checked(tmp_path, sound())
    assert [(one.name, one.dtype, one.shape, one.end) for one in found] == [
        ("one", "BF16", (3,), 6),
        ("two", "F32", (2, 2), 22),
    ]


@pytest.mark.parametrize("torn", ["weights.safetensors", "state.json", ""])
def test_a_checkpoint_is_whole_if_every_file_of_it_can_be_read(tmp_path: Path, torn: str) -> None:
    (tmp_path / "weights.safetensors").write_bytes(sound())
    (tmp_path / "state.json").write_bytes(b'{"step": 3}')
    if torn:
        (tmp_path / torn).write_bytes((tmp_path / torn).read_bytes()[:-4])
    assert is_whole_checkpoint(tmp_path) == (not torn)


@pytest.mark.ml
def test_what_the_library_writes_is_whole(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("safetensors.numpy").save_file(
        {"a": numpy.zeros((2, 3), "float16"), "b": numpy.arange(4), "none": numpy.zeros((0, 5), "float32")},
        tmp_path / "model.safetensors",
    )
    assert {one.name for one in read_safetensors(whole_safetensors(tmp_path / "model.safetensors"))} == {
        "a",
        "b",
        "none",
    }


def test_metadata_that_are_null_as_mlx_writes_them_are_none(tmp_path: Path) -> None:
    assert checked(tmp_path, file_of(json.dumps(ENTRIES | {"__metadata__": None}).encode()))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes"),
        (struct.pack("<Q", 2**63) + b"{}", "header would be"),
        (struct.pack("<Q", 90) + b"{}", "header would be"),
        (file_of(b"[]", b""), "not an object"),
        (file_of(b"{", b""), "cannot be read"),
        (file_of(b"[" * 100_000, b""), "cannot be read"),
        (file_of(b'{"a":{"dtype":"F32"}}', b""), "cannot be read"),
        (file_of(b'{"__metadata__":{"a":1}}', b""), "cannot be read"),
        (file_of(b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{}}', b""), "there twice"),
        (with_entry(dtype="OBJECT"), "has the type"),
        (with_entry(dtype="F64"), "not where and as long"),
        (with_entry(shape=[2, -2]), "out of bounds"),
        (with_entry(shape=[2**63, 2**63]), "out of bounds"),
        (with_entry(shape=[2**40, 2**40]), "not where and as long"),
        (with_entry(data_offsets=[8, 24]), "not where and as long"),
        (with_entry(data_offsets=[0, 16]), "not where and as long"),
        (with_entry(data_offsets=[6, 2**63]), "not where and as long"),
        (sound()[:-1], "not where and as long"),
        (sound() + b"x", "its data end at byte 22 of 23"),
    ],
)
def test_a_broken_file_is_bad_input_that_says_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match="not a whole safetensors file") as refusal:
        checked(tmp_path, content)
    assert said in refusal.value.message
    assert refusal.value.remedy


def test_a_missing_file_and_a_huge_hole_are_bad_input(tmp_path: Path) -> None:
    hole = tmp_path / "hole.safetensors"
    hole.write_bytes(struct.pack("<Q", 2**39))
    os.truncate(hole, 1 << 40)
    for path in (tmp_path / "absent.safetensors", tmp_path, hole):
        with pytest.raises(BadInput, match="not a whole safetensors file"):
            read_safetensors(path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, len(sound()) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_flipped_bytes_never_crash_the_reader(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(sound())
    for place, value in changes:
        content[place] = value
    try:
        found = checked(tmp_path, bytes(content))
    except BadInput:
        return
    assert max(one.end for one in found) <= len(content)
