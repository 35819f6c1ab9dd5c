"""Rules on what a screen reader hears: headings in order, languages named."""

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail, words_of

_HEADING = re.compile(r"h[1-6]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]{2,}")
_KANA_OR_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
_EAST_ASIAN = ("zh", "ja", "ko")


def check(mail: Mail, _facts: Facts) -> Iterator[Finding]:
    """Headings and languages."""
    yield from _headings(mail)
    yield from _languages(mail)


def _headings(mail: Mail) -> Iterator[Finding]:
    found = [element for element in mail.tree.iter() if _HEADING.fullmatch(str(element.tag))]
    if len([heading for heading in found if heading.tag == "h1"]) > 1:
        second = [heading for heading in found if heading.tag == "h1"][1]
        yield Finding(
            "warns",
            "heading-twice",
            "several headings of the first level: a mail has one title",
            mail.place(words_of(second)),
            "Write ## instead of # for all but the first.",
        )
    level = 1
    for heading in found:
        words, next_level = words_of(heading), int(str(heading.tag)[1])
        if not words:
            yield Finding(
                "warns",
                "heading-empty",
                "a heading without words",
                mail.place("", otherwise="a heading"),
                "Write its words, or delete it.",
            )
        elif next_level > level + 1:
            yield Finding(
                "warns",
                "heading-jump",
                f"the heading “{words[:60]}” skips a level (h{level} to h{next_level})",
                mail.place(words),
                f"Write {'#' * (level + 1)} before it.",
            )
        level = next_level


def _languages(mail: Mail) -> Iterator[Finding]:
    if not str(mail.tree.get("lang") or "").strip():
        yield Finding(
            "warns",
            "language-missing",
            "the mail does not say its language: a screen reader has to guess",
            "the HTML",
            "Set the newsletter's language.",
        )
    for words in _unmarked(mail):
        yield Finding(
            "warns",
            "language-of-chinese",
            f"“{words[:24]}” is not marked as Chinese: it is read aloud as gibberish, and shown in any font",
            mail.place(words),
            'Leave out the other language: <span lang="zh-Hans">…</span>, or no span at all.',
        )


def _unmarked(mail: Mail) -> Iterator[str]:
    for element in mail.tree.iter():
        if element not in mail.shown:
            continue
        for words, holder in ((element.text, element), *((child.tail, element) for child in element)):
            found = _HAN.search(words or "")
            if found and not _KANA_OR_HANGUL.search(words or "") and not _language(holder).startswith(_EAST_ASIAN):
                yield found.group()


def _language(element: HtmlElement) -> str:
    return next((str(e.get("lang")).lower() for e in (element, *element.iterancestors()) if e.get("lang")), "")
