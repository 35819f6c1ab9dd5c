"""What the rendering tests share: a masthead, and ways to look into what was rendered."""

from pathlib import Path
from typing import Any

import lxml.html
import pytest
from lxml.html import HtmlElement

from service.rendering.newsletter import Masthead, Picture, Rendered, RenderError, render

MASTHEAD = Masthead("Data Letter", "Harbour & Lane LLP", "4 Grain Quay\nNorthmere NM1 4HL")
SAMPLE = Path(__file__).resolve().parents[2] / "service" / "lab" / "sample"
PICTURES = {"a.png": Picture("https://news.example/media/a.png", 1072, 420)}


def rendered(markdown: str, *, fields: tuple[str, ...] = (), **masthead: Any) -> Rendered:
    """Render with a subject and the one picture `a.png`."""
    page = Masthead(**{**vars(MASTHEAD), **masthead})
    return render(markdown, page, subject="A subject", fields=fields, pictures=PICTURES)


def problems(markdown: str, *, fields: tuple[str, ...] = ()) -> str:
    """What is said about a text that is refused, one problem a line."""
    with pytest.raises(RenderError) as refused:
        rendered(markdown, fields=fields)
    return "\n".join(refused.value.problems)


def content(result: Rendered) -> HtmlElement:
    """The author's part of the page, as a mail program reads it."""
    found: list[HtmlElement] = lxml.html.fromstring(result.html).cssselect(".content")
    return found[0]


def page(result: Rendered) -> HtmlElement:
    """The whole page, as a mail program reads it."""
    return lxml.html.fromstring(result.html)


def sample() -> Rendered:
    """The project's own sample letter."""
    markdown = (SAMPLE / "letter.md").read_text("utf-8")
    return render(markdown, MASTHEAD, pictures={"harbour.png": Picture("https://news.example/h.png", 1072, 420)})
