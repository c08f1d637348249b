"""A GGUF is whole, or it is BadInput: never a crash, never a read past its end."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.adapters.gguf_files import GgufHeader, check_gguf
from jobs.domain.errors import BadInput

UINT32, STRING, ARRAY = 4, 8, 9
F32, Q8_0 = 0, 8


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def number(key: str, value: int) -> bytes:
    return text(key) + struct.pack("<II", UINT32, value)


def tensor(name: str, shape: Sequence[int], kind: int, offset: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


PAIRS = (
    text("general.architecture") + struct.pack("<I", STRING) + text("bert"),
    number("bert.pooling_type", 1),
    text("tokenizer.tokens") + struct.pack("<IIQ", ARRAY, STRING, 2) + text("a") + text("é"),
    text("tokenizer.types") + struct.pack("<IIQ2I", ARRAY, UINT32, 2, 1, 3),
)
TENSORS = (tensor("one", (5,), F32, 0), tensor("two", (32, 2), Q8_0, 32))
DATA = bytes(range(20)) + bytes(12) + bytes(68)


def gguf(
    pairs: Sequence[bytes] = PAIRS, tensors: Sequence[bytes] = TENSORS, data: bytes = DATA, alignment: int = 32
) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % alignment) + data


def checked(folder: Path, content: bytes) -> GgufHeader:
    path = folder / f"{uuid4().hex}.gguf"
    path.write_bytes(content)
    try:
        return check_gguf(path)
    finally:
        path.unlink()


def test_a_whole_file_tells_its_metadata_and_tensors(tmp_path: Path) -> None:
    header = checked(tmp_path, gguf())
    assert header.architecture == "bert"
    assert header.of_architecture("pooling_type") == 1
    assert header.of_architecture("absent") is None
    assert header.arrays == {"tokenizer.tokens": 2, "tokenizer.types": 2}
    assert [(one.name, one.size, one.offset) for one in header.tensors] == [("one", 20, 0), ("two", 68, 32)]


def test_another_alignment_is_kept(tmp_path: Path) -> None:
    pairs = (*PAIRS, number("general.alignment", 64))
    tensors = (TENSORS[0], tensor("two", (32, 2), Q8_0, 64))
    header = checked(tmp_path, gguf(pairs, tensors, bytes(64 + 68), alignment=64))
    assert header.data_start % 64 == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"GGU", "ends inside its header"),
        (b"PK\x03\x04" + gguf()[4:], "does not begin with GGUF"),
        (b"GGUF" + struct.pack("<I", 1) + gguf()[8:], "version 1"),
        (gguf()[:-1], "'two' ends at byte"),
        (gguf(PAIRS[1:]), "names no architecture"),
        (gguf((*PAIRS, PAIRS[1])), "empty or there twice"),
        (gguf((*PAIRS, number("general.alignment", 48))), "not a power of two"),
        (gguf((*PAIRS, text("odd") + struct.pack("<I", 99))), "unknown type 99"),
        (gguf((*PAIRS, text("long") + struct.pack("<IIQ", ARRAY, UINT32, 2**62))), "ends inside its header"),
        (gguf((*PAIRS, text("long") + struct.pack("<IQ", STRING, 2**63))), "ends inside its header"),
        (gguf(tensors=(tensor("one", (5,), 77, 0),)), "unknown type 77"),
        (gguf(tensors=(tensor("one", (5,), Q8_0, 0),)), "whole blocks"),
        (gguf(tensors=(tensor("one", (5,), F32, 32),)), "expected at 0"),
        (gguf(tensors=(tensor("one", (2**40, 2**40), F32, 0),)), "'one' ends at byte"),
        (gguf(tensors=(tensor("one", (1, 1, 1, 1, 1), F32, 0),)), "out of bounds"),
        (gguf(tensors=(tensor("one", (1,), F32, 0), tensor("one", (1,), F32, 32))), "same name"),
    ],
)
def test_a_broken_file_is_bad_input_that_says_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match="not a whole GGUF file") as refusal:
        checked(tmp_path, content)
    assert said in refusal.value.message
    assert refusal.value.remedy


def test_a_missing_file_and_a_folder_are_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.gguf", tmp_path):
        with pytest.raises(BadInput, match="not a whole GGUF file"):
            check_gguf(path)


def survives(folder: Path, content: bytes) -> None:
    try:
        header = checked(folder, content)
    except BadInput:
        return
    assert all(header.data_start + one.offset + one.size <= len(content) for one in header.tensors)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, len(gguf()) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_flipped_bytes_never_crash_the_reader(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(gguf())
    for place, value in changes:
        content[place] = value
    survives(tmp_path, bytes(content))


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    whole = gguf()
    for length in range(len(whole)):
        with pytest.raises(BadInput):
            checked(tmp_path, whole[:length])


def lies(folder: Path, content: bytes, size: int) -> None:
    """A file of ``size`` bytes, nearly all of them a hole, must be refused soon and in little memory."""
    path = folder / "huge.gguf"
    path.write_bytes(content)
    os.truncate(path, size)
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(BadInput, match="not a whole GGUF file"):
        check_gguf(path)
    assert time.process_time() - began < 1.0
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    path.unlink()


@pytest.mark.parametrize(
    "content",
    [
        b"GGUF" + struct.pack("<IQQ", 3, 1, 2**30),
        b"GGUF" + struct.pack("<IQQ", 3, 2**30, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**33),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("long") + struct.pack("<IQ", STRING, 2**33),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("long") + struct.pack("<IIQ", ARRAY, STRING, 2**33),
        b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 2**33),
    ],
    ids=["pairs", "tensors", "a key", "a text", "an array of texts", "a tensor's name"],
)
def test_counts_that_a_terabyte_of_nothing_would_hold_are_refused_at_once(tmp_path: Path, content: bytes) -> None:
    lies(tmp_path, content, 1 << 40)


NUMBERS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 32]))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(gguf()) - 8), number=NUMBERS, cut=st.integers(0, 40))
def test_numbers_that_lie_never_hang_the_reader_nor_make_it_grow(
    tmp_path: Path, place: int, number: int, cut: int
) -> None:
    content = bytearray(gguf())
    content[place : place + 8] = struct.pack("<Q", number)
    tracemalloc.start()
    survives(tmp_path, bytes(content[: len(content) - cut]))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rest=st.binary(max_size=200))
def test_noise_after_the_magic_never_crashes_the_reader(tmp_path: Path, rest: bytes) -> None:
    survives(tmp_path, b"GGUF" + struct.pack("<I", 3) + rest)
