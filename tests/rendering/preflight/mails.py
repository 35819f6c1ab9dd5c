"""What the tests of preflight's rules share: a letterhead, and mails from Markdown as they would be sent."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from service.rendering.newsletter import Examined, Masthead, Picture, examine
from service.rendering.preflight import checking
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Letterhead

MASTHEAD = Masthead("Data Letter", "Harbour & Lane LLP", "4 Grain Quay\nNorthmere NM1 4HL")
HEAD = Letterhead(MASTHEAD, f"https://news.firm.de/u/{'x' * 31}", "news@firm.de")
PICTURES = {"harbour.png": Picture("https://media.invalid/h.png", 1072, 420)}
FRONT = "---\nsubject: News of March for who transfers data\npreheader: What changed this month, and what to do about it now.\n---\n\n"


def examined(
    markdown: str, *, masthead: Masthead = MASTHEAD, pictures: Mapping[str, Picture] = MappingProxyType(PICTURES)
) -> Examined:
    """A text as preflight gets it."""
    return examine(markdown, masthead, fields=("organisation",), pictures=pictures)


def findings(
    body: str, *, front: str = FRONT, facts: Facts | None = None, styled: str = "", **head: Any
) -> list[Finding]:
    """What is found in a text below a faultless front matter; `styled` is added to the design's style sheet."""
    found = examined(front + body)
    if styled:
        found = with_style(found, styled)
    return checking.check_text(found, replace(HEAD, **head), front + body, facts or Facts())


def with_style(found: Examined, style: str) -> Examined:
    """The same mail in a design that has this style too."""
    assert found.rendered
    html = found.rendered.html.replace("</head>", f"<style>{style}</style></head>")
    return replace(found, rendered=replace(found.rendered, html=html))


def rules(found: list[Finding], *severities: str) -> set[str]:
    """The names of what was found."""
    return {one.rule for one in found if not severities or one.severity in severities}
