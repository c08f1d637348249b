"""Reads the header of a GGUF file and tells whether the file is whole. Needs no ML library.

Every length is checked against the file before anything is read or reserved, so that a cut or
flipped file ends as BadInput. The layout and the rules are those of ggml's own loader (gguf.cpp):
a file that passes is one that llama.cpp can at least open without reading past its end.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

from msgspec import Struct

from jobs.domain.errors import BadInput

Scalar = int | float | bool | str

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MOST_DIMENSIONS = 4
_LONGEST_NAME = 64
_LARGEST_SIZE = 2**63 - 1
_DEFAULT_ALIGNMENT = 32
_LONGEST_KEY = 65535  # the format's own limit
_LONGEST_TEXT = 1 << 24  # a chat template has some thousand bytes
_MOST_STRINGS = 2_000_000  # in one array: the largest vocabularies have some 300,000
_MOST_PAIRS = 10_000
_MOST_TENSORS = 100_000
_STRING, _ARRAY = 8, 9
_FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}

# ggml type → (values a block, bytes a block), as in ggml.c's type_traits.
_BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40)},
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)},
    **{16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82)},
    **{23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2)},
    **{34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18)},
}


class GgufTensor(Struct, frozen=True, kw_only=True):
    """``kind`` is ggml's type number; ``offset`` counts from the start of the data."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int
    size: int


class GgufHeader(Struct, frozen=True, kw_only=True):
    """``metadata`` holds the single values; of an array only its length, in ``arrays``."""

    version: int
    metadata: dict[str, Scalar]
    arrays: dict[str, int]
    tensors: tuple[GgufTensor, ...]
    data_start: int

    @property
    def architecture(self) -> str:
        return str(self.metadata["general.architecture"])

    def of_architecture(self, key: str) -> Scalar | None:
        """The value of ``<architecture>.<key>``, such as ``bert.pooling_type``."""
        return self.metadata.get(f"{self.architecture}.{key}")


class _Broken(Exception):
    """What is wrong with the bytes, in a few words."""


