"""An author's words as Markdown that says exactly these words: every sign Markdown would misread is escaped.

Web and mail addresses become autolinks, recognised marks become footnote references, valid merge tags stay.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.rendering import links

_TOKEN = re.compile(
    r"(?P<tag>\{\{[ ]{0,9}[a-z][a-z0-9_]{0,60}[ ]{0,9}(?:\|[ ]{0,9}[a-z]{1,20}[ ]{0,9}"
    r"(?::[ ]{0,9}(?:\"[^\"{}*_\\\[\]<>&`|]{0,200}\"|“[^”{}*_\\\[\]<>&`|]{0,200}”)[ ]{0,9})?){0,5}\}\})"
    r"|(?P<url>(?<![A-Za-z0-9])https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?(?:[/?#][!#-;=?-Z_a-z~]*)?)"
    r"|(?P<mail>(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+(?![A-Za-z0-9@]))"
)
_SIGN = re.compile(r"[\\`*\[\]<>|]|~(?=~)|(?<=~)~|(?<![^\W_])_|_(?![^\W_])|&(?=#?[A-Za-z0-9]+;)|\{\{|\}\}")
_LINE_START = re.compile(r"(?P<number>\d{1,9})(?=[.)](?:\s|$))|(?=[#>+=~:-])")


@dataclass(frozen=True)
class Mark:
    """A recognised mark in a line: where it stands, and the label of its note."""

    start: int
    end: int
    label: str


def escape(text: str, marks: Sequence[Mark] = (), *, at_start: bool = True) -> str:
    """Markdown for one line of text. `at_start` also escapes what has a meaning only where a line begins."""
    pieces: list[str] = []
    position = 0
    for mark in marks:
        pieces.append(
            _plain(text[position : mark.start].rstrip(), at_start=at_start and not pieces, after_mark=bool(pieces))
        )
        pieces.append(f"[^{mark.label}]")
        position = mark.end
    pieces.append(_plain(text[position:], at_start=at_start and not pieces, after_mark=bool(pieces)))
    return "".join(pieces)


def heading_text(text: str, marks: Sequence[Mark] = ()) -> str:
    """Markdown for the words of a heading: a closing run of # is text too."""
    written = escape(text, marks, at_start=False)
    return written[:-1] + "\\#" if written.endswith("#") and not written.endswith("\\#") else written


def _plain(text: str, *, at_start: bool, after_mark: bool) -> str:
    pieces: list[str] = []
    position = 0
    for start, end, kept in _addresses(text):
        pieces.append(_escaped(text[position:start]))
        pieces.append(kept)
        position = end
    pieces.append(_escaped(text[position:]))
    written = "".join(pieces)
    if after_mark and written[:1] in tuple("(:"):
        return "\\" + written
    if at_start and (opening := _LINE_START.match(text)):
        number = opening.group("number") or ""
        return number + "\\" + written[len(number) :] if not written.startswith(("\\", "<")) else written
    return written


def _addresses(text: str) -> Iterator[tuple[int, int, str]]:
    for found in _TOKEN.finditer(text):
        if found.lastgroup != "url":
            yield found.start(), found.end(), found.group() if found.lastgroup == "tag" else f"<{found.group()}>"
            continue
        url = links.without_end(found.group())
        yield found.start(), found.start() + len(url), f"<{url}>"


def _escaped(text: str) -> str:
    return _SIGN.sub(lambda sign: "\\" + sign.group(), text)
