"""What is wrong with a design, where, and what to do; and the slots that its files may hold."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from service.rendering import design_colours

LAYOUT, STYLE, MAIL, FACTS = "layout.html", "style.css", "mail.css", "design.toml"
FILES = (LAYOUT, STYLE, MAIL, FACTS)

SIDES = ("start", "end")
"""Left and right where one reads from left to right, else the other way round."""
IN_CSS = (*design_colours.SLOTS, *SIDES)
ONCE = ("style", "mail", "preheader", "web_version", "logo", "title", "body", "notes", "why", "leave", "postal_address")
"""Slots that a layout needs, each once."""
NEEDED = (*ONCE, "language", "direction", "subject", "name")
IN_LAYOUT = (*NEEDED, "sender_line", *IN_CSS)

SLOT = re.compile(r"%%([a-z_]+)%%")
_ANY_SLOT = re.compile(r"%%([^%\n]{0,40})%%")


@dataclass(frozen=True, order=True)
class Fault:
    """`text`: what is wrong and what to do."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class Unfit(ValueError):
    """A design that cannot be used, with all faults in their order."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(set(faults), key=lambda one: (FILES.index(one.file), one.line, one.text))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def slots_in(text: str) -> Iterator[tuple[str, int]]:
    """Everything that looks like a slot, with its line."""
    for found in _ANY_SLOT.finditer(text):
        yield found[1], line_at(text, found.start())
