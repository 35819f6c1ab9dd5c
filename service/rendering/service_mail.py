"""Renders the mails of the service itself: subject, HTML with its styles in place, and text, in a reader's language. Pure; takes
no word of a reader's, because such mails go to addresses that nobody has confirmed yet."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any

from babel import Locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from service.domain.languages import SOURCE
from service.languages import format_datetime, match, translation
from service.rendering import colour
from service.rendering.design import GROUND, INK, PAPER, PAPER_DARK, Masthead, sender_and_address
from service.rendering.inlining import inline_styles
from service.rendering.wrapping import wrap
from service.settings import ROOT

TEMPLATES = ROOT / "templates" / "mail"
_BREAK = re.compile(r"\n\s*\n+")


@dataclass(frozen=True)
class Letter:
    """What such a mail says besides its fixed words, all of it the team's own or ours.

    `newsletters`: the names that it is about, at least one. `url`: what its button opens. `welcome`: the team's text, plain.
    """

    masthead: Masthead
    newsletters: Sequence[str]
    url: str
    zone: str = "UTC"
    expires_at: datetime | None = None
    leave_url: str | None = None
    privacy_url: str | None = None
    welcome: str = ""


@dataclass(frozen=True)
class ServiceMail:
    """Ready to be sent, the same for everybody but for the links."""

    language: str
    subject: str
    html: str
    text: str


def render(kind: str, language: str, letter: Letter) -> ServiceMail:
    """The mail of that kind, in that language where we speak it, else in English."""
    spoken = match(language) or SOURCE
    environment = _environment(spoken)
    written = environment.get_template(f"{kind}.txt")
    values = _values(spoken, letter)
    subject = " ".join("".join(written.blocks["subject"](written.new_context(values))).split())
    page = environment.get_template(f"{kind}.html").render(values, subject=subject)
    return ServiceMail(spoken, subject, inline_styles(page), _tidy(written.render(values, subject=subject)))


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        extensions=["jinja2.ext.i18n"],
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = translation(language)
    environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters["datetime"] = partial(_moment, language)
    return environment


def _moment(language: str, moment: datetime, zone: str) -> str:
    return format_datetime(moment, language, zone)


def _values(language: str, letter: Letter) -> dict[str, Any]:
    brand = letter.masthead.brand_colour
    return {
        "language": language,
        "direction": "rtl" if Locale.parse(language, sep="-").character_order == "right-to-left" else "ltr",
        "newsletter": letter.masthead.name,
        "newsletters": letter.newsletters,
        "sender": sender_and_address(letter.masthead),
        "privacy_url": letter.privacy_url,
        "url": letter.url,
        "leave_url": letter.leave_url,
        "expires_at": letter.expires_at,
        "zone": letter.zone,
        "paragraphs": [_lines(part) for part in _BREAK.split(letter.welcome.strip()) if part.strip()],
        "colours": {
            "brand": colour.readable(brand, PAPER),
            "button": colour.readable(brand, INK),
            "on_ground": colour.readable(brand, GROUND),
            "dark": colour.readable(brand, PAPER_DARK, ratio=6),
        },
    }


def _lines(paragraph: str) -> list[str]:
    return [line.strip() for line in paragraph.strip().splitlines()]


def _tidy(text: str) -> str:
    """Lines of the usual width, and never two empty ones in a row. A link stays whole, on a line of its own."""
    lines = [
        part
        for line in text.splitlines()
        for part in ([line] if line.startswith("<") else wrap(line) if line else [""])
    ]
    return _BREAK.sub("\n\n", "\n".join(lines).strip()) + "\n"
