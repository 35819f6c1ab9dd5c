"""Pours an issue into its newsletter's design: our own layout and style, with a handful of slots.

A slot's content is data: it is put in once and never read for slots again.
"""

import html
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from service.rendering import colour, web_version
from service.rendering.phrases import phrases
from service.rendering.problems import Findings, RenderError
from service.rendering.source import resembles_placeholder

DESIGNS = Path(__file__).resolve().parents[2] / "templates" / "newsletters"

PAPER, PAPER_DARK, GROUND, INK = "#ffffff", "#1c1f24", "#f1efea", "#ffffff"

_SLOT = re.compile(r"%%([a-z_]+)%%")
_RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")
# Without padding, inboxes go on from the preheader into the masthead: an invisible joiner and a space, repeated.
_PADDING = "\u034f \u200c\u00a0" * 40


@dataclass(frozen=True)
class Masthead:
    """What of the newsletter shows in every mail. With an archive, each also says where it can be read in a browser."""

    name: str
    sender_name: str
    postal_address: str
    language: str = "en"
    design: str = "gazette"
    brand_colour: str = "#1f3a5f"
    has_archive: bool = False


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


def sender_and_address(masthead: Masthead) -> list[str]:
    """The lines that say who sends this and from where; the name only once where the address begins with it."""
    address = [line.strip() for line in masthead.postal_address.strip().splitlines()]
    return address if address[:1] == [masthead.sender_name] else [masthead.sender_name, *address]


def pour(masthead: Masthead, content: Content) -> str:
    """The whole page, before its style is inlined."""
    layout, style = _files(masthead.design)
    words = phrases(masthead.language)
    colours = _colours(masthead.brand_colour)
    notes = f'<div class="notes sans"><h2>{html.escape(words.notes)}</h2>{content.notes}</div>' if content.notes else ""
    leave = f'<a clicktracking="off" href="{content.leave_url}">{html.escape(words.leave)}</a>'
    slots = colours | {
        "style": _fill(style, colours),
        "language": html.escape(masthead.language),
        "direction": "rtl" if masthead.language.lower().startswith(_RIGHT_TO_LEFT) else "ltr",
        "subject": content.subject,
        "preheader": content.preheader + _PADDING if content.preheader else "",
        "web_version": web_version.row(words.browser) if masthead.has_archive else "",
        "name": html.escape(masthead.name),
        "sender_line": _sender_line(masthead),
        "postal_address": "<br>".join(html.escape(line) for line in sender_and_address(masthead)),
        "title": f'<h1 class="title serif">{content.title}</h1>' if content.title else "",
        "body": content.body,
        "notes": notes,
        "why": html.escape(words.why.format(name=masthead.name)),
        "leave": leave,
    }
    return _fill(layout, slots)


def _sender_line(masthead: Masthead) -> str:
    """Nothing where the sender is called as the newsletter is: twice the same line looks like a mistake."""
    if masthead.sender_name == masthead.name:
        return ""
    return f'<p class="masthead-sender sans">{html.escape(masthead.sender_name)}</p>'


def _fill(template: str, slots: dict[str, str]) -> str:
    return _SLOT.sub(lambda found: slots[found.group(1)], template)


def _colours(brand: str) -> dict[str, str]:
    """Every shade of the brand's colour that the design uses, each readable where it is used."""
    masthead_dark = colour.readable(colour.mix(brand, "#000000", 0.25), INK)
    return {
        "masthead": colour.readable(brand, INK),
        "on_masthead": INK,
        "brand": colour.readable(brand, PAPER),
        "brand_on_ground": colour.readable(brand, GROUND),
        "brand_dark": colour.readable(brand, PAPER_DARK, ratio=6),
        "rule_dark": colour.readable(brand, PAPER_DARK, ratio=3),
        "masthead_dark": masthead_dark,
    }


@lru_cache(maxsize=16)
def _files(design: str) -> tuple[str, str]:
    folder = DESIGNS / design
    if not re.fullmatch(r"[a-z][a-z0-9-]*", design) or not (folder / "layout.html").is_file():
        known = ", ".join(sorted(path.parent.name for path in DESIGNS.glob("*/layout.html")))
        raise RenderError([f"there is no design “{design}”; the designs are {known}"])
    return (folder / "layout.html").read_text("utf-8"), (folder / "style.css").read_text("utf-8")
