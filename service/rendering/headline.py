"""What an inbox shows before a mail is opened: the subject and the preheader. Refuses a mail without a subject."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.rendering.placing import MARK, Placements
from service.rendering.problems import Findings
from service.rendering.source import Entry, resembles_placeholder

LONG_SUBJECT = 78
LONG_PREHEADER = 140

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class Headline:
    """Subject and preheader with the author's tags still marked."""

    subject: str
    preheader: str


def read(
    entries: Mapping[str, Entry],
    first_heading: str | None,
    placements: Placements,
    subject: str | None,
    findings: Findings,
) -> Headline:
    """The subject given, else the front matter's, else the first heading; and the front matter's preheader."""
    if subject is not None and subject.strip():
        chosen = _marked(subject.strip(), None, placements, findings, "subject")
    elif "subject" in entries and entries["subject"].value:
        chosen = _marked(entries["subject"].value, entries["subject"].line, placements, findings, "subject")
    else:
        chosen = first_heading or ""
    if not chosen.strip():
        findings.problem(
            "there is no subject; begin the text with “# A heading”, or write subject: … in the front matter"
        )
    if len(MARK.sub("name", chosen)) > LONG_SUBJECT:
        findings.warning(f"the subject has {len(chosen)} characters; most inboxes show the first 40 to {LONG_SUBJECT}")
    entry = entries.get("preheader")
    if entry is None or not entry.value:
        findings.warning(
            "there is no preheader: inboxes will show the first words of the mail; write preheader: … in the front matter"
        )
        return Headline(chosen, "")
    preheader = _marked(entry.value, entry.line, placements, findings, "preheader")
    if len(preheader) > LONG_PREHEADER:
        findings.warning(
            f"the preheader has {len(preheader)} characters; inboxes show at most {LONG_PREHEADER}", line=entry.line
        )
    return Headline(chosen, preheader)


def _marked(text: str, line: int | None, placements: Placements, findings: Findings, name: str) -> str:
    before = "" if line else f"{name}: "
    if _CONTROL.search(text):
        findings.problem(
            f"{before}the {name} holds a line break or control character; write it in one plain line", line=line
        )
        return ""
    if resembles_placeholder(text):
        findings.problem(
            f"{before}“bsmt…” with a number is how we mark places in the mail; write it another way", line=line
        )
    marked, errors = placements.mark(text, first_line=line or 1)
    for error in errors:
        findings.problem(f"{before}{error.advice}", line=line)
    return marked
