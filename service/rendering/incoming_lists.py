"""Lists that are none in the HTML: Word's paragraphs with a typed bullet, Google's levels side by side, items without a list."""

import re
from dataclasses import dataclass

import lxml.html
from lxml.html import HtmlElement

from service.rendering.incoming_report import Report
from service.rendering.incoming_styles import declarations
from service.rendering.incoming_tree import first_words, texts

_LEVEL = re.compile(r"\blevel([1-9])")
_KIX = re.compile(r"\blst-kix_\w+-([0-8])\b")
_BULLET = re.compile(r"[\s\u00a0]*[·•●○◦▪■□§‣⁃–➢✓o\uf0b7\uf0a7\uf0d8\uf0fc][\s\u00a0]+")
_COUNT = re.compile(r"[\s\u00a0]*\(?(?P<count>\d{1,6}|[A-Za-z]|[ivxlcIVXLC]{1,7})[.)][\s\u00a0]+")
_TYPED = re.compile(r"[\s\u00a0]*[•●▪‣⁃◦■\uf0b7\uf0a7][\s\u00a0]+")
_INCH = {"in": 1.0, "pt": 1 / 72, "cm": 1 / 2.54, "mm": 1 / 25.4, "px": 1 / 96}


@dataclass(frozen=True)
class _Item:
    """A paragraph that is an item: how deep, and its count, None for a bullet."""

    level: int
    count: str | None


def mend(body: HtmlElement, report: Report) -> None:
    """Make real lists of all of these, in place."""
    for paragraph in list(body.iter("p", "div")):
        if (paragraph.tag == "p" or not len(paragraph)) and paragraph.getparent() is not None:
            _mend_from(paragraph, report)
    for item in list(body.iter("li")):
        _give_list(item)
    for listing in list(body.iter("ul", "ol")):
        _nest_kix(listing)
    for listing in list(body.iter("ul", "ol")):
        _put_into_item(listing)


def _mend_from(first: HtmlElement, report: Report) -> None:
    """A run of such paragraphs, from the first on, as one list."""
    if _item(first) is None:
        return
    stack: list[tuple[int, HtmlElement]] = []
    at: HtmlElement | None = first
    while at is not None:
        item = _item(at)
        if item is None and not (stack and _goes_on(at)):
            break
        after = at.getnext()
        if item is None:
            stack[-1][1][-1].append(at)
        else:
            _add(stack, at, item)
        at.tail = None
        at = after
    report.counted("lists", stack[0][1], "paragraphs with a bullet or a number in front became a list")


def _add(stack: list[tuple[int, HtmlElement]], paragraph: HtmlElement, item: _Item) -> None:
    while stack and len(stack) > 1 and stack[-1][0] > item.level:
        stack.pop()
    kind = "ul" if item.count is None else "ol"
    if not stack or item.level > stack[-1][0] or stack[-1][1].tag != kind:
        listing = lxml.html.Element(kind)
        listing.sourceline = paragraph.sourceline
        if item.count is not None and item.count.isdigit():
            listing.set("start", item.count)
        if not stack:
            paragraph.addprevious(listing)
        elif item.level > stack[-1][0]:
            stack[-1][1][-1].append(listing)
        else:
            before = stack.pop()[1]
            before.addnext(listing)
        stack.append((item.level, listing))
    entry = lxml.html.Element("li")
    entry.sourceline = paragraph.sourceline
    stack[-1][1].append(entry)
    _strip_marker(paragraph)
    entry.append(paragraph)


def _item(paragraph: HtmlElement) -> _Item | None:
    """What item a paragraph is, if it is one."""
    style = declarations(str(paragraph.get("style") or ""))
    listed = style.get("mso-list", "")
    words = first_words(paragraph, 20)
    if listed and "level" in listed and not listed.startswith("none"):
        found = _LEVEL.search(listed)
        return _Item(int(found.group(1)) if found else 1, _count(words)) if _marked(paragraph, words) else None
    if "MsoListParagraph" in str(paragraph.get("class") or ""):
        return _Item(_level_by_margin(style), _count(words)) if _marked(paragraph, words) else None
    return _Item(1, None) if _TYPED.match(words) else None


