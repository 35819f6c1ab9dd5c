"""The sample letter as a reader gets it, and the sandbox's inbox in which a team looks at it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.conftest import Sandbox

pytestmark = pytest.mark.browser
Received = Callable[..., dict[str, Any]]

SIZES = [(320, "light"), (375, "dark"), (1280, "light"), (1280, "dark")]


def test_the_sample_letter_fits_and_can_be_read_everywhere(received: Received, look: Open) -> None:
    copy = received()
    for width, scheme in SIZES:
        seen = look(width, scheme)
        seen.page.set_content(copy["html"], wait_until="load")
        assert seen.complaints() == [], f"{width} pixels, {scheme}"


def test_the_sample_letter_shows_its_picture_and_its_readers_name(received: Received, look: Open) -> None:
    page = look(375).page
    page.set_content(received()["html"], wait_until="load")
    assert page.get_by_text("Dear Mei,").count() == 1
    widths = page.evaluate(
        "[...document.images].map(image => [image.naturalWidth, image.getBoundingClientRect().width])"
    )
    assert widths
    assert all(0 < shown <= 375 and natural > 0 for natural, shown in widths), widths


def test_the_sample_letter_has_a_dark_form(received: Received, look: Open) -> None:
    html = received()["html"]

    def paper(scheme: str) -> int:
        page = look(375, scheme).page
        page.set_content(html, wait_until="load")
        colour: str = page.evaluate("getComputedStyle(document.querySelector('.paper')).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    assert paper("dark") < 150 < 600 < paper("light")


def test_every_jump_in_the_sample_letter_lands_somewhere(received: Received, look: Open) -> None:
    page = look().page
    page.set_content(received()["html"], wait_until="load")
    lost = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href').slice(1))"
        ".filter(name => !document.getElementById(decodeURIComponent(name)) && !document.getElementsByName(decodeURIComponent(name)).length)"
    )
    assert lost == []


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (375, "dark"), (1280, "dark")])
def test_the_inbox_fits_and_can_be_read(
    received: Received, sandbox: Sandbox, look: Open, width: int, scheme: str
) -> None:
    received()
    seen = look(width, scheme)
    seen.page.goto(f"{sandbox.url}/")
    assert seen.complaints() == []
    seen.page.locator("ol.mails a").first.click()
    seen.page.get_by_role("heading", name="Events so far").wait_for()
    seen.page.frame_locator("iframe").get_by_text("Dear Mei,").wait_for()
    assert seen.complaints() == []
    seen.page.goto(f"{sandbox.url}/?to=nobody@readers.example")
    assert seen.page.get_by_text("Nothing was sent to nobody@readers.example.").count() == 1
    assert seen.complaints() == []
