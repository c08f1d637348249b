"""What is sealed under whose key, and the shape of a sealed file.

    MAGIC | length of the header (4 bytes, big endian) | header (JSON) | chunk, chunk, ... last chunk

Every sealed file has a key of its own: HKDF-SHA256 (RFC 5869) of the data keys of all the consents that it stands on,
one after the other, with the header's random salt. Without any one of them there is no key. The chunks are the STREAM
construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015, https://eprint.iacr.org/2015/189) in the form of the payload
of age (https://age-encryption.org/v1): an AEAD's nonce is the chunk's number in 11 bytes, big endian, and one byte
that is 1 for the last chunk and 0 for the others. So chunks can be neither swapped, nor left out, nor cut off at the
end. All that is in front of the first chunk is bound to each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from jobs.domain.consent import Classification

MAGIC = b"iaip-sealed/1\n"
CHUNK = 1 << 20
"""Bytes of plaintext in every chunk but the last, which has as many or fewer; only an empty file's is empty."""
TAG = 16
"""Bytes by which a sealed chunk is longer."""
LENGTH = 4
MOST_HEADER = 1 << 16
NO_RECORD = "no-record"
"""Stands for the consent of non-public material that no record speaks of. No ruling permits any; were one to, it would
still not lie open."""


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``keys`` are the data keys' ids, in the order of their use; ``salt`` is random."""

    keys: Annotated[tuple[str, ...], Meta(min_length=1)]
    salt: Annotated[bytes, Meta(min_length=32, max_length=32)]


def consents_of(parts: Iterable[tuple[Classification, Iterable[str]]]) -> tuple[str, ...]:
    """The records that must all stand for what was made of these parts to be read, sorted; none if all are public.

    A part is a class, and the grants that allow it as ``record@revision``.
    """
    found: set[str] = set()
    for classification, grants in parts:
        records = {grant.rpartition("@")[0] for grant in grants}
        found |= records or ({NO_RECORD} if classification != "public" else set())
    return tuple(sorted(found))


def preamble(header: Header) -> bytes:
    """All that stands in front of the first chunk. Raises ValueError for a header that ``read_header`` would refuse."""
    encoded = msgspec.json.encode(header)
    if len(encoded) > MOST_HEADER:
        raise ValueError("too many consents in one file")
    return MAGIC + len(encoded).to_bytes(LENGTH, "big") + encoded


def read_header(encoded: bytes) -> Header:
    """Raises ValueError for anything else."""
    return msgspec.json.decode(encoded, type=Header)


def nonces() -> Iterator[tuple[bytes, bytes]]:
    """For each chunk in turn its nonce, and the one that it has if it is the last."""
    number = 0
    while True:
        counted = number.to_bytes(11, "big")
        yield counted + b"\0", counted + b"\1"
        number += 1
