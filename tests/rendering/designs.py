"""What the tests of designs share: copies of ours to spoil, and a mail that holds every block."""

import shutil
from pathlib import Path

from service.rendering import design, design_contrast
from service.rendering.design import Content
from service.rendering.design_contrast import Pair
from service.rendering.design_css import rules
from service.rendering.design_faults import MAIL, STYLE
from service.rendering.design_files import DESIGNS, load
from service.rendering.inlining import inline_styles
from service.rendering.newsletter import Masthead
from tests.rendering.rendered import MASTHEAD

OURS = ["bulletin", "gazette", "letter"]


def everything(**masthead: object) -> str:
    """A mail with every block, styles in its elements."""
    page = Masthead(**{**vars(MASTHEAD), **masthead})
    body = design_contrast.SPECIMEN.read_text("utf-8")
    notes = '<ol><li id="fn-1"><p>A note, <a href="https://a.example">linked</a></p></li></ol>'
    content = Content("A subject", "A preheader", "A title", body, notes, "https://leave.example/u/x")
    return inline_styles(design.pour(page, content))


def pairs(name: str) -> list[Pair]:
    """The colours that meet in a design of ours."""
    found = load(DESIGNS / name)
    return design_contrast.pairs(
        found.layout, [(STYLE, rules(found.style, STYLE, [])), (MAIL, rules(found.mail, MAIL, []))]
    )


def copied(to: Path, name: str = "quarterly", of: str = "gazette") -> Path:
    """A design of a team's, so far like one of ours."""
    return Path(shutil.copytree(DESIGNS / of, to / name))


def spoil(folder: Path, file: str, old: str, new: str) -> int:
    """Put something else in the place of a text; the line where it begins. `old` is "" for the end."""
    path = folder / file
    text = path.read_text("utf-8")
    at = text.index(old) if old else len(text)
    path.write_text(text[:at] + new + text[at + len(old) :], "utf-8")
    return text.count("\n", 0, at) + 1
