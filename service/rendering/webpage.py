"""An issue as a page of the archive: the words of the frozen mail without its design, as nobody's own copy.

Made from what was frozen, not from the source: what readers were sent is what the archive shows, and no later change of the
renderer can break a page that their mails link to. Refuses, once more, whatever is not on the allow-list.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lxml.html
from lxml.html import HtmlElement, builder

from service.domain.personalisation import PLACEHOLDER, Tag, resolve
from service.rendering import web_version
from service.rendering.contents import slug
from service.rendering.finishing import inner_html
from service.rendering.notes import BACK
from service.rendering.phrases import phrases
from service.rendering.sanitising import sanitise

__all__ = ["Section", "WebPage", "Words", "impersonal", "web_page"]

OMISSION = "…"

_RUN = re.compile(rf"(?:[ \u00a0]*{PLACEHOLDER.pattern})+", re.IGNORECASE)
_LAYOUT = frozenset(["author", "callout", "card"])
_CLOSING = frozenset(",;:!，；：！、")
_TAKEN = frozenset(["main", "q", "contents-title", "notes-title"])
"""Names of places that the frame around the issue uses itself."""


@dataclass(frozen=True)
class Words:
    """What the page says between the author's words, in the issue's language. `note` holds %(number)s."""

    back: str
    note: str
    table: str
    picture: str


@dataclass(frozen=True)
class Section:
    """A heading that the page can be entered at."""

    place: str
    title: str


@dataclass(frozen=True)
class WebPage:
    """`heading`, `body` and `notes` are safe HTML; `title` is the heading's words, `picture` the first picture's address."""

    heading: str
    title: str
    body: str
    notes: str
    notes_title: str
    sections: tuple[Section, ...]
    picture: str | None


def web_page(
    frozen: str, tags: Sequence[Tag], *, language: str, media: Callable[[str], str], words: Words, base: str = ""
) -> WebPage:
    """The page for a variant's frozen HTML. `media` turns a picture's frozen address into one that is served here, or into ""
    for a picture from elsewhere, which becomes a link: looking at the archive asks nobody else for anything. `base` goes
    before jumps, for readers who see the words outside of their page."""
    page = lxml.html.document_fromstring(
        impersonal(web_version.put(frozen, None), tags, html=True),
        parser=lxml.html.HTMLParser(huge_tree=True, encoding=None),
    )
    heading, body, notes = (_part(page, name) for name in ("title", "content", "notes"))
    for title in notes.findall("h2"):
        title.drop_tree()
    for tree in (heading, body, notes):
        _adapt(tree, media, words)
    sections = _name_headings(body)
    for tree in (heading, body, notes):
        for link in tree.xpath(".//a[starts-with(@href, '#')]"):
            link.set("href", base + str(link.get("href")))
    return WebPage(
        heading=inner_html(heading),
        title=" ".join(_without_notes(heading).split()),
        body=inner_html(body),
        notes=inner_html(notes),
        notes_title=phrases(language).notes,
        sections=() if body.find_class("contents") else sections,  # the author's own list is enough
        picture=next((str(image.get("src")) for image in body.iter("img")), None),
    )


def impersonal(text: str, tags: Sequence[Tag], *, html: bool = False) -> str:
    """The text as nobody's: every tag shows its fallback. One that has none is left out before a comma or the like, and is an
    ellipsis elsewhere, so that the sentence can be read."""
    by_mark = {tag.placeholder: tag for tag in tags}

    def show(found: re.Match[str]) -> str:
        marks = [by_mark.get(mark.lower()) for mark in PLACEHOLDER.findall(found.group())]
        values = [resolve(tag, None) for tag in marks if tag]
        gap = found.group()[: len(found.group()) - len(found.group().lstrip(" \u00a0"))]
        if known := [value for value in values if value]:
            # Between two tags stands what stood there; in a link nothing.
            return gap + (" " if " " in found.group().strip() else "").join(known)
        if any(tag and tag.context == "url" for tag in marks):
            return gap
        begins = found.start() == 0 or (html and text[found.start() - 1] == ">")
        if text[found.end() : found.end() + 1] in _CLOSING and found.end() < len(text) and not begins:
            return ""
        return gap + OMISSION

    return _RUN.sub(show, text)


def _part(page: HtmlElement, name: str) -> HtmlElement:
    """The part of the design of that class, made safe; no author can write a class."""
    found: list[HtmlElement] = page.find_class(name)
    return sanitise(inner_html(found[0]) if found else "", frozen=True)


def _adapt(tree: HtmlElement, media: Callable[[str], str], words: Words) -> None:
    for place in tree.xpath(".//a[@name and not(@href or @id)]"):  # for mail programs; here every place has an id
        place.drop_tag()
    for heading in list(tree.iter("h1")):
        heading.tag = "h2"
    for image in list(tree.iter("img")):
        _show(image, media, words)
    for cell in tree.iter("td", "th"):
        if cell.get("align") not in ("right", "center"):
            cell.attrib.pop("align", None)
    for table in list(tree.iter("table")):
        if table.get("class") in _LAYOUT:
            _without_table(table)
        else:
            table.attrib.pop("class", None)
            _let_scroll(table, words)
    for link in tree.iter("a"):
        target = str(link.get("href") or "")
        if target.startswith("#fnref-"):
            link.attrib.pop("title", None)
            link.set("aria-label", words.back)
        elif target.startswith("#fn-") and link.getparent().tag == "sup":
            link.set("aria-label", words.note % {"number": link.text_content().strip()})
        if target[1:] in _TAKEN:
            link.set("href", f"#part-{target[1:]}")
    for element in tree.xpath(".//*[@id]"):
        if element.get("id") in _TAKEN:
            element.set("id", f"part-{element.get('id')}")


def _show(image: HtmlElement, media: Callable[[str], str], words: Words) -> None:
    source = str(image.get("src") or "")
    if here := media(source):
        image.set("src", here)
        image.set("loading", "lazy")
        return
    told = image.get("alt") or words.picture
    instead = builder.SPAN(told) if any(one.tag == "a" for one in image.iterancestors()) else builder.A(told)
    if instead.tag == "a":
        instead.set("href", source)
    instead.tail = image.tail
    image.getparent().replace(image, instead)


def _without_table(table: HtmlElement) -> None:
    """A table that only sets things beside each other, for mail programs, as boxes of the same names."""
    for part in list(table.iter("tbody", "tr")):
        part.drop_tag()
    for cell in table.iterchildren("td"):
        cell.tag = "div"
    table.tag = "div"


def _let_scroll(table: HtmlElement, words: Words) -> None:
    """A table that is wider than a telephone scrolls by itself, also by keyboard; the page does not."""
    frame = builder.DIV(role="region", tabindex="0")
    frame.set("aria-label", (table.findtext("caption") or words.table).strip())
    frame.set("class", "wide")
    frame.tail, table.tail = table.tail, None
    table.getparent().replace(table, frame)
    frame.append(table)


def _name_headings(body: HtmlElement) -> tuple[Section, ...]:
    """Give every heading a place; those of the highest rank are the sections."""
    taken = {str(one.get("id")) for one in body.xpath(".//*[@id]")} | _TAKEN
    headings = list(body.iter("h2", "h3", "h4"))
    for heading in headings:
        if heading.get("id"):
            continue
        name = stem = slug(_without_notes(heading)) or "part"
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        heading.set("id", name)
    highest = min((str(one.tag) for one in headings), default="")
    return tuple(
        Section(str(one.get("id")), " ".join(_without_notes(one).split())) for one in headings if one.tag == highest
    )


def _without_notes(element: HtmlElement) -> str:
    """The words without the numbers of notes."""
    words: list[str] = element.xpath(".//text()[not(ancestor::sup/a)]")
    return "".join(words).replace(BACK, "").strip()
