"""Texts of a parsed page, in the order in which they are read."""

from collections.abc import Iterator

from lxml import etree
from lxml.html import HtmlElement


def words(element: HtmlElement) -> str:
    """All text below an element, without what follows it."""
    return "".join(map(str, element.itertext()))


def first_words(element: HtmlElement, enough: int) -> str:
    """The first of them; never the whole of a long document."""
    found: list[str] = []
    length = 0
    for text in element.itertext():
        found.append(str(text))
        length += len(text.strip())
        if length > enough:
            break
    return "".join(found)


def texts(element: HtmlElement) -> Iterator[tuple[HtmlElement, str, str]]:
    """Every text below an element, with the element and the name of the attribute that hold it."""
    for event, part in etree.iterwalk(element, events=("start", "end")):
        name = "text" if event == "start" else "tail"
        if (event == "start" or part is not element) and (text := getattr(part, name)):
            yield part, name, text
