"""A newsletter's own colours: whatever they are, what stands on them and in them can be read."""

import re

from hypothesis import given
from hypothesis import strategies as st

from service.rendering.colour import AA, contrast
from service.settings import ROOT
from service.web import brand
from tests.builders import a_newsletter
from tests.web.test_leaving import ask

COLOUR = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(COLOUR)
def test_text_can_be_read_whatever_the_colour(colour: str) -> None:
    for dark, grounds in ((False, brand.LIGHT), (True, brand.DARK)):
        found = brand.tokens(colour, dark=dark)
        assert contrast(found["on-band"], found["band"]) >= AA
        assert contrast(found["on-action"], found["action"]) >= AA
        for ground in grounds:
            assert contrast(found["action"], ground) >= AA, (dark, ground)


def test_a_colour_that_can_be_read_is_left_as_it_is() -> None:
    assert brand.tokens("#1f3a5f", dark=False)["action"] == "#1f3a5f"


def test_the_grounds_are_those_of_the_pages() -> None:
    light, dark = re.findall(
        r"--ground: (#\w+); --sheet: (#\w+);.*--wash: (#\w+);",
        (ROOT / "service" / "web" / "static" / "public.css").read_text(),
    )[:2]
    assert (set(light), set(dark)) == (set(brand.LIGHT), set(brand.DARK))


def test_the_stylesheet_is_sent_once_and_again_only_when_it_changed(web: str) -> None:
    a_newsletter(brand_colour="#ffe94d")
    status, text, headers = ask("GET", f"{web}/n/monthly/brand.css?v=1")
    assert (status, headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "--band: #ffe94d; --on-band: #000000;" in text
    assert ask("GET", f"{web}/n/monthly/brand.css", If_None_Match=headers["ETag"])[0] == 304


def test_a_newsletter_that_is_not_there_has_no_stylesheet(web: str) -> None:
    assert ask("GET", f"{web}/n/other/brand.css")[0] == 404