class _Cursor:
    """Reads forward through the bytes and never past their end."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._size = len(content)
        self.position = 0

    def take(self, count: int) -> bytes:
        start = self.position
        self.skip(count)
        return self._content[start : self.position]

    def skip(self, count: int) -> None:
        if count > self._size - self.position:
            raise _Broken(f"it ends inside its header, at byte {self._size}")
        self.position += count

    def number(self, kind: int) -> int | float | bool:
        layout = _FORMATS[kind]
        value: int | float | bool = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def count(self) -> int:
        return int(self.number(10))

    def small(self) -> int:
        return int(self.number(4))

    def text(self, longest: int = _LONGEST_TEXT) -> str:
        length = self.count()
        if longest < length <= self._size - self.position:
            raise _Broken(f"it has a text of {length} bytes in its header")
        return self.take(length).decode("utf-8", "replace")


def check_gguf(path: Path) -> GgufHeader:
    """The header of a whole GGUF file. Raises BadInput, naming what is wrong, for anything else."""
    try:
        with _mapped(path) as content:
            header = _header(_Cursor(content))
            _check_extents(header, len(content))
            return header
    except _Broken as error:
        remedy = "Nothing was changed. Fetch or export the file again; if it is the live model, `iaipctl rollback`."
        raise BadInput(f"{path} is not a whole GGUF file: {error}", remedy=remedy) from error


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise _Broken(f"it cannot be read ({error.strerror})") from error
    with file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise _Broken("it is empty or not a plain file") from error
        with content:
            yield content


def _header(cursor: _Cursor) -> GgufHeader:
    if cursor.take(len(_MAGIC)) != _MAGIC:
        raise _Broken("it does not begin with GGUF")
    version = cursor.small()
    if version not in _VERSIONS:
        raise _Broken(f"its version {version} is not 2 or 3")
    tensor_count, pair_count = cursor.count(), cursor.count()
    if tensor_count > _MOST_TENSORS or pair_count > _MOST_PAIRS:
        raise _Broken(f"it would have {tensor_count} tensors and {pair_count} metadata")
    metadata: dict[str, Scalar] = {}
    arrays: dict[str, int] = {}
    for _ in range(pair_count):
        _read_pair(cursor, metadata, arrays)
    tensors = tuple(_tensor(cursor) for _ in range(tensor_count))
    _check_metadata(metadata)
    alignment = int(metadata.get("general.alignment", _DEFAULT_ALIGNMENT))
    return GgufHeader(
        version=version,
        metadata=metadata,
        arrays=arrays,
        tensors=tensors,
        data_start=_padded(cursor.position, alignment),
    )


def _read_pair(cursor: _Cursor, metadata: dict[str, Scalar], arrays: dict[str, int]) -> None:
    key = cursor.text(_LONGEST_KEY)
    if not key or key in metadata or key in arrays:
        raise _Broken(f"its metadata key {key[:80]!r} is empty or there twice")
    kind = cursor.small()
    if kind == _ARRAY:
        arrays[key] = _skip_array(cursor)
    elif kind == _STRING:
        metadata[key] = cursor.text()
    elif kind in _FORMATS:
        metadata[key] = cursor.number(kind)
    else:
        raise _Broken(f"its metadata key {key[:80]!r} has the unknown type {kind}")


def _skip_array(cursor: _Cursor) -> int:
    kind, count = cursor.small(), cursor.count()
    if kind == _STRING:
        if count > _MOST_STRINGS:
            raise _Broken(f"an array in its metadata would have {count} texts")
        for _ in range(count):
            cursor.skip(cursor.count())
    elif kind in _FORMATS:
        cursor.skip(count * struct.calcsize(_FORMATS[kind]))
    else:
        raise _Broken(f"an array in its metadata has the unknown type {kind}")
    return count


def _tensor(cursor: _Cursor) -> GgufTensor:
    name = cursor.text(_LONGEST_NAME)
    dimensions = cursor.small()
    if len(name.encode()) >= _LONGEST_NAME or dimensions > _MOST_DIMENSIONS:
        raise _Broken("a tensor's name or shape is out of bounds")
    shape = tuple(cursor.count() for _ in range(dimensions))
    kind = cursor.small()
    return GgufTensor(name=name, shape=shape, kind=kind, offset=cursor.count(), size=_size(name, shape, kind))


def _size(name: str, shape: tuple[int, ...], kind: int) -> int:
    """Bytes of a tensor: rows (the first dimension) are stored in whole blocks."""
    if kind not in _BLOCKS:
        raise _Broken(f"tensor {name!r} has the unknown type {kind}")
    values, block = _BLOCKS[kind]
    if (shape[0] if shape else 1) % values:
        raise _Broken(f"tensor {name!r} has rows that do not fill whole blocks")
    return prod(shape) // values * block


def _check_metadata(metadata: dict[str, Scalar]) -> None:
    if not isinstance(metadata.get("general.architecture"), str):
        raise _Broken("it names no architecture")
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise _Broken("its alignment is not a power of two")


def _check_extents(header: GgufHeader, size: int) -> None:
    """Tensors lie one after the other, padded to the alignment, and the last one ends inside the file."""
    alignment = int(header.metadata.get("general.alignment", _DEFAULT_ALIGNMENT))
    if len({tensor.name for tensor in header.tensors}) != len(header.tensors):
        raise _Broken("two tensors have the same name")
    expected = 0
    for tensor in header.tensors:
        if tensor.offset != expected:
            raise _Broken(f"tensor {tensor.name!r} is at {tensor.offset}, expected at {expected}")
        end = header.data_start + tensor.offset + tensor.size
        if end > min(size, _LARGEST_SIZE):
            raise _Broken(f"tensor {tensor.name!r} ends at byte {end}, the file at {size}")
        expected += _padded(tensor.size, alignment)


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
