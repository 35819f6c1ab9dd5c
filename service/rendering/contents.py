"""The list of an issue's headings, and the places in the text that it, and an author's own links, lead to."""

import re
import unicodedata

import lxml.html
from lxml.html import HtmlElement, builder

from service.rendering.placing import MARK
from service.rendering.problems import Findings

LONGEST = 12
"""More lines than these tell nobody what is in a letter: then only the sections are listed."""

_HEADINGS = ("h1", "h2", "h3", "h4")
_ASIDE = frozenset(["callout", "author"])
_NOTES = re.compile(r"fn(ref)?-[0-9]")


def slug(text: str) -> str:
    """The words of a heading as the name of its place; letters of any script stay."""
    words = re.sub(r"[^\w\s-]", "", unicodedata.normalize("NFC", text).lower())
    return re.sub(r"[\s_]+", "-", words.strip())


def words_of(heading: HtmlElement) -> str:
    """The words without the numbers of notes."""
    words: list[str] = heading.xpath(".//text()[not(ancestor::sup/a)]")
    return " ".join("".join(words).split())


def fill(body: HtmlElement, others: list[HtmlElement], title: str, findings: Findings) -> None:
    """Write every contents list in the body. `others` are the trees whose places are taken already."""
    lists = [one for one in body.iter("div") if one.get("class") == "contents"]
    if not lists:
        return
    sections = _sections(body)
    if not sections:
        findings.problem("::: contents finds no heading to list; write one as “## Heading”, or take it out")
    taken = _places([body, *others])
    for heading, below in sections:
        for one in (heading, *below):
            _give_place(one, taken)
    for element in lists:
        element.append(builder.P({"class": "contents-title"}, title))
        if sections:
            element.append(_list(sections))


def name_headings(trees: list[HtmlElement], wanted: set[str]) -> None:
    """Give the headings that an author's links lead to their places."""
    wanted -= _places(trees)
    for tree in trees:
        for heading in tree.iter(*_HEADINGS):
            found = wanted & {slug(words_of(heading)), slug(heading.text_content())}
            if found:
                _name(heading, min(found))
            wanted -= found


def _sections(body: HtmlElement) -> list[tuple[HtmlElement, list[HtmlElement]]]:
    """The headings of the highest rank, each with those of the next below it, where all of them make a short list."""
    found = [heading for heading in body.iter(*_HEADINGS) if words_of(heading) and not _stands_aside(heading)]
    ranks = sorted({str(heading.tag) for heading in found})
    shown = [heading for heading in found if heading.tag in ranks[:2]]
    if len(shown) > LONGEST:
        shown = [heading for heading in found if heading.tag == ranks[0]]
    sections: list[tuple[HtmlElement, list[HtmlElement]]] = []
    for heading in shown:
        if heading.tag == ranks[0] or not sections:
            sections.append((heading, []))
        else:
            sections[-1][1].append(heading)
    return sections


def _stands_aside(heading: HtmlElement) -> bool:
    return any(one.tag == "blockquote" or one.get("class") in _ASIDE for one in heading.iterancestors())


def _places(trees: list[HtmlElement]) -> set[str]:
    return {str(name) for tree in trees for one in tree.iter() for name in (one.get("id"), one.get("name")) if name}


def _give_place(heading: HtmlElement, taken: set[str]) -> None:
    if heading.get("id"):
        return
    stem = slug(MARK.sub("", words_of(heading))).strip("-") or "part"
    name = stem = f"part-{stem}" if _NOTES.match(stem) else stem
    number = 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    _name(heading, name)


def _name(heading: HtmlElement, name: str) -> None:
    """Gmail and Outlook jump to a name, others to an id."""
    place = lxml.html.Element("a", name=name)
    (place if heading.get("id") else heading).set("id", name)
    place.tail, heading.text = heading.text, None
    heading.insert(0, place)


def _list(sections: list[tuple[HtmlElement, list[HtmlElement]]]) -> HtmlElement:
    items = []
    for heading, below in sections:
        item = builder.LI(_jump(heading))
        if below:
            item.append(builder.UL(*[builder.LI(_jump(one)) for one in below]))
        items.append(item)
    return builder.UL(*items)


def _jump(heading: HtmlElement) -> HtmlElement:
    return builder.A(words_of(heading), href=f"#{heading.get('id')}")
