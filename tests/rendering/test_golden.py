"""A letter from a Word file in every design, against what it was when somebody last looked at it: a difference is shown line by
line. `BROADSHEET_GOLDEN=write` keeps what comes out now; look at it first."""

import difflib
import os
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from service.rendering.drafts import draft_from_text
from service.rendering.incoming_word import draft_from_word
from service.rendering.newsletter import Picture, Rendered, render
from tests.rendering.rendered import MASTHEAD, page
from tests.rendering.word import word_letter

GOLDEN = Path(__file__).parent / "golden"
DESIGNS = ("letter", "gazette", "bulletin")


@pytest.mark.parametrize(("design", "part"), [*((design, "html") for design in DESIGNS), ("gazette", "txt")])
def test_a_letter_in_word_comes_out_as_it_was_looked_at(design: str, part: str) -> None:
    result = from_word(design)
    now = _lines(result.html) if part == "html" else result.text
    kept = GOLDEN / f"{design}.{part}"
    if os.environ.get("BROADSHEET_GOLDEN") == "write":
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(now, encoding="utf-8")
    before = kept.read_text(encoding="utf-8")
    difference = difflib.unified_diff(before.splitlines(), now.splitlines(), "looked at", "now", lineterm="", n=1)
    assert now == before, "\n".join(difference)


@pytest.mark.parametrize("design", DESIGNS)
def test_nothing_of_the_word_file_is_missing_in_the_mail(design: str) -> None:
    result = from_word(design)
    assert [f"fn-{number}" in result.html for number in range(1, 20)] == [True] * 18 + [False]
    assert [f"Item {number} begins here" in result.text for number in range(1, 21)] == [True] * 20
    assert len(re.findall(r"<img\b", result.html)) == 2
    assert "Mei Lin" in result.text
    assert '<span lang="zh-Hans"' in result.html


def from_word(design: str) -> Rendered:
    """The letter as a mail of that design; its pictures have the addresses that stored ones would have."""
    draft = draft_from_word(word_letter(), stem="letter")
    pictures = {}
    for name, content in draft.pictures.items():
        with Image.open(BytesIO(content)) as picture:
            pictures[name] = Picture(f"https://media.invalid/{name}", *picture.size)
    page = replace(MASTHEAD, design=design)
    return render(draft.markdown, page, subject=draft.title, fields=("office",), pictures=pictures)


def _lines(html: str) -> str:
    """A line for each tag, so that a difference can be read."""
    return re.sub(r">\s*<", ">\n<", html) + "\n"


@pytest.mark.parametrize("design", DESIGNS)
def test_a_real_edition_comes_out_whole_in_every_design(shared: Path, design: str) -> None:
    (edition,) = (shared / "real").glob("*.txt")
    draft = draft_from_text(edition.read_text(encoding="utf-8-sig"))
    result = render(draft.markdown, replace(MASTHEAD, design=design), subject=draft.title)
    assert [f"fn-{number}" in result.html for number in range(1, 20)] == [True] * 18 + [False]
    chinese = re.findall("[\u4e00-\u9fff]+", edition.read_text(encoding="utf-8-sig"))
    assert chinese
    for part in (page(result).text_content(), result.text):
        assert [run for run in chinese if run not in "".join(part.split())] == []
