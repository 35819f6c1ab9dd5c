"""Rules on the plain-text part: watches, terminals and spam filters read nothing else."""

import re
from collections.abc import Iterator

from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail

_ELEMENTS = "p|div|span|br|table|tr|td|th|img|strong|em|ul|ol|li|h[1-6]|font|style|script"
_HTML = re.compile(rf"</?(?:{_ELEMENTS})(?:\s[^<>]*)?/?>|<a\s[^<>]*href|&(?:nbsp|amp|lt|gt|quot|#\d+);", re.IGNORECASE)
SHARE = 0.4


def check(mail: Mail, _facts: Facts) -> Iterator[Finding]:
    """Whether it is there, says all, and is text."""
    text = mail.text.strip()
    if not text:
        yield Finding(
            "blocks",
            "text-part-empty",
            "there is no plain-text part",
            "the text part",
            "Write words, not only pictures.",
        )
        return
    shown = sum(len(words) for words in _shown_words(mail))
    if len("".join(text.split())) < SHARE * shown:
        yield Finding(
            "warns",
            "text-part-short",
            "the plain-text part says much less than the HTML: spam filters compare them",
            "the text part",
            "Write the text as Markdown, so that both parts are made from it.",
        )
    if found := _HTML.search(text):
        yield Finding(
            "warns",
            "text-part-html",
            f"the plain-text part holds HTML: {found.group()[:40]}",
            mail.line(found.group()) or "the text part",
            "Write it as Markdown instead of as HTML.",
        )


def _shown_words(mail: Mail) -> Iterator[str]:
    for element in mail.shown:
        yield "".join((element.text or "").split())
        for child in element:
            yield "".join((child.tail or "").split())
