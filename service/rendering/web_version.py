"""The line in a mail that leads to the same words on the web, for whose mail program shows them badly. It names no reader, and
is never tracked."""

import html
import re

ADDRESS = "https://web-version.invalid/"
"""Stands in frozen content for the issue's page, so that content, and its hash, know neither host nor id."""

NOTES_END = "<!--notes of the web version-->"
"""Ends the notes that stand in frozen HTML for the web version, and for the mail only where there is no such page."""

# Attribute by attribute: what looks like a class inside an author's title is none.
_NOTES = re.compile(rf'<div(?=(?:\s+[^\s<>="\']+="[^"]*")*?\s+class="notes[" ]).*?{NOTES_END}\s*</div>', re.DOTALL)
_END = re.compile(rf"{NOTES_END}\n?")
_ROW = re.compile(r'<tr><td class="web-version.*?</tr>\n?', re.DOTALL)
_LINES = re.compile(rf"[^\n]*\n<{re.escape(ADDRESS)}>\n\n")


def row(words: str) -> str:
    """For the HTML part: a row of the design's frame. SendGrid reads clicktracking only where it stands before href."""
    link = f'<a clicktracking="off" href="{ADDRESS}">{html.escape(words)}</a>'
    return f'<tr><td class="web-version footer ground pad sans"><p>{link}</p></td></tr>\n'


def lines(words: str) -> str:
    """For the text part."""
    return f"{words}:\n<{ADDRESS}>"


def put(part: str, url: str | None) -> str:
    """A frozen part with the page's address, or without the line where there is no such page.

    Notes that the author sent to the web version leave the mail with the first, and come back into it with the second: a
    mark never leads to nothing.
    """
    if url is not None:
        return _NOTES.sub("", part, count=1).replace(ADDRESS, url)
    if ADDRESS not in part:
        return part
    # No author can write a class; and without the address there is no line to look for.
    closed = _LINES.sub("", _ROW.sub("", part, count=1), count=1)
    return _END.sub("", closed.replace(f'"{ADDRESS}#', '"#'))


def keeps_notes(part: str) -> bool:
    """Whether notes would stay in a mail that must not hold them: a design has put them where they are not found."""
    return NOTES_END in put(part, ADDRESS)
