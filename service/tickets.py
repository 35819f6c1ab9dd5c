"""Values that a browser or another site's page keeps for us, signed so that nobody else can make them. A seal made for one
purpose opens for no other. It is readable to whoever holds it, so no address belongs in it."""

import hashlib
import re
from datetime import timedelta
from typing import Any

from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

from service.settings import current

_SEAL = re.compile(r"[A-Za-z0-9._-]*")
_SIGNER: dict[str, Any] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


def seal(purpose: str, value: object) -> str:
    """The value (whatever JSON can hold), with the moment and our signature: URL-safe."""
    return _timed(purpose).dumps(value)


def unseal(purpose: str, text: str, max_age: timedelta) -> Any | None:
    """What was sealed for this purpose no longer ago than `max_age`; None for anything else."""
    try:
        return _timed(purpose).loads(_plain(text), max_age=int(max_age.total_seconds()))
    except BadData:
        return None


def seal_for_good(purpose: str, value: object) -> str:
    """A seal without a moment in it, for pages of others that keep it for years."""
    return _untimed(purpose).dumps(value)


def unseal_for_good(purpose: str, text: str) -> Any | None:
    """What was sealed for good for this purpose; None for anything else."""
    try:
        return _untimed(purpose).loads(_plain(text))
    except BadData:
        return None


def _plain(text: str) -> str:
    """Base64 would pass over what is none of its characters; a seal has one spelling."""
    return text if _SEAL.fullmatch(text) else ""


def _timed(purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_keys(), salt=f"sealed:{purpose}", signer_kwargs=_SIGNER)


def _untimed(purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(_keys(), salt=f"sealed-for-good:{purpose}", signer_kwargs=_SIGNER)


def _keys() -> list[str]:
    # The newest key signs, and itsdangerous takes that to be the last one; all of them open.
    return list(reversed(current().secret_keys))
