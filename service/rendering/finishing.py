"""The last touches on a safe tree: places to jump to, links that must not be rewritten, Chinese, and the reader's values."""

import re
from urllib.parse import unquote

import lxml.html
from lxml.html import HtmlElement

from service.domain.personalisation import PLACEHOLDER
from service.rendering import chinese, contents, web_version
from service.rendering.placing import Placements
from service.rendering.problems import Findings

_NOTE = re.compile(r"#fn-[0-9]+")


def finish(
    trees: list[HtmlElement],
    jumps: list[tuple[str, int]],
    placements: Placements,
    language: str,
    findings: Findings,
    *,
    notes_on_web: bool = False,
) -> None:
    """Complete the trees of one document together, for their links lead from one to the other. With `notes_on_web` the marks
    of notes lead to the web version's."""
    contents.name_headings(trees, {target for target, _line in jumps})
    places = {str(element.get("id") or element.get("name")) for tree in trees for element in tree.iter()}
    for target, line in jumps:
        if target not in places:
            findings.problem(
                f"#{target} is no place in this text; link to a heading's words in small letters-with-hyphens",
                line=line,
            )
    for tree in trees:
        if PLACEHOLDER.search(tree.text_content()):
            findings.problem("“bsmt…” with a number is how we mark places in the mail; write it another way")
        for link in list(tree.iter("a")):
            _finish_link(link, places, notes_on_web=notes_on_web)
        if not language.lower().startswith(("zh", "ja", "ko")):
            chinese.mark(tree)
        _place(tree, placements)


def inner_html(tree: HtmlElement) -> str:
    """The HTML inside a tree's `div`."""
    whole: str = lxml.html.tostring(tree, encoding="unicode").strip()
    return whole[whole.index(">") + 1 : whole.rindex("<")].strip()


def _finish_link(link: HtmlElement, places: set[str], *, notes_on_web: bool) -> None:
    href = str(link.get("href") or "")
    if not href.startswith("#"):
        return
    if unquote(href[1:]) not in places:  # the way back to a reference that is itself left out
        link.drop_tree()
        return
    if notes_on_web and _NOTE.fullmatch(href):
        link.set("href", web_version.ADDRESS + href)
    rest = dict(link.attrib)
    link.attrib.clear()  # SendGrid reads clicktracking only where it stands before href
    link.attrib.update({"clicktracking": "off", **rest})


def _place(tree: HtmlElement, placements: Placements) -> None:
    for element in tree.iter():
        element.text = placements.place(element.text, "html") if element.text else element.text
        element.tail = placements.place(element.tail, "html") if element.tail else element.tail
        for name, value in element.attrib.items():
            element.set(name, placements.place(str(value), "url" if name in ("href", "src") else "html"))
