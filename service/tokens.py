"""Signed, purpose-bound, short tokens for links in mails. Refuses a token made for another purpose; a token says nothing
about its reader. Leave tokens must work for years, so every key ever used may stay in SECRET_KEYS."""

import base64
import binascii
import hashlib
import hmac
from enum import StrEnum

from service.settings import current

_ID_BYTES = 6
_MAC_BYTES = 16


class Purpose(StrEnum):
    """What a token allows, and nothing else."""

    LEAVE = "leave"  # a subscription
    CONFIRM = "confirm"  # a sign-up
    MANAGE = "manage"  # a link
    CHANGE_OLD = "change-old"  # an address change, said yes to at the old address
    CHANGE_NEW = "change-new"  # … and at the new one


def _key_number(key: str) -> int:
    """One byte that finds the key again, whatever its place in the setting; two keys with one number are both tried."""
    return hashlib.sha256(b"key-number:" + key.encode()).digest()[0]


def _mac(key: str, purpose: Purpose, body: bytes) -> bytes:
    # One call of C, which for a thousand readers is half of what an object each costs.
    return hmac.digest(key.encode(), f"token:{purpose}:".encode() + body, "sha256")[:_MAC_BYTES]


class Signer:
    """Makes many tokens of one purpose with the newest key; keeps nothing of the reader."""

    def __init__(self, purpose: Purpose) -> None:
        self._purpose = purpose
        self._key = current().secret_keys[0]
        self._number = _key_number(self._key)

    def sign(self, number: int) -> str:
        """The token, 31 characters of base64url: key number, id (48 bits), and 128 bits of HMAC-SHA-256."""
        body = bytes((self._number,)) + number.to_bytes(_ID_BYTES, "big")
        return base64.urlsafe_b64encode(body + _mac(self._key, self._purpose, body)).decode().rstrip("=")


def read(purpose: Purpose, token: str) -> int | None:
    """The id that the token was signed for, or None for anything that we did not sign for this purpose."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 1 + _ID_BYTES + _MAC_BYTES:
        return None
    body, mac = raw[: 1 + _ID_BYTES], raw[1 + _ID_BYTES :]
    # One spelling a token: base64 ignores the spare bits of the last character, we do not.
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != token:
        return None
    for key in current().secret_keys:
        if _key_number(key) == body[0] and hmac.compare_digest(mac, _mac(key, purpose, body)):
            return int.from_bytes(body[1:], "big")
    return None


def email_key(normalised: str) -> bytes:
    """16 bytes by which an address is known after its erasure. Source of the key: ADDRESS_KEY, never rotated with the others."""
    return hmac.digest(current().address_key, b"address:" + normalised.encode(), "sha256")[:16]
