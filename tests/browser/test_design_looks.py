"""Every design in a real browser: fits any screen with and without pictures, can be read by day and by night."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from service.rendering.design_files import DESIGNS
from service.rendering.newsletter import Picture
from tests.browser.conftest import Open
from tests.rendering.designs import OURS, everything

pytestmark = pytest.mark.browser

SIZES = [(320, "light"), (375, "dark"), (680, "light"), (680, "dark")]
HARBOUR = Path(__file__).resolve().parents[2] / "service" / "lab" / "sample" / "harbour.png"


def mail(name: str, *, pictures: bool = True, **masthead: Any) -> str:
    """A mail with every block and a logo, and its pictures within it."""
    shown = f"data:image/png;base64,{base64.b64encode(HARBOUR.read_bytes()).decode()}" if pictures else "data:,"
    html = everything(design=name, has_archive=True, logo=Picture("a.png", 480, 96), **masthead)
    sized = re.sub(r'<img src="a.png"(?=[^>]*alt="A picture")', '<img src="a.png" width="480" height="188"', html)
    assert sized.count('src="a.png"') > 5
    return sized.replace('src="a.png"', f'src="{shown}"')


@pytest.mark.parametrize("colour", ["#1f3a5f", pytest.param("#ffd400", marks=pytest.mark.long)])
@pytest.mark.parametrize("name", OURS)
def test_every_block_fits_and_can_be_read_everywhere(look: Open, name: str, colour: str) -> None:
    for width, scheme in SIZES:
        seen = look(width, scheme)
        seen.page.set_content(mail(name, brand_colour=colour), wait_until="load")
        assert seen.complaints() == [], f"{width} pixels, {scheme}"


@pytest.mark.parametrize("name", OURS)
def test_every_block_fits_without_pictures_and_from_right_to_left(look: Open, name: str) -> None:
    for width, scheme in SIZES:
        page = look(width, scheme).page
        for html in (mail(name, pictures=False), mail(name, language="ar")):
            page.set_content(html, wait_until="load")
            wide, narrow = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert wide <= narrow, f"{width} pixels: {wide}"


@pytest.mark.parametrize("name", OURS)
def test_columns_stand_side_by_side_on_a_desk_and_below_each_other_on_a_telephone(look: Open, name: str) -> None:
    html = mail(name).replace('class="column"', 'class="column" data-column')
    html = re.sub(
        r"(data-column style=\")",
        r"\1display:inline-block;width:100%;max-width:268px;vertical-align:top;box-sizing:border-box;",
        html,
    )
    for width, same_row in ((680, True), (375, False)):
        page = look(width).page
        page.set_content(html, wait_until="load")
        tops = page.evaluate(
            "[...document.querySelectorAll('[data-column]')].map(one => one.getBoundingClientRect().top)"
        )
        assert (len(set(tops)) == 1) is same_row, (width, tops)


@pytest.mark.parametrize("name", OURS)
def test_a_design_fits_a_telephone_whose_program_knows_no_media_queries(look: Open, name: str) -> None:
    html = re.sub(r"<style[^>]*>[^<]*@media.*?</style>", "", mail(name), flags=re.DOTALL)
    assert "@media" not in html
    page = look(375).page
    page.set_content(html, wait_until="load")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_every_design_of_ours_is_looked_at() -> None:
    assert sorted(path.name for path in DESIGNS.glob("*/")) == OURS
