"""What rendering itself says of a text, as findings: its problems block, its warnings warn."""

import re
from collections.abc import Iterable

from service.rendering.preflight.findings import Finding, Severity

_LINE = re.compile(r"line (\d+): (.*)", re.DOTALL)

# The first that is found in the words names the rule. None: a rule over the final mail says it better.
_RULES: tuple[tuple[str, str | None], ...] = (
    (r"there is no subject", None),
    (r"the subject has \d|there is no preheader|the preheader has \d", None),
    (r"has no default: readers", None),
    (r"KB of HTML", None),
    (r"there is no note|a note's name", "note-dangling"),
    (r"a second note", "note-duplicate"),
    (r"the note \[", "note-orphan"),
    (r"the newsletter has no postal address", "postal-address"),
    (r"says nothing to who cannot see it", "picture-without-words"),
    (r"fetched from another site", "picture-elsewhere"),
    (r"picture \S+ is not secure", "picture-insecure"),
    (r"the picture “(?:data|cid):", "picture-embedded"),
    (r"the picture", "picture-missing"),
    (r"a link without an address", "link-empty"),
    (r"is no place in this text", "link-to-no-place"),
    (r"leads nowhere in a mail", "link-relative"),
    (r"links? (?:may|to|“)|a tag cannot be", "link-refused"),
    (r"\{\{|\}\}|there is no (?:field|filter)|a tag|the filter|default needs|default is empty|an empty tag", "tag"),
    (r"the front matter|a second (?:subject|preheader|notes)", "front-matter"),
    (r"nothing to send", "text-empty"),
    (r"was taken out|never ends|too tangled", "html-refused"),
    (r"the newsletter", "newsletter"),
)
_PARTS = {
    "link": "the links",
    "picture": "the pictures",
    "note": "the notes",
    "newsletter": "the newsletter's settings",
}
_REMEDIES = {
    "note-duplicate": "Give one of the two another name, in the text and in the note.",
    "note-orphan": "Refer to it with [^name] in the text, or delete it.",
    "picture-elsewhere": "Put the picture beside the text, so that no other site learns who opens the mail.",
    "html-refused": "Write it as Markdown.",
    "picture-embedded": "Put the picture beside the text and name its file; mail programs show neither data: nor cid: pictures.",
}


def findings_of(problems: Iterable[str], warnings: Iterable[str], *, alone: bool) -> list[Finding]:
    """A finding for each that no other rule reports; for each at all where there is no mail to look at, and so `alone`."""
    told = [_finding("blocks", one, alone) for one in problems] + [_finding("warns", one, alone) for one in warnings]
    return [one for one in told if one is not None]


def _finding(severity: Severity, said: str, alone: bool) -> Finding | None:
    placed = _LINE.match(said)
    words = placed.group(2) if placed else said
    rule = next((name for pattern, name in _RULES if re.search(pattern, words)), "text")
    if rule is None and not alone:
        return None
    rule = rule or "text"
    what, _mark, remedy = words.partition("; ")
    where = f"line {placed.group(1)}" if placed else _PARTS.get(rule.partition("-")[0], "the text")
    return Finding(severity, rule, what, where, _REMEDIES.get(rule) or _sentence(remedy) or "Change it in the text.")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".") + "." if words else ""
