"""Derived files under the keys of the consents they stand on: sealed at rest, plain only while a job is at them.

A file is rewritten beside itself and takes its own place in one rename, so at any moment it is whole in one of its
two forms, and its first bytes tell which. The mark OPEN is written before the first file of a directory is opened,
and removed after the last is sealed: where a job was killed, it says what is still to be sealed.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import BinaryIO

import msgspec

from jobs.domain.errors import BadInput
from jobs.domain.sealing import CHUNK, LENGTH, MAGIC, MOST_HEADER, TAG, Header, nonces, preamble, read_header
from jobs.keys import KeyDestroyed, Keys
from jobs.locks import Busy, locked
from jobs.publish import STAGE_PREFIX, remove_file, staged_file, write_file

OPEN = "open-under.json"
_PURPOSE = b"iaip sealed file 1"
_REMEDY = "the next run makes it again; nothing live depends on it"


class Sealing:
    """Seals and opens for one piece of work: the secrets it has used stay with it, so it is not to be kept."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._secrets: dict[tuple[str, ...], bytes] = {}

    def sealed(self, content: bytes, ids: tuple[str, ...]) -> bytes:
        """The content in the form of a sealed file; as it is where there is no key to seal it under."""
        if not ids:
            return content
        target = io.BytesIO()
        self._seal(io.BytesIO(content), target, ids)
        return target.getvalue()

    def opened(self, content: bytes) -> bytes:
        """What was sealed; content that was not is returned as it is.

        Raises KeyDestroyed, or BadInput for what was changed or cut since.
        """
        if not content.startswith(MAGIC):
            return content
        target = io.BytesIO()
        self._open(io.BytesIO(content), target)
        return target.getvalue()

    def seal_file(self, path: Path, ids: tuple[str, ...]) -> None:
        """In its place. Nothing happens to a sealed one."""
        if not is_sealed(path):
            with path.open("rb") as source, _rewriting(path) as target:
                self._seal(source, target, ids)

    def open_file(self, path: Path) -> None:
        """In its place. Raises as ``opened``, with the file as it was."""
        if is_sealed(path):
            with path.open("rb") as source, _rewriting(path) as target:
                self._open(source, target)

    def _seal(self, source: BinaryIO, target: BinaryIO, ids: tuple[str, ...]) -> None:
        front = preamble(header := Header(keys=ids, salt=secrets.token_bytes(32)))
        cipher, key = self._keys.cipher, self._key(header)
        target.write(front)
        chunk = source.read(CHUNK)
        for inner, last in nonces():
            following = source.read(CHUNK)
            target.write(cipher.seal(key, inner if following else last, chunk, front))
            if not following:
                return
            chunk = following

    def _open(self, source: BinaryIO, target: BinaryIO) -> None:
        try:
            header, front = _front(source)
            cipher, key = self._keys.cipher, self._key(header)
            chunk = source.read(CHUNK + TAG)
            for inner, last in nonces():
                following = source.read(CHUNK + TAG)
                target.write(cipher.unseal(key, inner if following else last, chunk, front))
                if not following:
                    return
                chunk = following
        except ValueError as error:
            raise BadInput("a sealed file was changed or cut", remedy=_REMEDY) from error

    def _key(self, header: Header) -> bytes:
        if header.keys not in self._secrets:
            self._secrets[header.keys] = self._keys.secret(header.keys)
        return self._keys.cipher.derive(self._secrets[header.keys], header.salt, _PURPOSE)


@contextmanager
def plain_inside(directory: Path, consents: Sequence[str], keys: Keys, kept: Collection[str]) -> Iterator[None]:
    """While the block runs the files of ``directory`` are plain; then they are sealed, however it ends.

    Without consents nothing happens at all. ``kept`` are beginnings of names, directly inside, that stay plain. Waits
    for another process that is at the directory. Raises KeyDestroyed if one of the keys is gone before or after: what
    was plain is then removed.
    """
    if not consents:
        yield
        return
    ids = keys.ids(consents)
    with locked(directory, of="this work", patience=inf):
        write_file(directory / OPEN, msgspec.json.encode(ids))
        work = Sealing(keys)
        for path in _files(directory, kept):
            work.open_file(path)
        try:
            yield
        finally:
            _close(directory, ids, keys, kept)


def seal_leftovers(folder: Path, keys: Keys, kept: Collection[str]) -> int:
    """Seals what killed jobs left plain in the directories of ``folder``; returns in how many.

    Passes by those that a process is at.
    """
    marks = sorted(folder.glob(f"*/{OPEN}"))
    return sum(_closed_if_left(mark, keys, kept) for mark in marks)


def is_sealed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def sealed_under(content: bytes) -> tuple[str, ...]:
    """The ids of the keys of a file's content; none if it is plain. Raises BadInput for one that is damaged."""
    if not content.startswith(MAGIC):
        return ()
    try:
        return _front(io.BytesIO(content))[0].keys
    except ValueError as error:
        raise BadInput("a sealed file was changed or cut", remedy=_REMEDY) from error


def _closed_if_left(mark: Path, keys: Keys, kept: Collection[str]) -> bool:
    with suppress(Busy, FileNotFoundError), locked(mark.parent, of="this work", patience=0.0):
        with suppress(KeyDestroyed):
            _close(mark.parent, msgspec.json.decode(mark.read_bytes(), type=tuple[str, ...]), keys, kept)
        return True
    return False


def _close(directory: Path, ids: tuple[str, ...], keys: Keys, kept: Collection[str]) -> None:
    """Raises KeyDestroyed with the plain files removed."""
    _sweep(directory)
    work = Sealing(keys)
    try:
        for path in _files(directory, kept):
            work.seal_file(path, ids)
    except KeyDestroyed:
        for path in _files(directory, kept):
            if not is_sealed(path):
                path.unlink()
        raise
    finally:
        if all(map(is_sealed, _files(directory, kept))):
            remove_file(directory / OPEN)


def _files(directory: Path, kept: Collection[str]) -> list[Path]:
    files = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in files if path.parent != directory or not path.name.startswith((OPEN, *kept)))


def _sweep(directory: Path) -> None:
    """What interrupted publications left at any depth: it is plain, and half of something."""
    for path in sorted(directory.rglob(f"{STAGE_PREFIX}*")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _rewriting(path: Path) -> Iterator[BinaryIO]:
    with staged_file(path) as stage:
        descriptor = os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            yield target


def _front(source: BinaryIO) -> tuple[Header, bytes]:
    """The header, and all that stands in front of the first chunk. Raises ValueError."""
    start = source.read(len(MAGIC) + LENGTH)
    length = int.from_bytes(start[len(MAGIC) :], "big")
    if len(start) != len(MAGIC) + LENGTH or length > MOST_HEADER:
        raise ValueError("no sealed file")
    encoded = source.read(length)
    return read_header(encoded), start + encoded
