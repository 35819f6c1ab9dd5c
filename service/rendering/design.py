"""Pours an issue into its newsletter's design: our own layout and style, with a handful of slots.

A slot's content is data: it is put in once and never read for slots again.
"""

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from service.rendering import colour, design_colours, design_css, design_files, web_version
from service.rendering.design_faults import SLOT
from service.rendering.phrases import phrases
from service.rendering.pictures import Picture
from service.rendering.problems import Findings, RenderError
from service.rendering.source import resembles_placeholder

PAPER, PAPER_DARK, GROUND, INK = "#ffffff", "#1c1f24", "#f1efea", "#ffffff"

LOGO_HEIGHT, LOGO_WIDTH = 48, 240
"""The most that a logo takes; its file should have twice as many pixels."""

_FOR_OUTLOOK = re.compile(r"<!--\[if mso\]>.*?<!\[endif\]-->", re.DOTALL)
_BUTTON_SLOT = re.compile(r"%%(brand_button|on_brand_button)%%")
_RIGHT_TO_LEFT = ("ar", "fa", "he", "ps", "ur", "yi")
# Without padding, inboxes go on from the preheader into the masthead: an invisible joiner and a space, repeated.
_PADDING = "\u034f \u200c\u00a0" * 40


@dataclass(frozen=True)
class Masthead:
    """What of the newsletter shows in every mail. With an archive, each also says where it can be read in a browser. `logo` is
    the sender's mark and takes the place of the sender's line. `designs`: the folder with a team's own. `subject_prefix` stands
    before every subject."""

    name: str
    sender_name: str
    postal_address: str
    language: str = "en"
    design: str = "gazette"
    brand_colour: str = "#1f3a5f"
    has_archive: bool = False
    logo: Picture | None = None
    designs: Path | None = None
    subject_prefix: str = ""


@dataclass(frozen=True)
class Content:
    """The parts of an issue as HTML that is already safe."""

    subject: str
    preheader: str
    title: str
    body: str
    notes: str
    leave_url: str


def check(masthead: Masthead, findings: Findings) -> None:
    """Report what the newsletter's own settings lack; every mail must say who sends it and from where."""
    for name, value in (
        ("name", masthead.name),
        ("sender name", masthead.sender_name),
        ("postal address", masthead.postal_address),
    ):
        if not value.strip():
            findings.problem(f"the newsletter has no {name}; set it, every mail must show it")
        if any(resembles_placeholder(line) for line in value.splitlines()):
            findings.problem(
                f"the newsletter's {name} holds “bsmt…” with a number, which is how we mark places; change it"
            )
    if not colour.HEX.fullmatch(masthead.brand_colour):
        findings.problem(
            f"the newsletter's colour “{masthead.brand_colour}” is none; write # and six digits, such as #1f3a5f"
        )
    try:
        design_files.find(masthead.design, masthead.designs)
    except RenderError as error:
        for problem in error.problems:
            findings.problem(problem)


def sender_and_address(masthead: Masthead) -> list[str]:
    """The lines that say who sends this and from where; the name only once where the address begins with it."""
    address = [line.strip() for line in masthead.postal_address.strip().splitlines()]
    return address if address[:1] == [masthead.sender_name] else [masthead.sender_name, *address]


def pour(masthead: Masthead, content: Content) -> str:
    """The whole page, before its style is inlined."""
    chosen = design_files.find(masthead.design, masthead.designs)
    words = phrases(masthead.language)
    right_to_left = re.split("[-_]", masthead.language.lower())[0] in _RIGHT_TO_LEFT
    start, end = ("right", "left") if right_to_left else ("left", "right")
    colours = design_colours.shades(chosen.palettes, masthead.brand_colour) | {"start": start, "end": end}
    notes = f'<div class="notes"><h2>{html.escape(words.notes)}</h2>{content.notes}</div>' if content.notes else ""
    leave = f'<a clicktracking="off" href="{content.leave_url}">{_facing(words.leave, right_to_left)}</a>'
    slots = colours | {
        "style": _fill(chosen.style, colours),
        "mail": _fill(_kept(chosen.mail), colours),
        "language": html.escape(masthead.language),
        "direction": "rtl" if right_to_left else "ltr",
        "subject": content.subject,
        "preheader": content.preheader + _PADDING if content.preheader else "",
        "web_version": web_version.row(words.browser) if masthead.has_archive else "",
        "logo": _logo(masthead),
        "name": html.escape(masthead.name),
        "sender_line": _sender_line(masthead),
        "postal_address": "<br>".join(_facing(line, right_to_left) for line in sender_and_address(masthead)),
        "title": f'<h1 class="title">{content.title}</h1>' if content.title else "",
        "body": fill_vml(content.body, colours),
        "notes": notes,
        "why": _facing(words.why.format(name=masthead.name), right_to_left),
        "leave": leave,
    }
    return _fill(chosen.layout, slots)


def fill_vml(body: str, colours: Mapping[str, str]) -> str:
    """The body with the colours of its buttons in what is drawn for Outlook alone. Elsewhere a slot's name is an author's word."""
    return _FOR_OUTLOOK.sub(
        lambda comment: _BUTTON_SLOT.sub(lambda found: colours[found[1]], comment.group()),
        body,
    )


def _facing(words: str, right_to_left: bool) -> str:
    """Words of ours or the team's in a mail that is read from right to left: an address in Latin letters keeps its order."""
    strong = next((kind for kind in map(unicodedata.bidirectional, words) if kind in ("L", "R", "AL")), "L")
    written = html.escape(words)
    return f'<span dir="ltr">{written}</span>' if right_to_left and strong == "L" else written


def _logo(masthead: Masthead) -> str:
    """A row with the sender's mark, no higher than a masthead bears. It says the sender's name, unless the words below do."""
    if masthead.logo is None:
        return ""
    scale = min(1.0, LOGO_HEIGHT / max(1, masthead.logo.height), LOGO_WIDTH / max(1, masthead.logo.width))
    width, height = (max(1, round(size * scale)) for size in (masthead.logo.width, masthead.logo.height))
    said = "" if masthead.sender_name == masthead.name else html.escape(masthead.sender_name)
    return (
        f'<tr><td class="logo-row paper pad"><img class="logo" src="{html.escape(masthead.logo.url)}" alt="{said}"'
        f' width="{width}" height="{height}"></td></tr>\n'
    )


def _sender_line(masthead: Masthead) -> str:
    """Nothing where the sender is called as the newsletter is, or has shown a mark: twice the same looks like a mistake."""
    if masthead.logo is not None or masthead.sender_name == masthead.name:
        return ""
    return f'<p class="masthead-sender">{html.escape(masthead.sender_name)}</p>'


def _fill(template: str, slots: Mapping[str, str]) -> str:
    return SLOT.sub(lambda found: slots[found.group(1)], template)


@lru_cache(maxsize=32)
def _kept(mail: str) -> str:
    """What stays in the head, with the dark form for Outlook."""
    return f"{mail.strip()}\n{design_css.for_outlook(mail)}\n"
