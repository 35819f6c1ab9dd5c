"""Where the links of an incoming text lead: wrappers of Google, Outlook and Proofpoint taken off, and what leads nowhere."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

import mdurl
from markdown_it.common.normalize_url import normalizeLink

from service.rendering.incoming_tags import Tags, is_tag
from service.rendering.links import SCHEMES

_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SITE = re.compile(r"www\.[A-Za-z0-9-]+\.", re.IGNORECASE)
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PROOFPOINT = re.compile(r"https://urldefense\.com/v3/__(.+?)__;!!", re.IGNORECASE)
_WRAPPED_AT_MOST = 4


def address(href: str, tags: Tags) -> tuple[str | None, str]:
    """Where a link leads, written as Markdown's reader would, and what was changed or why it leads nowhere ("" for nothing)."""
    href = tags.hide_in_address(_INVISIBLE.sub("", href.strip()))
    real, told = _unwrapped(href)
    if _SITE.match(real):
        real, told = f"https://{real}", told or "https:// was put before the link's address"
    elif _MAIL.fullmatch(real):
        real = f"mailto:{real}"
    found = _SCHEME.match(real)
    if found and found.group(1).lower() in SCHEMES:
        return normal(real, tags), told
    if real.startswith("#") and len(real) > 1:
        return real, ""
    if real and is_tag(real[0]):
        return real, told  # what renders the text says why a tag cannot be a whole link
    return None, f"a link to {_shown(tags.show(real))} leads nowhere in a mail; its words stay" if real else ""


def normal(url: str, tags: Tags) -> str:
    """The address as Markdown's reader writes it; tags in it stay whole."""
    parts = re.split(r"([\U000f0000-\U000fffff])", url)
    try:
        first = normalizeLink(parts[0])
    except ValueError:
        first = mdurl.encode(parts[0])
    return first + "".join(part if part and is_tag(part[0]) else mdurl.encode(part) for part in parts[1:])


def _unwrapped(href: str) -> tuple[str, str]:
    told = ""
    for _ in range(_WRAPPED_AT_MOST):
        inner = _inner(href)
        if inner is None:
            break
        href, told = inner, "a link was freed of the detour by which a program had it checked or counted"
    return href, told


def _inner(href: str) -> str | None:
    """The address inside a wrapper's, if this is one."""
    if found := _PROOFPOINT.match(href):
        return None if "*" in found.group(1) else found.group(1)
    try:
        parts = urlsplit(href)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    google = re.fullmatch(r"(?:www\.)?google\.[a-z.]{2,6}", host) and parts.path == "/url"
    if not google and not host.endswith(".safelinks.protection.outlook.com"):
        return None
    query = parse_qs(parts.query)
    real = next((query[name][0] for name in ("q", "url", "u") if name in query), "")
    if google and "q" not in query and "url" not in query:
        return None
    return real if real.lower().startswith(("http://", "https://", "mailto:")) else None


def _shown(href: str) -> str:
    plain = unquote(href)
    return f"“{plain[:60]}{'…' if len(plain) > 60 else ''}”"
