"""A data key a consent: what was sealed with it is unreadable for good once the key is destroyed.

keys/master.json     where the master key is: in the system's keychain under this name, or here
keys/<digest>.json   one consent's data key, wrapped by the master key; named after the digest of the consent's name
keys/CACHEDIR.TAG    asks backup programs to leave all this out: a key in a backup would outlive its destruction

Nothing that is sealed is precious: datasets and checkpoints are made again from the notes. So a key that is lost or
damaged is as good as destroyed, and a consent that has no key (any more) is given a fresh one.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from jobs.domain.errors import Refused
from jobs.locks import locked
from jobs.publish import make_directory, remove_file, sweep_stages, write_file

KEY_BYTES = 32
_NONCE_BYTES = 12
_MASTER = "master.json"
_WRAPS = b"iaip data key 1\n"
_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# What is sealed with these keys can be made again.\n"
"""As https://bford.info/cachedir/ defines the file."""


class Cipher(Protocol):
    def derive(self, secret: bytes, salt: bytes, purpose: bytes) -> bytes:
        """A key of KEY_BYTES."""
        ...

    def seal(self, key: bytes, nonce: bytes, content: bytes, bound: bytes) -> bytes:
        """The content, encrypted and authenticated together with ``bound``. A key must not see a nonce twice."""
        ...

    def unseal(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        """Raises ValueError for anything but what ``seal`` made of the same key, nonce and ``bound``."""
        ...


class Keychain(Protocol):
    """Keeps secrets for this user, outside our home."""

    def keep(self, name: str, secret: str) -> bool:
        """Whether it is kept and can be read back."""
        ...

    def read(self, name: str) -> str:
        """Raises Refused, with what to do, if it cannot be read now."""
        ...

    def forget(self, name: str) -> bool:
        """Whether it is gone."""
        ...


class KeyDestroyed(Refused):
    """What was to be opened or sealed stands on a consent whose key is gone. Nothing brings it back."""


class _Master(Struct, frozen=True, kw_only=True):
    """``key`` is empty where the keychain keeps it."""

    kept: Literal["keychain", "file"]
    name: str
    key: str = ""


class _DataKey(Struct, frozen=True, kw_only=True):
    """``id`` is random: a consent's next key has another."""

    id: str
    nonce: bytes
    wrapped: bytes


class Keys:
    """The keys of one home. Reads them from the disk every time: a key destroyed by anyone is gone for everyone."""

    def __init__(self, folder: Path, cipher: Cipher, keychain: Keychain | None) -> None:
        """``keychain`` is none where the system has none: then the master key lies in a file of mode 0600."""
        self.folder = folder
        self.cipher = cipher
        self._keychain = keychain

    def ids(self, consents: Iterable[str]) -> tuple[str, ...]:
        """The ids of the consents' keys, sorted. A consent without a key is given one.

        Raises Refused if the keychain is locked.
        """
        with self._held():
            master = self._master()
            return tuple(sorted(self._id(consent, master) for consent in set(consents)))

    def secret(self, ids: Iterable[str]) -> bytes:
        """The keys of these ids, one after the other.

        Raises KeyDestroyed if any is gone, Refused if the keychain is locked.
        """
        if not (self.folder / _MASTER).exists():
            raise _destroyed()
        master, found = self._master(), {}
        for path in self._files():
            if (wrapped := _read(path)) is not None and (key := self._unwrapped(path, wrapped, master)) is not None:
                found[wrapped.id] = key
        try:
            return b"".join(found[one] for one in ids)
        except KeyError as error:
            raise _destroyed() from error

    def has(self, ids: Iterable[str]) -> bool:
        """Whether none of these keys is gone. Asks no keychain."""
        there = {wrapped.id for path in self._files() if (wrapped := _read(path)) is not None}
        return there.issuperset(ids)

    def destroy(self, consent: str) -> bool:
        """Makes all that was sealed with this consent's key unreadable; returns whether there was a key.

        Its file is overwritten, synced and removed. A crash leaves it as it was or damaged; both are finished by
        calling this again. A disk may keep the overwritten bytes for a while (SSDs do), where only the master key
        and the disk's own encryption guard them; so may a backup that took the folder in spite of its CACHEDIR.TAG.
        """
        if not self.folder.is_dir():
            return False
        with self._held():
            path = self._file(consent)
            if not path.exists():
                return False
            with path.open("r+b") as file:
                size = os.fstat(file.fileno()).st_size
                file.write(secrets.token_bytes(size))
                file.flush()
                os.fsync(file.fileno())
            remove_file(path)
            return True

    def make_ready(self) -> None:
        """Has the keychain, where there is one, keep a master key before any is needed: a job cannot put it there.

        Raises Refused for a damaged one.
        """
        if self._keychain is not None and self.where() is None:
            self.ids(())

    def where(self) -> Literal["keychain", "file"] | None:
        """Where the master key is kept; none while there is none. Asks no keychain."""
        try:
            return msgspec.json.decode((self.folder / _MASTER).read_bytes(), type=_Master).kept
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise _damaged(self.folder) from error

    def leave_keychain(self) -> str | None:
        """Takes the master key out of the keychain, for good; the name of what could not be taken out."""
        if self.where() != "keychain":
            return None
        name = msgspec.json.decode((self.folder / _MASTER).read_bytes(), type=_Master).name
        return None if self._keychain is not None and self._keychain.forget(name) else name

    def _id(self, consent: str, master: bytes) -> str:
        path = self._file(consent)
        known = _read(path) if path.exists() else None
        if known is not None and self._unwrapped(path, known, master) is not None:
            return known.id
        fresh, nonce = secrets.token_hex(16), secrets.token_bytes(_NONCE_BYTES)
        wrapped = self.cipher.seal(master, nonce, secrets.token_bytes(KEY_BYTES), _bound(path, fresh))
        write_file(path, msgspec.json.encode(_DataKey(id=fresh, nonce=nonce, wrapped=wrapped)))
        return fresh

    def _unwrapped(self, path: Path, known: _DataKey, master: bytes) -> bytes | None:
        """None for one that was changed, or wrapped by another master key."""
        try:
            return self.cipher.unseal(master, known.nonce, known.wrapped, _bound(path, known.id))
        except ValueError:
            return None

    def _master(self) -> bytes:
        place = self.folder / _MASTER
        if not place.exists():
            write_file(self.folder / "CACHEDIR.TAG", _TAG)
            write_file(place, msgspec.json.encode(self._new_master()))
        try:
            record = msgspec.json.decode(place.read_bytes(), type=_Master)
            key = record.key if record.kept == "file" else self._from_keychain(record.name)
            master = bytes.fromhex(key)
        except ValueError as error:
            raise _damaged(self.folder) from error
        if len(master) != KEY_BYTES:
            raise _damaged(self.folder)
        return master

    def _new_master(self) -> _Master:
        name, key = f"iaip-{secrets.token_hex(8)}", secrets.token_hex(KEY_BYTES)
        if self._keychain is not None and self._keychain.keep(name, key):
            return _Master(kept="keychain", name=name)
        return _Master(kept="file", name=name, key=key)

    def _from_keychain(self, name: str) -> str:
        if self._keychain is None:
            raise _damaged(self.folder)
        return self._keychain.read(name)

    def _files(self) -> list[Path]:
        return [path for path in self.folder.glob("[0-9a-f]*.json") if path.name != _MASTER]

    def _file(self, consent: str) -> Path:
        return self.folder / f"{hashlib.sha256(consent.encode()).hexdigest()[:32]}.json"

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Nobody else makes or destroys a key meanwhile."""
        make_directory(self.folder)
        with locked(self.folder, of="the keys"):
            sweep_stages(self.folder)
            yield


def _read(path: Path) -> _DataKey | None:
    """None for one that is gone or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_DataKey)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _bound(path: Path, name: str) -> bytes:
    """A wrapped key cannot pass for another consent's."""
    return _WRAPS + f"{path.stem}\n{name}".encode()


def _destroyed() -> KeyDestroyed:
    return KeyDestroyed(
        "this was sealed under a consent whose key was destroyed: it can no longer be read",
        remedy="nothing to do: what is still permitted is made again from the notes by the next run",
    )


def _damaged(folder: Path) -> Refused:
    return Refused(
        f"the master key in {folder} is damaged or belongs to another machine; nothing was changed",
        remedy=f"move {folder} away: what was sealed with it is made again from the notes",
    )
