"""Rules on words that spam filters and readers take for advertising; and what SpamAssassin says, where it was asked."""

import re
from collections.abc import Iterator

from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail

_PHRASES = re.compile(
    r"\b(?:free money|100% free|risk[- ]free|no obligation|act now|limited[- ]time offer|once in a lifetime|earn (?:extra )?cash|make money|"
    r"double your|be your own boss|cash bonus|credit card offers?|guaranteed winner|you(?:'|’)?(?:ve| have) won|winner!|this is(?: not|n(?:'|’)t) spam|"
    r"dear friend|order now|buy now|lowest price|miracle|weight loss|viagra|casino|million dollars|"
    r"geld verdienen|kostenlos testen|jetzt zugreifen|sie haben gewonnen|garantiert gewonnen|"
    r"argent facile|gagnez de l(?:'|’)argent|offre exceptionnelle|vous avez gagné|sans engagement)\b"
    r"|免费领取|恭喜您?中奖|限时抢购|点击领取|稳赚不赔|发票代开|代开发票",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[!！]{3,}|[$€£]{3,}|[?？!！]{4,}")
_SHOUTED = re.compile(r"(?:\b[A-Z]{2,}\b[ ,]+){4,}\b[A-Z]{2,}\b")
_TAGS = re.compile(r"https?://\S+")
NEAR_SPAM = 0.6


def check(mail: Mail, facts: Facts) -> Iterator[Finding]:
    """Our own short list over subject and text part, and the filter's points."""
    text = _TAGS.sub(" ", f"{mail.subject}\n{mail.preheader}\n{mail.text}")
    for phrase in dict.fromkeys(found.group().casefold() for found in _PHRASES.finditer(text)):
        yield Finding(
            "warns",
            "wording-spam",
            f"“{phrase}” is what advertising mails say",
            mail.place(phrase, otherwise="the text"),
            "Say it another way.",
        )
    if found := _MARKS.search(text):
        yield Finding(
            "warns",
            "wording-marks",
            f"“{found.group()}” shouts",
            mail.place(_line_around(text, found), otherwise="the text"),
            "One mark is enough.",
        )
    if found := _shouting(text):
        yield Finding(
            "warns",
            "wording-capitals",
            f"a sentence in capitals: “{found.group()[:50]}”",
            mail.place(found.group(), otherwise="the text"),
            "Write it in small letters; make it bold if it matters.",
        )
    yield from _filter(facts)


def _shouting(text: str) -> re.Match[str] | None:
    """Not our own headings: the text part writes some in capitals."""
    return next((found for found in _SHOUTED.finditer(text) if len(found.group()) >= 20), None)


def _line_around(text: str, found: re.Match[str]) -> str:
    line = text[text.rfind("\n", 0, found.start()) + 1 :].split("\n", 1)[0]
    return line[-30:] if len(line) > 30 else line


def _filter(facts: Facts) -> Iterator[Finding]:
    if facts.spam is None:
        return
    counted = ", ".join(f"{name} ({points:+.1f})" for name, points in facts.spam.reasons if points > 0)
    text = f"SpamAssassin gives {facts.spam.points:.1f} points; {facts.spam.required:.1f} are spam"
    near = facts.spam.points >= facts.spam.required * NEAR_SPAM
    yield Finding(
        "warns" if near else "notes",
        "spam-filter",
        f"{text}{f': {counted}' if counted else ''}",
        "the whole mail",
        "Change what counts most." if near else "Nothing to do.",
    )
