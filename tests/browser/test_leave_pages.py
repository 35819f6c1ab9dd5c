"""The pages that a mail leads to: with the keyboard alone, without script, on any screen, by day and by night."""

from collections.abc import Callable
from typing import Any

import pytest

from service.tokens import Purpose, Signer
from tests.browser.conftest import Open
from tests.builders import a_newsletter, readers
from tests.forms import LOOKS

pytestmark = pytest.mark.browser
Sql = Callable[..., list[Any]]


@pytest.fixture
def link(web: str) -> str:
    """A leave link of a newsletter whose name is long and has no place to break."""
    newsletter = a_newsletter(name="Datenschutzgrundverordnungsrundschreiben & 数据保护月报", language="zh-Hans")
    (subscription,) = readers(newsletter, ["mei@readers.example"])
    return f"{web}/u/{Signer(Purpose.LEAVE).sign(subscription)}"


def test_a_reader_leaves_by_keyboard_and_without_script(link: str, look: Open, sql: Sql) -> None:
    page = look(375, script=False).page
    page.goto(link)
    assert sql("SELECT state FROM subscriptions") == [("active",)], "looking changes nothing"
    page.keyboard.press("Tab")
    assert page.locator("button:focus-visible").count() == 1, "the first stop is the button, and it shows"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="You have left").wait_for()
    assert sql("SELECT state FROM subscriptions") == [("unsubscribed",)]
    assert sql("SELECT method FROM consent_records") == [("page",)]
    page.goto(link)
    assert page.get_by_role("heading", name="You have left").count() == 1
    assert page.get_by_role("button").count() == 1, "a link to everything else, and nothing to leave"


@pytest.mark.parametrize(
    ("width", "scheme"),
    [*LOOKS, *(pytest.param(375, scheme, marks=pytest.mark.long) for scheme in ("light", "dark"))],
)
def test_every_page_for_readers_fits_and_can_be_read(web: str, link: str, look: Open, width: int, scheme: str) -> None:
    seen = look(width, scheme)
    page = seen.page
    page.goto(link)
    assert seen.complaints() == []
    button = page.get_by_role("button", name="Leave").bounding_box()
    assert button is not None
    assert button["height"] >= 44, "large enough for a thumb"
    page.get_by_role("button", name="Leave").click()
    page.get_by_role("heading", name="You have left").wait_for()
    assert seen.complaints() == []
    page.goto(link)
    assert seen.complaints() == []
    page.goto(f"{web}/u/nothing-of-ours")
    seen.errors[:] = [one for one in seen.errors if "status of 404" not in one]
    assert page.get_by_role("heading", name="This link does not work").count() == 1
    assert seen.complaints() == []


def test_the_pages_have_a_dark_form(link: str, look: Open) -> None:
    def ground(scheme: str) -> int:
        page = look(1280, scheme).page
        page.goto(link)
        colour: str = page.evaluate("getComputedStyle(document.querySelector('.page')).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    assert ground("dark") < 150 < 600 < ground("light")


def test_a_page_says_in_which_language_its_words_are(link: str, look: Open) -> None:
    page = look().page
    page.goto(link)
    assert page.locator("html").get_attribute("lang") == "en", "our words"
    assert page.locator(".masthead").get_attribute("lang") == "zh-Hans", "the newsletter's words"


def test_a_reader_who_cannot_leave_just_now_is_told_so(link: str, look: Open, sql: Sql) -> None:
    seen = look(320, "dark")
    page = seen.page
    page.goto(link)
    sql("ALTER TABLE consent_records RENAME TO away")
    try:
        page.get_by_role("button", name="Leave").click()
        page.get_by_role("alert").wait_for()
    finally:
        sql("ALTER TABLE away RENAME TO consent_records")
    assert page.get_by_text("You have left").count() == 0
    seen.errors[:] = [one for one in seen.errors if "status of 503" not in one]
    assert seen.complaints() == []
    page.goto(link)
    page.get_by_role("button", name="Leave").click()
    page.get_by_role("heading", name="You have left").wait_for()
