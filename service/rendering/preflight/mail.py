"""A mail as one reader would get it, ready to be looked at: the final bytes, their tree, and where each thing was written."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import lxml.html
from lxml.html import HtmlElement

from service.domain.personalisation import LEAVE_URL, PLACEHOLDER, Tag, resolve
from service.rendering.design import Masthead
from service.rendering.newsletter import Rendered

STAND_IN = "Maximiliane"
"""For a value that nobody knows yet: longer than most first names."""
NEAR = 48


@dataclass(frozen=True)
class Letterhead:
    """Who sends it, and the leave link that stands for every reader's. `sender_address` is "" where it is not known yet."""

    masthead: Masthead
    leave_url: str
    sender_address: str = ""
    reply_to: str | None = None
    tracked: bool = False


@dataclass(frozen=True)
class Mail:
    """`subject`, `preheader`, `html` and `text` hold defaults and stand-ins, never a reader's value: they are quoted, and links
    in them are asked for. The `worst_…` are the longest that any reader may get, for their length alone.
    `fixed_subject` is the subject without any reader's value."""

    head: Letterhead
    source: str
    subject: str
    preheader: str
    html: str
    text: str
    worst_subject: str
    worst_preheader: str
    worst_html: str
    fixed_subject: str
    tags: tuple[Tag, ...]

    @classmethod
    def of(
        cls, rendered: Rendered, head: Letterhead, source: str, longest: Mapping[str, str] = MappingProxyType({})
    ) -> "Mail":
        """Fill in a frozen mail. `longest`: the longest value of each field that any reader has."""

        def plain(text: str) -> str:
            return _filled(text, rendered.tags, head.leave_url, {})

        def worst(text: str) -> str:
            return _filled(text, rendered.tags, head.leave_url, longest)

        return cls(
            head=head,
            source=source,
            subject=plain(rendered.subject),
            preheader=plain(rendered.preheader),
            html=plain(rendered.html),
            text=plain(rendered.text),
            worst_subject=worst(rendered.subject),
            worst_preheader=worst(rendered.preheader),
            worst_html=worst(rendered.html),
            fixed_subject=PLACEHOLDER.sub("", rendered.subject),
            tags=rendered.tags,
        )

    @cached_property
    def tree(self) -> HtmlElement:
        """The HTML as a mail program reads it."""
        return lxml.html.document_fromstring(self.html, parser=lxml.html.HTMLParser(huge_tree=True))

    @cached_property
    def shown(self) -> frozenset[HtmlElement]:
        """Every element that is not hidden."""
        return frozenset(_shown(self.tree))

    @property
    def links(self) -> list[HtmlElement]:
        """Every link in the order of the mail."""
        return [link for link in self.tree.iter("a") if link.get("href") is not None]

    def line(self, words: str) -> str | None:
        """ "line 12" where the source has these words, else None."""
        wanted = _squeezed(words)[:NEAR].casefold()
        if not wanted:
            return None
        return next((f"line {number}" for number, line in enumerate(self._lines, start=1) if wanted in line), None)

    @cached_property
    def _lines(self) -> list[str]:
        return [_squeezed(line).casefold() for line in self.source.splitlines()]

    def place(self, words: str, *, otherwise: str | None = None) -> str:
        """Where these words are: the line of the source, else `otherwise`, else near what in the HTML."""
        return self.line(words) or otherwise or f"the HTML, near “{' '.join(words.split())[:NEAR]}”"


def words_of(element: HtmlElement) -> str:
    """The words inside an element, on one line."""
    return " ".join(element.text_content().split())


def style_of(element: HtmlElement) -> str:
    """An element's own style, in small letters."""
    return str(element.get("style") or "").lower()


def _filled(text: str, tags: tuple[Tag, ...], leave_url: str, longest: Mapping[str, str]) -> str:
    for tag in tags:
        if tag.field == LEAVE_URL:
            value = resolve(tag, leave_url)
        else:
            candidates = [resolve(tag, None), resolve(tag, longest.get(tag.field))]
            value = max((one for one in candidates if one), key=len, default=resolve(tag, STAND_IN))
        text = text.replace(tag.placeholder, value or "")
    return text


_MARKS = re.compile(r"[\s*_`\\\[\]#>|~]+")


def _squeezed(text: str) -> str:
    return _MARKS.sub("", text)


_HIDDEN = re.compile(r"display:\s*none|visibility:\s*hidden")


def _shown(element: HtmlElement) -> Iterator[HtmlElement]:
    if not isinstance(element.tag, str) or element.tag in ("head", "script", "style"):
        return
    if _HIDDEN.search(style_of(element)):
        return
    yield element
    for child in element:
        yield from _shown(child)
