"""Ciphers by the library cryptography (OpenSSL underneath). Loaded when the first secret is."""

from __future__ import annotations

_BYTES = 32


class AesGcm:
    """A Cipher: HKDF-SHA256 (RFC 5869) and AES-256-GCM (NIST SP 800-38D), for which processors have instructions."""

    def derive(self, secret: bytes, salt: bytes, purpose: bytes) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(algorithm=SHA256(), length=_BYTES, salt=salt, info=purpose).derive(secret)

    def seal(self, key: bytes, nonce: bytes, content: bytes, bound: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(key).encrypt(nonce, content, bound)

    def unseal(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(key).decrypt(nonce, sealed, bound)
        except InvalidTag as error:
            raise ValueError("not sealed with this key, or changed since") from error
