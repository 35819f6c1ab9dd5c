"""Chinese inside other languages: which runs of text it is, so that fonts and screen readers treat it as Chinese."""

import re

from lxml.html import HtmlElement, builder

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA_AND_HANGUL = "\u3040-\u30ff\uac00-\ud7af"
_PUNCTUATION = "\u3001-\u3003\u3005\u3008-\u3011\u3014-\u301f\uff01-\uff5e·—…"
_RUN = re.compile(f"[《「『（【]?[{_HAN}{_KANA_AND_HANGUL}](?:[{_HAN}{_KANA_AND_HANGUL}{_PUNCTUATION}])*")
_NOT_CHINESE = re.compile(f"[{_KANA_AND_HANGUL}]")


def mark(tree: HtmlElement) -> None:
    """Put each run of Chinese into `<span lang="zh-Hans">`, unless its language is given already."""
    for element in list(tree.iter()):
        if element.text and not _is_marked(element):
            before, spans = _cut(element.text)
            element.text = before
            # From the end: at any other place than the first, lxml counts its way through all children before it.
            for span in reversed(spans):
                element.insert(0, span)
        parent = element.getparent()
        if element.tail and parent is not None and not _is_marked(parent):
            before, spans = _cut(element.tail)
            element.tail = before
            for span in reversed(spans):
                element.addnext(span)


def _cut(text: str) -> tuple[str, list[HtmlElement]]:
    """The text before the first run, and a span for each run with the text after it as its tail."""
    before, position = text, 0
    spans: list[HtmlElement] = []
    for found in _RUN.finditer(text):
        if _NOT_CHINESE.search(found.group()):
            continue
        between = text[position : found.start()]
        if spans:
            spans[-1].tail = between
        else:
            before = between
        spans.append(builder.SPAN(found.group(), lang="zh-Hans"))
        position = found.end()
    if spans:
        spans[-1].tail = text[position:]
    return before, spans


def _is_marked(element: HtmlElement) -> bool:
    return any(node.get("lang") for node in (element, *element.iterancestors()))
