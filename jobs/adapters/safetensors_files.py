"""Reads the header of a safetensors file and tells whether the file is whole. Needs no ML library.

The format is eight bytes of length, little-endian, then that many bytes of JSON, ``{name: {dtype, shape,
data_offsets}}``, then the data, without holes (github.com/huggingface/safetensors, "Format"). Every number is
checked against the file before anything is read or reserved.
"""

from __future__ import annotations

import json
import os
import struct
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from jobs.domain.errors import BadInput

_LONGEST_HEADER = 100_000_000  # the format's own limit
_LARGEST_SIZE = 2**63 - 1
_BITS = {
    **{"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8},
    **{"U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8},
}
_REMEDY = (
    "Nothing was changed. A base: fetch it again with `iaipctl models fetch NAME`, or choose another in config.toml."
    " A checkpoint: delete its folder, then `iaipctl queue retry` the job."
)


class SafeTensor(Struct, frozen=True, kw_only=True):
    """``begin`` and ``end`` count from the start of the data, in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class _Entry(Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class _Broken(Exception):
    """What is wrong with the bytes, in a few words."""


def whole_safetensors(file: Path) -> Path:
    """The file itself, once its header is checked: for a library to load. Raises BadInput like read_safetensors."""
    read_safetensors(file)
    return file


def require_whole_weights(directory: Path) -> None:
    """Raises BadInput like read_safetensors for the first file of weights in it that is not whole."""
    for file in sorted(directory.glob("*.safetensors")):
        read_safetensors(file)


def is_whole_checkpoint(directory: Path) -> bool:
    """Weights, moments and where the training stood, all of it readable."""
    try:
        require_whole_weights(directory)
        for file in directory.glob("*.json"):
            json.loads(file.read_bytes())
    except (BadInput, ValueError, OSError):
        return False
    return True


def read_safetensors(file: Path) -> tuple[SafeTensor, ...]:
    """The tensors of a whole file, in the order of their data. Raises BadInput for anything else."""
    try:
        with file.open("rb") as content:
            size = os.fstat(content.fileno()).st_size
            tensors, start = _header(content, size)
            _check_extents(tensors, size - start)
            return tensors
    except (_Broken, OSError) as error:
        raise BadInput(f"{file} is not a whole safetensors file: {error}", remedy=_REMEDY) from error


def _header(content: BinaryIO, size: int) -> tuple[tuple[SafeTensor, ...], int]:
    if size < 8:
        raise _Broken(f"it has {size} bytes")
    length: int = struct.unpack("<Q", content.read(8))[0]
    if length > min(size - 8, _LONGEST_HEADER):
        raise _Broken(f"its header would be {length} bytes long")
    tensors = sorted(_tensors(content.read(length)), key=lambda tensor: (tensor.begin, tensor.end))
    return tuple(tensors), 8 + length


def _tensors(header: bytes) -> list[SafeTensor]:
    try:
        entries = json.loads(header, object_pairs_hook=_without_repeats)
        if not isinstance(entries, dict):
            raise _Broken("its header is not an object")
        msgspec.convert(entries.pop("__metadata__", None), dict[str, str] | None)  # MLX writes null
        found = msgspec.convert(entries, dict[str, _Entry])
    except (ValueError, RecursionError) as error:
        raise _Broken(f"its header cannot be read ({str(error)[:80]})") from error
    return [
        SafeTensor(
            name=name, dtype=entry.dtype, shape=entry.shape, begin=entry.data_offsets[0], end=entry.data_offsets[1]
        )
        for name, entry in found.items()
    ]


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise _Broken("a name is there twice")
    return found


def _check_extents(tensors: tuple[SafeTensor, ...], size: int) -> None:
    """The data lie one after the other, each as long as its shape says, and fill the file."""
    expected = 0
    for tensor in tensors:
        shown = tensor.name[:64]
        if tensor.dtype not in _BITS:
            raise _Broken(f"tensor {shown!r} has the type {tensor.dtype[:16]!r}")
        if any(not 0 <= count <= _LARGEST_SIZE for count in tensor.shape):
            raise _Broken(f"tensor {shown!r} has a shape out of bounds")
        length = prod(tensor.shape) * _BITS[tensor.dtype] // 8
        if (tensor.begin, tensor.end) != (expected, expected + length) or tensor.end > size:
            raise _Broken(f"tensor {shown!r} is not where and as long as its shape says")
        expected = tensor.end
    if expected != size:
        raise _Broken(f"its data end at byte {expected} of {size}")
