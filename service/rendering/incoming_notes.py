"""Notes in an incoming page: a mark that leads to a place which leads back. However the program that wrote it names them."""

import re
from dataclasses import dataclass, field

from lxml.html import HtmlElement

from service.rendering.incoming_report import Report, without_private
from service.rendering.incoming_tree import texts, words

_MARK = re.compile(
    r"[\s\u00a0]*[\[(]?[\s\u00a0]*(?:\d{1,4}|[A-Za-z]{1,2}|[ivxlc]{1,6}|[*†‡§¶#]{1,4})[\s\u00a0]*[\])]?[\s\u00a0]*"
)
_LEADING = re.compile(r"[\s\u00a0]*(?:\[[\s\u00a0]*\][\s\u00a0]*)?")
_BACK = re.compile(r"[\s\u00a0]*(?:[↑↩⤴^⏎]\ufe0e?[\s\u00a0]*\d{0,3}|[\[(]?[\w*†‡§]{0,6}[\])]?)[\s\u00a0]*")
_NAMED = re.compile(r"#_?(?:ftnt|ftn|edn|footnote|endnote|sdfootnote|sdendnote|fn|en|user-content-fn)[-:]?\d", re.I)
_BLOCKS = frozenset(["p", "li", "div", "td", "dd", "section", "aside", "blockquote", "body"])
_HEADINGS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6"])


@dataclass
class Notes:
    """Where each mark leads, and the words of each note by its label."""

    marks: dict[HtmlElement, str] = field(default_factory=dict)
    words: dict[str, HtmlElement] = field(default_factory=dict)


def take_out(body: HtmlElement, report: Report) -> Notes:
    """All notes; their words are no longer in the body afterwards, and neither are the ways back."""
    places = _places(body)
    anchors = [a for a in body.iter("a") if str(a.get("href") or "").startswith("#")]
    order = {element: at for at, element in enumerate(body.iter())}
    notes = Notes()
    labels: dict[HtmlElement, str] = {}
    references = [a for a in anchors if _is_reference(a, places, order)]
    ends = {target for a in references if (target := _target(a, places)) is not None}
    known = set(references)
    homes = {target: _home(target, ends, known) for target in ends}
    inside = set(homes.values())
    for a in references:
        target = _target(a, places)
        if target is not None and not _inside(a, inside):
            notes.marks[a] = labels.setdefault(target, str(len(labels) + 1))
    for a in references:  # a note may itself refer to a note
        target = _target(a, places)
        if target is not None and a not in notes.marks:
            notes.marks[a] = labels.setdefault(target, str(len(labels) + 1))
    names = {name for mark in notes.marks for name in _names_around(mark)}
    for target, label in labels.items():
        _drop_ways_back(homes[target], notes.marks, names)
        notes.words[label] = homes[target]
    for target, home in homes.items():
        if target in labels:
            _take(home)
    for a in anchors:
        lost = a not in notes.marks and _target(a, places) is None and _NAMED.match(str(a.get("href")))
        if lost and _MARK.fullmatch(_words(a)) and _there(a, body):
            report.at(a, f"the note {_words(a).strip()} did not come with the text; its mark stays as plain letters")
    _drop_last_rules(body)
    return notes


def _places(body: HtmlElement) -> dict[str, HtmlElement]:
    found: dict[str, HtmlElement] = {}
    for element in body.iter():
        if isinstance(element.tag, str):
            for name in ("id", "name"):
                if value := element.get(name):
                    found.setdefault(value, element)
    return found


def _target(a: HtmlElement, places: dict[str, HtmlElement]) -> HtmlElement | None:
    return places.get(str(a.get("href") or "")[1:])


def _is_reference(a: HtmlElement, places: dict[str, HtmlElement], order: dict[HtmlElement, int]) -> bool:
    """Whether a link is a short mark that leads down to a place which leads back up to the mark."""
    target = _target(a, places)
    if target is None or order[target] <= order[a] or not _MARK.fullmatch(_words(a)):
        return False
    if any(up.tag in _HEADINGS for up in (target, *target.iterancestors())):
        return False
    home = _block(target)
    own = _names_around(a)
    return any(str(back.get("href") or "")[1:] in own for back in home.iter("a") if back is not a) or (
        str(target.get("href") or "")[1:] in own
    )


