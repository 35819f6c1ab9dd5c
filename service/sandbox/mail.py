"""What one recipient finally gets: substitutions put in, headers merged, links rewritten, pixel added. Pure.

Links are recognised before substitution, as SendGrid does: a link that only appears in a substitution value, or whose
scheme does, is not tracked. Substitution values go in literally and unescaped.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_ANCHOR = re.compile(r"""(<a\s[^>]*?\bhref=)(["'])(https?://.*?)\2""", re.IGNORECASE | re.DOTALL)
_UNTRACKED = re.compile(r"""\sclicktracking=(["']?)off\1(?=[\s>]|$)""", re.IGNORECASE)
_BARE_LINK = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)
_BODY_END = re.compile("</body>", re.IGNORECASE)

LinkMaker = Callable[[int], str]
"""From the index of a link (from 0, HTML first) to the address that stands in for it."""


@dataclass(frozen=True)
class Mail:
    to: str
    sender: dict[str, str]
    subject: str
    html: str
    text: str
    headers: dict[str, str]
    custom_args: dict[str, str]
    categories: list[str]
    tracking_settings: dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A stretch of literal text, or one tracked link (`kind` says in which part)."""

    text: str
    kind: str | None = None


@dataclass(frozen=True)
class Content:
    """A request's content, cut at its tracked links: the same for all its recipients."""

    html: list[Piece]
    text: list[Piece]

    def links(self) -> list[Piece]:
        return [piece for piece in self.html + self.text if piece.kind]


def setting(body: dict[str, Any], name: str) -> dict[str, Any]:
    return (body.get("tracking_settings") or {}).get(name) or {}


def cut(body: dict[str, Any]) -> Content:
    parts = {block["type"]: block["value"] for block in reversed(body.get("content") or [])}
    clicks = setting(body, "click_tracking")
    source, plain = parts.get("text/html", ""), parts.get("text/plain", "")
    return Content(
        _cut_html(source) if clicks.get("enable") else [Piece(source)],
        _cut_text(plain) if clicks.get("enable") and clicks.get("enable_text") else [Piece(plain)],
    )


def _cut_html(source: str) -> list[Piece]:
    pieces, done = [], 0
    for found in _ANCHOR.finditer(source):
        if not _UNTRACKED.search(found[1]):
            pieces += [Piece(source[done : found.start(3)]), Piece(found[3], "html")]
            done = found.end(3)
    return [*pieces, Piece(source[done:])]


def _cut_text(source: str) -> list[Piece]:
    pieces, done = [], 0
    for found in _BARE_LINK.finditer(source):
        pieces += [Piece(source[done : found.start()]), Piece(found[0], "text")]
        done = found.end()
    return [*pieces, Piece(source[done:])]


def substitute(text: str, values: dict[str, str]) -> str:
    """Plain literal replacement, one marker after the other: a value that holds a later marker is replaced again."""
    for marker, value in values.items():
        if marker and marker in text:
            text = text.replace(marker, value)
    return text


def link_target(body: dict[str, Any], content: Content, position: int, index: int) -> tuple[str, str] | None:
    """The original address of a tracked link for one recipient, and the part it stands in."""
    links = content.links()
    if not 0 <= index < len(links):
        return None
    piece = links[index]
    address = substitute(piece.text, body["personalizations"][position].get("substitutions") or {})
    return (html.unescape(address) if piece.kind == "html" else address), str(piece.kind)


def render(body: dict[str, Any], position: int, address: str, *, link: LinkMaker, pixel: str) -> Mail:
    """The mail of one recipient; `link` and `pixel` give the addresses to put in where tracking is on."""
    entry = body["personalizations"][position]
    values: dict[str, str] = entry.get("substitutions") or {}
    content = cut(body)
    source = _join(content.html, values, link, 0)
    opens = setting(body, "open_tracking")
    if opens.get("enable") and source:
        source = _with_pixel(source, pixel, str(opens.get("substitution_tag") or ""))
    return Mail(
        to=address,
        sender=entry.get("from") or body["from"],
        subject=substitute(str(entry.get("subject") or body.get("subject") or ""), values),
        html=source,
        text=_join(content.text, values, link, sum(1 for piece in content.html if piece.kind)),
        headers={**(body.get("headers") or {}), **(entry.get("headers") or {})},
        custom_args={**(body.get("custom_args") or {}), **(entry.get("custom_args") or {})},
        categories=list(body.get("categories") or []),
        tracking_settings=body.get("tracking_settings") or {},
    )


def _join(pieces: list[Piece], values: dict[str, str], link: LinkMaker, first: int) -> str:
    joined, index = [], first
    for piece in pieces:
        if piece.kind:
            joined.append(link(index))
            index += 1
        else:
            joined.append(substitute(piece.text, values))
    return "".join(joined)


def _with_pixel(source: str, address: str, tag: str) -> str:
    image = f'<img src="{address}" alt="" width="1" height="1" border="0" style="height:1px;width:1px;border:0">'
    if tag and tag in source:
        return source.replace(tag, image)
    ends = [found.start() for found in _BODY_END.finditer(source)]
    end = ends[-1] if ends else len(source)
    return source[:end] + image + source[end:]
