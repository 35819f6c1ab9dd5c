"""Cookies, and the seals of what stands in them or in a form. Refuses to give a cookie to other hosts, scripts, or plain
http where the service is reached by https."""

from datetime import timedelta

from flask import Response, request

from service.settings import current
from service.tickets import seal, seal_for_good, unseal, unseal_for_good

__all__ = [
    "drop_cookie",
    "is_from_our_page",
    "read_cookie",
    "seal",
    "seal_for_good",
    "set_cookie",
    "unseal",
    "unseal_for_good",
]


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


def is_from_our_page() -> bool:
    """Whether a form was sent by a page of this very site: only then may the browser be given a cookie for it."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is None or site == "none":
        return request.headers.get("Origin") == current().public_url
    return site == "same-origin"
