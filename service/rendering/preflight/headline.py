"""Rules on what an inbox shows before a mail is opened: subject and preheader."""

import re
from collections.abc import Iterator

from service.rendering.headline import LONG_PREHEADER, LONG_SUBJECT
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding, Severity
from service.rendering.preflight.mail import Mail

_ANSWER = re.compile(r"^\s*(?:re|fwd?|aw|wg|sv|tr|回复|答复|转发)\s*(?:\[\d+\])?\s*[:：]", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]")
_MANY_MARKS = re.compile(r"[!?！？]{2,}")
SHOUTED = 0.7
SHORT_PREHEADER = 30


def check(mail: Mail, _facts: Facts) -> Iterator[Finding]:
    """What is wrong with subject and preheader."""
    yield from _subject(mail)
    yield from _preheader(mail)


def _subject(mail: Mail) -> Iterator[Finding]:
    where = mail.line(f"subject:{_written(mail.subject)}") or "subject"
    if not mail.subject.strip():
        yield Finding(
            "blocks", "subject-empty", "the subject is empty", "subject", "Write subject: … in the front matter."
        )
        return
    if not re.search(r"\w", mail.fixed_subject):
        yield Finding(
            "warns",
            "subject-only-a-tag",
            "the subject has no words of its own: for readers without that value it says nothing",
            where,
            "Write words beside the tag.",
        )
    if len(mail.worst_subject) > LONG_SUBJECT:
        text = f"the subject has up to {len(mail.worst_subject)} characters; most inboxes show the first 40 to {LONG_SUBJECT}"
        severity: Severity = "warns" if len(mail.subject) > LONG_SUBJECT else "notes"
        yield Finding(severity, "subject-long", text, where, "Say first what matters, and shorten the rest.")
    if _is_shouted(mail.subject):
        yield Finding(
            "warns",
            "subject-shouting",
            "the subject shouts; spam filters and readers take it for advertising",
            where,
            "Write it in small letters, with one mark at its end at most.",
        )
    if _ANSWER.match(mail.subject):
        yield Finding(
            "warns",
            "subject-false-answer",
            "the subject pretends to answer or forward a mail",
            where,
            "Take the “Re:” or “Fwd:” out.",
        )


def _is_shouted(text: str) -> bool:
    if _MANY_MARKS.search(text):
        return True
    letters = [letter for letter in _LETTERS.findall(text) if letter.upper() != letter.lower()]
    return len(letters) >= 8 and sum(letter.isupper() for letter in letters) / len(letters) >= SHOUTED


def _preheader(mail: Mail) -> Iterator[Finding]:
    remedy = "Write preheader: … in the front matter: one sentence that goes on from the subject."
    words = mail.preheader.strip()
    where = mail.line(f"preheader:{_written(words)}") or "preheader"
    if not words:
        yield Finding(
            "warns",
            "preheader-missing",
            "there is no preheader: inboxes will show the first words of the mail",
            "preheader",
            remedy,
        )
    elif words.casefold() == mail.subject.strip().casefold():
        yield Finding("warns", "preheader-repeats", "the preheader says what the subject says", where, remedy)
    elif len(mail.worst_preheader) > LONG_PREHEADER:
        text = f"the preheader has up to {len(mail.worst_preheader)} characters; inboxes show at most {LONG_PREHEADER}"
        yield Finding("warns", "preheader-long", text, where, "Shorten it.")
    elif len(words) < SHORT_PREHEADER and words.isascii():
        text = f"the preheader has {len(words)} characters; inboxes fill up the line with the first words of the mail"
        yield Finding("notes", "preheader-short", text, where, remedy)


def _written(words: str) -> str:
    """The beginning of the words, as far as no tag's value stands in it: for looking it up in the source."""
    return words[:12]
