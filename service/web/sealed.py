"""What a browser keeps or sends back for us, signed so that nobody else can make it: forms, cookies, tickets. A seal made
for one purpose opens for no other; it is readable, so no address belongs in it."""

from datetime import timedelta
from typing import Any

from flask import Response, request
from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

from service.settings import current


def seal(purpose: str, value: object) -> str:
    """The value (whatever JSON can hold), with the moment and our signature: URL-safe."""
    return _timed(purpose).dumps(value)


def unseal(purpose: str, text: str, max_age: timedelta) -> Any | None:
    """What was sealed for this purpose no longer ago than `max_age`; None for anything else."""
    try:
        return _timed(purpose).loads(text, max_age=int(max_age.total_seconds()))
    except BadData:
        return None


def seal_for_good(purpose: str, value: object) -> str:
    """A seal without a moment in it, for pages of others that keep it for years."""
    return _untimed(purpose).dumps(value)


def unseal_for_good(purpose: str, text: str) -> Any | None:
    """What was sealed for good for this purpose; None for anything else."""
    try:
        return _untimed(purpose).loads(text)
    except BadData:
        return None


def set_cookie(response: Response, name: str, value: str, max_age: timedelta) -> None:
    """Give the browser a cookie that no script reads and that other sites' forms do not send."""
    response.set_cookie(
        _full(name), value, max_age=max_age, path="/", secure=_is_secure(), httponly=True, samesite="Lax"
    )


def read_cookie(name: str) -> str | None:
    """The cookie that `set_cookie` gave, still sealed; None without one."""
    return request.cookies.get(_full(name))


def drop_cookie(response: Response, name: str) -> None:
    """Take the cookie back."""
    response.delete_cookie(_full(name), path="/", secure=_is_secure(), httponly=True, samesite="Lax")


def _is_secure() -> bool:
    return current().public_url.startswith("https://")


def _full(name: str) -> str:
    """With the prefix, a browser takes the cookie from this host alone, and over https alone; it refuses it over http."""
    return f"__Host-{name}" if _is_secure() else name


def _timed(purpose: str) -> URLSafeTimedSerializer:
    # The newest key signs, and itsdangerous takes that to be the last one; all of them open.
    return URLSafeTimedSerializer(list(reversed(current().secret_keys)), salt=f"sealed:{purpose}")


def _untimed(purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(list(reversed(current().secret_keys)), salt=f"sealed-for-good:{purpose}")
