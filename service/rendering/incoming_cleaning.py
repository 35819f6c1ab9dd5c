"""Takes out of a parsed page what no mail can hold, and what office programs put between the words. Words stay."""

import re
from collections.abc import Iterator, Mapping

import lxml.html
from lxml import etree
from lxml.html import HtmlElement

from service.rendering.incoming_report import Report, quoted
from service.rendering.incoming_styles import is_hidden, sheet, style_of
from service.rendering.problems import RenderError
from service.rendering.source import MAX_BYTES

MAX_DEPTH = 120
MAX_PARTS = 60_000
_SAID_OF = {
    "script": "a script was left out: mails cannot hold it",
    "iframe": "a frame was left out: mails cannot hold it; link to it instead",
    "object": "an embedded object was left out: mails cannot hold it",
    "embed": "an embedded object was left out: mails cannot hold it",
    "applet": "an embedded object was left out: mails cannot hold it",
    "video": "a video was left out: mails cannot hold it; link to it, with a picture",
    "audio": "a recording was left out: mails cannot hold it; link to it",
    "canvas": "a drawing was left out: mails cannot hold it; save it as PNG",
    "svg": "a drawing (SVG) cannot be shown; save it as PNG",
    "math": "a formula cannot be shown; write it in words, or save it as PNG",
    "select": "a form's field was left out: mails cannot hold it; link to the form",
    "textarea": "a form's field was left out: mails cannot hold it; link to the form",
    "button": "a form's button was left out: mails cannot hold it; link to the form",
    "input": "a form's field was left out: mails cannot hold it; link to the form",
    "template": "a template was left out: nobody sees it",
}
_SILENT = frozenset(
    ["style", "head", "title", "meta", "link", "base", "xml", "colgroup", "col", "param", "source", "wbr"]
)
_MEANINGLESS = frozenset(["font", "form", "label", "acronym", "abbr", "time", "noscript", "nobr", "big", "small"])
_START = re.compile(r"<!--\s*StartFragment\s*-->", re.IGNORECASE)
_END = re.compile(r"<!--\s*EndFragment\s*-->", re.IGNORECASE)
_DECLARED = re.compile(r"^\s*<\?xml[^>]*\?>")
_PRIVATE = re.compile(r"[\U000f0000-\U0010ffff\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parsed(text: str, *, marked: bool = False) -> HtmlElement:
    """The body of a page or of a piece of one. `marked`: private characters in it are marks of ours."""
    start, end = _START.search(text), _END.search(text)
    if start and end and start.end() < end.start() and "<style" not in text[: start.start()].lower():
        text = text[start.end() : end.start()]
    elif text.lstrip().lower().startswith("version:") and "starthtml:" in text[:400].lower() and "<" in text:
        text = text[text.index("<") :]
    text = _DECLARED.sub("", text)
    text = text if marked else _PRIVATE.sub("", text)
    if not text.strip():
        raise RenderError(["there is nothing in it; write some text, or choose another file"])
    parser = lxml.html.HTMLParser(huge_tree=True)
    try:
        page = lxml.html.document_fromstring(text, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        raise RenderError(["there are no words in this HTML; choose another file"]) from None
    if any(entry.level == etree.ErrorLevels.FATAL for entry in parser.error_log):
        raise RenderError(
            ["this HTML is nested too deeply to be read; open it in a browser, copy the text, and use that"]
        )
    return page


def cleaned(page: HtmlElement, report: Report) -> tuple[HtmlElement, Mapping[str, Mapping[str, str]]]:
    """The body without what no mail can hold, and what the page's own classes look like."""
    css = "\n".join(style.text_content() for style in page.iter("style"))
    classes = sheet(css) if css else {}
    body = page.find("body")
    body = page if body is None else body
    _drop(body, report)
    _limit_size(body)
    _drop_hidden(body, classes, report)
    for element in list(_elements(body)):
        tag = str(element.tag)
        if element is not body and (":" in tag or tag in _MEANINGLESS):
            if tag == "form":
                report.at(element, "a form was taken apart: mails cannot hold it; its words stay")
            element.drop_tag()
    _limit_depth(body)
    return body, classes


def _elements(body: HtmlElement) -> Iterator[HtmlElement]:
    return (element for element in body.iter() if isinstance(element.tag, str))


def _drop(body: HtmlElement, report: Report) -> None:
    for element in list(body.iter()):
        if not isinstance(element.tag, str):
            _drop_comment(element)
            continue
        if element is body or not _is_below(element, body):
            continue
        tag = element.tag.lower()
        if tag in _SAID_OF:
            _say_dropped(element, tag, report)
            element.drop_tree()
        elif tag in _SILENT:
            if tag in ("xml", "wbr", "colgroup", "col", "link", "meta", "base", "param", "source") and len(element):
                element.drop_tag()  # libxml2 lets what follows an unknown void element fall into it
            else:
                element.drop_tree()


def _say_dropped(element: HtmlElement, tag: str, report: Report) -> None:
    if tag == "input" and str(element.get("type") or "").lower() in ("checkbox", "radio"):
        sign = "☑ " if element.get("checked") is not None else "☐ "
        element.tail = sign + (element.tail or "")
        report.counted("boxes", element, "a box to tick became a sign: nobody can tick it in a mail")
        return
    if tag == "input" and str(element.get("type") or "").lower() == "hidden":
        return
    words = quoted(element.text_content()) if tag not in ("script", "template", "svg") else ""
    report.at(element, _SAID_OF[tag] + (f": {words}" if words else ""))


def _is_below(element: HtmlElement, body: HtmlElement) -> bool:
    """Whether it is still there: its parent may have been taken out before it."""
    at: HtmlElement | None = element
    while at is not None and at is not body:
        at = at.getparent()
    return at is not None


def _drop_comment(element: HtmlElement) -> None:
    """A comment, with its words; what follows it stays."""
    parent = element.getparent()
    if parent is None:
        return
    tail, before = element.tail or "", element.getprevious()
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    element.tail = None
    parent.remove(element)


def _drop_hidden(body: HtmlElement, classes: Mapping[str, Mapping[str, str]], report: Report) -> None:
    for element in list(_elements(body)):
        hidden = element.get("hidden") is not None or is_hidden(style_of(element, classes))
        if element is not body and hidden and _is_below(element, body):
            if words := quoted(element.text_content()):
                report.at(element, f"hidden words were left out: {words}")
            element.drop_tree()


def _limit_size(body: HtmlElement) -> None:
    """No more than could ever be sent is worked on."""
    if sum(map(len, body.itertext())) > MAX_BYTES or sum(1 for _ in body.iter()) > MAX_PARTS:
        raise RenderError(["there is far more in it than a mail can hold (about 100 KB); keep what is to be sent"])


def _limit_depth(body: HtmlElement) -> None:
    """Take out wrappers where the page is deep; refuse what is still deep then, for a mail could not show it."""
    for allowed in (("span", "div", "section", "center"), ()):
        deep = _deepest(body)
        if deep <= MAX_DEPTH:
            return
        if not allowed:
            raise RenderError(
                [f"this HTML is nested {deep} deep; open it in a browser, copy the text, and use that instead"]
            )
        for element in list(_elements(body)):
            if element is not body and element.tag in allowed:
                if element.tag != "span":  # a block's end is a line's end
                    element.tail = f"\n{element.tail or ''}"
                element.drop_tag()


def _deepest(body: HtmlElement) -> int:
    deepest = depth = 0
    for event, _element in etree.iterwalk(body, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    return deepest
