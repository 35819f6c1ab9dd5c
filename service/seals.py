"""Seals what must stand up as evidence: an Ed25519 signature by a key that follows from ADDRESS_KEY, so that there is no new
secret to keep. Whoever can write to the database but has not that key can seal nothing."""

import base64
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.settings import current

_INFO = b"broadsheet consent seal 1"


@lru_cache(maxsize=4)
def _key(address_key: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(
        HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_INFO).derive(address_key)
    )


def _public() -> Ed25519PublicKey:
    return _key(current().address_key).public_key()


def seal(content: bytes) -> bytes:
    """The signature, 64 bytes; the same content has always the same one."""
    return _key(current().address_key).sign(content)


def check(content: bytes, signature: bytes) -> bool:
    """Whether the content was sealed with this installation's key."""
    try:
        _public().verify(signature, content)
    except InvalidSignature:
        return False
    return True


def public_key() -> str:
    """The raw public key, 32 bytes in base64: with it anybody can check a seal, and nobody can make one."""
    return base64.b64encode(_public().public_bytes_raw()).decode()
