"""The line in a mail that leads to the same words on the web, for whose mail program shows them badly. It names no reader, and
is never tracked."""

import html
import re

ADDRESS = "https://web-version.invalid/"
"""Stands in frozen content for the issue's page, so that content, and its hash, know neither host nor id."""

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
    """A frozen part with the page's address, or without the line where there is no such page."""
    if url is not None:
        return part.replace(ADDRESS, url)
    # No author can write a class; and without the address there is no line to look for.
    return _LINES.sub("", _ROW.sub("", part, count=1), count=1) if ADDRESS in part else part