def _marked(paragraph: HtmlElement, words: str) -> bool:
    return bool(_ignored(paragraph)) or bool(_BULLET.match(words) or _COUNT.match(words))


def _count(words: str) -> str | None:
    found = None if _BULLET.match(words) else _COUNT.match(words)
    return found.group("count") if found else None


def _goes_on(paragraph: HtmlElement) -> bool:
    """Whether a paragraph without a marker belongs to the item above it."""
    return "MsoListParagraph" in str(paragraph.get("class") or "") and bool(first_words(paragraph, 20).strip())


def _level_by_margin(style: dict[str, str]) -> int:
    margin = style.get("margin-left", "") or (style.get("margin", "").split()[-1:] or [""])[0]
    found = re.fullmatch(r"(\d*\.?\d+)(in|pt|cm|mm|px)", margin)
    return max(1, min(9, round(float(found.group(1)) * _INCH[found.group(2)] / 0.5))) if found else 1


def _ignored(paragraph: HtmlElement) -> list[HtmlElement]:
    """The parts that Word itself marks as the drawn bullet."""
    return [part for part in paragraph.iter("span") if "mso-list:ignore" in _squeezed(part)]


def _squeezed(part: HtmlElement) -> str:
    return str(part.get("style") or "").lower().replace(" ", "")


def _strip_marker(paragraph: HtmlElement) -> None:
    if ignored := _ignored(paragraph):
        for part in ignored:
            if part.getparent() is not None:
                part.drop_tree()
        return
    words = first_words(paragraph, 20)
    found = _BULLET.match(words) or _COUNT.match(words) or _TYPED.match(words)
    length = found.end() if found else 0
    for element, name, text in texts(paragraph):
        if length <= 0:
            return
        setattr(element, name, text[length:])
        length -= len(text)


def _give_list(item: HtmlElement) -> None:
    """An item that stands alone gets a list, together with those that follow it."""
    parent = item.getparent()
    if parent is None or parent.tag in ("ul", "ol", "menu", "dir"):
        return
    listing = lxml.html.Element("ul")
    item.addprevious(listing)
    at: HtmlElement | None = item
    while at is not None and at.tag == "li":
        after = at.getnext() if not (at.tail or "").strip() else None
        tail, at.tail = at.tail, None
        listing.append(at)
        listing.tail = tail
        at = after


def _nest_kix(listing: HtmlElement) -> None:
    """Google Docs saves each level as a list of its own, one after another."""
    found = _KIX.search(str(listing.get("class") or ""))
    parent = listing.getparent()
    if found is None or parent is None or (level := int(found.group(1))) == 0:
        return
    before = listing.getprevious()
    if before is None or before.tag not in ("ul", "ol") or not _KIX.search(str(before.get("class") or "")):
        return
    inner = before
    for _ in range(level - 1):
        nested = [part for part in inner[-1] if part.tag in ("ul", "ol")] if len(inner) else []
        inner = nested[-1] if nested else inner
    if len(inner):
        inner[-1].append(listing)
        after = before.getnext()  # what goes on at the level above is the same list
        if (
            after is not None
            and after.tag == before.tag
            and after.get("class", "").split(" start")[0] == str(before.get("class", "")).replace(" start", "")
        ):
            for item in list(after):
                before.append(item)
            after.drop_tree()


def _put_into_item(listing: HtmlElement) -> None:
    """A list straight inside a list belongs to the item above it."""
    parent = listing.getparent()
    if parent is None or parent.tag not in ("ul", "ol"):
        return
    before = listing.getprevious()
    while before is not None and before.tag != "li":
        before = before.getprevious()
    if before is None:
        before = lxml.html.Element("li")
        listing.addprevious(before)
    listing.tail = None
    before.append(listing)