def _names_around(a: HtmlElement) -> set[str]:
    """By what a mark is called: its own name, and those of empty places beside it and around it."""
    near = [a, *a.iter("a", "span", "sup")]
    parent = a.getparent()
    for up in (a, parent) if parent is not None else (a,):
        near += [one for one in (up.getprevious(), up.getnext()) if one is not None and not _words(one).strip()]
    if parent is not None and parent.tag in ("sup", "span"):
        near.append(parent)
    return {str(value) for one in near for name in ("id", "name") if (value := one.get(name))}


def _words(element: HtmlElement) -> str:
    return without_private(words(element)) if isinstance(element.tag, str) else "x"


def _block(element: HtmlElement) -> HtmlElement:
    at = element
    while at.tag not in _BLOCKS and at.getparent() is not None:
        at = at.getparent()
    return at


def _home(target: HtmlElement, ends: set[HtmlElement], references: set[HtmlElement]) -> HtmlElement:
    """All that belongs to a note: its item, or its division, or at least its paragraph."""
    base = _block(target)
    parent = base.getparent()
    if base.tag in ("li", "body") or parent is None or parent.tag not in ("div", "aside", "li", "dd"):
        return base
    first = next((part for part in parent if isinstance(part.tag, str) and _words(part).strip()), None)
    if (
        first is not base
        or (parent.text or "").strip()
        or any(one in ends and one is not target for one in parent.iter())
    ):
        return base
    own = _names_below(base)
    marks_outside = any(one in references and _target_of(one) not in own for one in parent.iter("a"))
    return base if marks_outside else parent


def _target_of(a: HtmlElement) -> str:
    return str(a.get("href") or "")[1:]


def _names_below(element: HtmlElement) -> set[str]:
    return {str(value) for one in element.iter() for name in ("id", "name") if (value := one.get(name))}


def _inside(a: HtmlElement, homes: set[HtmlElement]) -> bool:
    return any(up in homes for up in a.iterancestors())


def _drop_ways_back(home: HtmlElement, marks: dict[HtmlElement, str], names: set[str]) -> None:
    """Take the arrows and numbers out that lead from a note to its marks, and the number typed before its words."""
    dropped = False
    for a in list(home.iter("a")):
        if a not in marks and str(a.get("href") or "")[1:] in names and _BACK.fullmatch(_words(a)):
            raised = a.getparent()
            a.drop_tree()
            if raised is not None and raised.tag == "sup" and not _words(raised).strip() and not len(raised):
                raised.drop_tree()
            dropped = True
    if dropped:
        _strip_leading(home)


def _strip_leading(home: HtmlElement) -> None:
    for element, name, text in texts(home):
        if text.strip():
            found = _LEADING.match(text)
            setattr(element, name, text[found.end() if found else 0 :])
            return


def _take(home: HtmlElement) -> None:
    """Out of the body, and with it the wrapper that is empty now."""
    parent = home.getparent()
    if parent is None or home.tag == "body":
        return
    home.drop_tree()
    while parent is not None and parent.tag in ("ol", "ul", "div", "section", "dl") and not _words(parent).strip():
        if any(part.tag in ("img", "table") for part in parent.iter()):
            break
        above = parent.getparent()
        if above is None:
            break
        parent.drop_tree()
        parent = above


def _there(element: HtmlElement, body: HtmlElement) -> bool:
    return any(up is body for up in element.iterancestors())


def _drop_last_rules(body: HtmlElement) -> None:
    """A line under which nothing stands any more."""
    for rule in reversed(list(body.iter("hr"))):
        rest = rule.xpath("following::node()[self::text()[normalize-space()] or self::img or self::table]")
        if rest:
            return
        rule.drop_tree()
