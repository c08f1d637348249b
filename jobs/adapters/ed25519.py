"""Ed25519 signatures (RFC 8032) by the cryptography library: what this home says can be checked anywhere, offline."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jobs.domain.errors import BadInput
from jobs.publish import write_file

_KEY_BYTES = 32


class Ed25519Signer:
    """The Signer port with the key of one home: 32 raw bytes in ``path``, mode 0600, made when first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sign(self, content: bytes) -> tuple[str, str]:
        """(signature, public key), both in hex. Raises BadInput if the key's file is damaged."""
        key = self._key()
        return key.sign(content).hex(), key.public_key().public_bytes_raw().hex()

    def known(self) -> str | None:
        """This home's public key in hex; none before it has signed anything."""
        return self._key().public_key().public_bytes_raw().hex() if self._path.exists() else None

    def verifies(self, content: bytes, signature: str, public_key: str) -> bool:
        """Whether the holder of that key signed the content. Needs no key of this home."""
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), content)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _key(self) -> Ed25519PrivateKey:
        if not self._path.exists():
            write_file(self._path, Ed25519PrivateKey.generate().private_bytes_raw())
        content = self._path.read_bytes()
        if len(content) != _KEY_BYTES:
            raise BadInput(
                f"{self._path} is no signing key",
                remedy="move it away: the next receipt makes a new one, and earlier receipts still verify by their own",
            )
        return Ed25519PrivateKey.from_private_bytes(content)
