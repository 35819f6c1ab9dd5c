"""What Outlook for Windows needs beside the HTML that all others read: a drawn button, and a table around columns.

All of it stands in conditional comments, made after sanitising from escaped parts: no author can write one.
"""

import html
import re
import unicodedata

from lxml import etree
from lxml.html import HtmlElement

from service.domain.personalisation import PLACEHOLDER
from service.rendering.finishing import inner_html

COLOUR, ON_COLOUR = "%%brand_button%%", "%%on_brand_button%%"
"""Slots for the design, in comments only: everywhere else two signs of per cent are written so that they look like no slot."""

_COMMENT_OR_SLOT = re.compile(r"<!--.*?-->|%(?=%)", re.DOTALL)
_HEIGHT, _PADDING = 44, 56
_WIDE, _CAPITAL, _LETTER = 17, 12, 9
_VALUE = "m" * 12
"""What is reckoned for a reader's value in a button."""


def dressed_html(tree: HtmlElement) -> str:
    """The HTML inside a finished tree's `div`, with what Outlook needs."""
    for row in list(tree.iter("div")):
        if row.get("class") == "button-row":
            _draw_button(row)
        elif row.get("class") == "columns":
            _set_columns(row)
    return _COMMENT_OR_SLOT.sub(
        lambda found: "&#37;" if found.group() == "%" else found.group(),
        inner_html(tree),
    )


def _draw_button(row: HtmlElement) -> None:
    """SendGrid rewrites only `<a href>`: a click on the drawn button arrives, and is not counted."""
    link = row.find("a[@href]")
    if link is None:
        return
    label = " ".join(link.text_content().split())
    drawn = (
        f'<v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" xmlns:w="urn:schemas-microsoft-com:office:word"'
        f' href="{_escaped(str(link.get("href")))}" arcsize="10%" stroke="f" fillcolor="{COLOUR}"'
        f' style="height:{_HEIGHT}px;width:{_width(label)}px;v-text-anchor:middle">'
        f'<w:anchorlock/><center style="color:{ON_COLOUR};font-family:Arial,sans-serif;font-size:16px;font-weight:bold">'
        f"{_escaped(label)}</center></v:roundrect>"
    )
    link.addprevious(etree.Comment(f"[if mso]>{drawn}<![endif]"))
    link.addprevious(etree.Comment("[if !mso]><!"))
    link.addnext(etree.Comment("<![endif]"))


def _set_columns(row: HtmlElement) -> None:
    columns = list(row)
    share = 100 // max(1, len(columns))
    cell = f'<td width="{share}%" valign="top">'
    table = '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr>'
    for at, column in enumerate(columns):
        column.addprevious(etree.Comment(f"[if mso]>{'</td>' if at else table}{cell}<![endif]"))
    row.append(etree.Comment("[if mso]></td></tr></table><![endif]"))


def _escaped(text: str) -> str:
    """Text for an attribute or element inside a comment, where neither two hyphens nor the look of a slot may stand."""
    return html.escape(text).replace("-", "&#45;").replace("%", "&#37;")


def _width(label: str) -> int:
    return _PADDING + sum(_letter_width(letter) for letter in PLACEHOLDER.sub(_VALUE, label))


def _letter_width(letter: str) -> int:
    if unicodedata.east_asian_width(letter) in "WF":
        return _WIDE
    return _CAPITAL if letter.isupper() or letter in "mwMW" else _LETTER
