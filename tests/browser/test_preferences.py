"""The reader's own page and what leads to it: with the keyboard alone, without script, in two scripts of writing, on any
screen, by day and by night."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from service import queue
from service.operations import linking
from service.tokens import Purpose, Signer
from tests.browser.conftest import Look, Open
from tests.builders import a_newsletter, readers

pytestmark = pytest.mark.browser
Sql = Callable[..., list[Any]]
Bells = list[tuple[str, tuple[int, ...]]]
MEI = "mei@readers.example"


@pytest.fixture
def reader(web: str, sql: Sql) -> int:
    """A reader of one of two newsletters; one needs every kind of consent."""
    first = a_newsletter(name="Datenschutzgrundverordnungsrundschreiben & 数据保护月报")
    second = a_newsletter("weekly", name="The Weekly")
    sql(
        "UPDATE newsletters SET accepts_signups = true, description = 'What matters, once a month.', time_zone = 'Asia/Shanghai'"
    )
    sql("UPDATE newsletters SET needs_export_consent = true WHERE id = %s", second)
    sql("""UPDATE newsletters SET signup_fields = '[{"name": "organisation"}]' WHERE id = %s""", first)
    return readers(first, [MEI], tracking="agreed", names={MEI: "Mei"})[0]


def token(sql: Sql, bells: Bells) -> str:
    """Of the link that was asked for."""
    for name, arguments in list(bells):
        if name == queue.ANSWER_LINK_REQUEST:
            linking.answer(*arguments)
    ((link,),) = sql("SELECT max(link_id) FROM mails WHERE kind = 'manage'")
    return Signer(Purpose.MANAGE).sign(link)


def tab_to(page: Page, selector: str) -> None:
    """Reach it with the Tab key, as somebody without a mouse does."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the keyboard never reaches {selector}")


def enter(look: Look, web: str, sql: Sql, bells: Bells, lang: str = "en") -> Page:
    page = look.page
    page.goto(f"{web}/manage?lang={lang}")
    page.locator("#address").fill(MEI)
    page.keyboard.press("Enter")
    page.wait_for_url("**/manage/sent*")
    page.goto(f"{web}/m/{token(sql, bells)}?lang={lang}")
    if "/preferences" not in page.url:
        page.locator("#confirm button").click()
    page.wait_for_url("**/preferences*")
    return page


@pytest.mark.parametrize("lang", ["en", "zh-Hans"])
def test_by_keyboard_and_without_script_a_reader_comes_in_saves_undoes_and_closes(
    web: str, reader: int, look: Open, sql: Sql, bells: Bells, lang: str
) -> None:
    page = look(375, script=False).page
    page.goto(f"{web}/manage?lang={lang}")
    assert page.locator("html").get_attribute("lang") == lang
    tab_to(page, "#address")
    page.keyboard.type(MEI)
    page.keyboard.press("Enter")
    page.wait_for_url("**/manage/sent*")
    page.goto(f"{web}/m/{token(sql, bells)}?lang={lang}")
    tab_to(page, "#confirm button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/preferences*")
    tab_to(page, "#newsletter-monthly")
    page.keyboard.press("Space")
    tab_to(page, "#first_name")
    page.keyboard.type("Mei Ling")
    tab_to(page, "button.primary")
    page.keyboard.press("Enter")
    page.locator(".notice.good").wait_for()
    assert sql("SELECT state FROM subscriptions") == [("unsubscribed",)]
    tab_to(page, ".notice button")
    page.keyboard.press("Enter")
    page.locator(".notice.good").wait_for()
    assert sql("SELECT state FROM subscriptions") == [("active",)]
    assert sql("SELECT first_name FROM subscribers") == [("Mei Ling",)]
    tab_to(page, "form[action*=close] button")
    page.keyboard.press("Enter")
    page.locator("h1").wait_for()
    assert page.goto(f"{web}/preferences").status == 403  # type: ignore[union-attr]


def test_the_browser_that_asked_needs_no_second_button(
    web: str, reader: int, look: Open, sql: Sql, bells: Bells
) -> None:
    asked, other = look(), look()
    asked.page.goto(f"{web}/manage")
    asked.page.locator("#address").fill(MEI)
    asked.page.keyboard.press("Enter")
    asked.page.wait_for_url("**/manage/sent")
    link = f"{web}/m/{token(sql, bells)}"
    other.page.goto(link, wait_until="networkidle")
    assert other.page.locator("#confirm button").count() == 1
    assert sql("SELECT used_at FROM links") == [(None,)], "a scanner with a whole browser opens nothing"
    asked.page.goto(link)
    asked.page.wait_for_url("**/preferences")
    assert asked.complaints() == []


@pytest.mark.parametrize(
    ("width", "scheme", "lang"),
    [(320, "light", "zh-Hans"), (320, "dark", "en"), (1280, "light", "en"), (1280, "dark", "zh-Hans")],
)
def test_every_page_fits_and_can_be_read(
    web: str, reader: int, look: Open, sql: Sql, bells: Bells, width: int, scheme: str, lang: str
) -> None:
    seen = look(width, scheme)
    sql("INSERT INTO consent_wordings (sha256, wording) VALUES (sha256('Yes.'), 'Yes.')")
    sql(
        """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, wording_sha256, details)
           SELECT s.email_key, n.newsletter_id, 'newsletter', 'given', 'form', sha256('Yes.'), '{"network": "203.0.113.0/24"}'
           FROM subscribers s JOIN subscriptions n ON n.subscriber_id = s.id"""
    )

    def fits(where: str) -> None:
        assert seen.complaints() == [], where

    page = seen.page
    page.goto(f"{web}/manage?lang={lang}")
    fits("manage")
    enter(seen, web, sql, bells, lang)
    fits("preferences")
    for path in ("why", "data", "address", "erase"):
        page.goto(f"{web}/preferences/{path}?lang={lang}")
        fits(path)
    page.locator("button.danger").click()
    page.locator(".errors").wait_for()
    seen.errors[:] = [one for one in seen.errors if "status of 422" not in one]
    fits("erase, refused")
    page.goto(f"{web}/preferences?lang={lang}")
    page.locator("#newsletter-weekly").check()
    page.locator("#pause-monthly").fill("2020-01-01")
    page.locator("button.primary").click()
    page.locator(".errors").wait_for()
    seen.errors[:] = [one for one in seen.errors if "status of 422" not in one]
    fits("preferences, refused")
    page.locator("#export-weekly").check()
    page.locator("#newsletter-monthly").uncheck()
    page.locator("#pause-monthly").fill("")
    page.locator("button.primary").click()
    page.locator(".notice.good").wait_for()
    fits("preferences, saved")
    page.goto(f"{web}/preferences/address?lang={lang}")
    page.locator("#address").fill("elsewhere@readers.example")
    page.keyboard.press("Enter")
    page.locator(".notice").wait_for()
    fits("address, asked")
    ((change,),) = sql("SELECT id FROM address_changes")
    page.goto(f"{web}/a/{Signer(Purpose.CHANGE_OLD).sign(change)}?lang={lang}")
    fits("change")
    page.goto(f"{web}/preferences/erase?lang={lang}")
    page.locator("#sure").check()
    page.locator("button.danger").click()
    page.locator("#certificate").wait_for()
    fits("erased")
    page.goto(f"{web}/preferences?lang={lang}")
    seen.errors[:] = [one for one in seen.errors if "status of 403" not in one]
    fits("closed")


def test_the_certificate_can_be_saved(web: str, reader: int, look: Open, sql: Sql, bells: Bells) -> None:
    page = enter(look(375, script=False), web, sql, bells)
    page.goto(f"{web}/preferences/erase")
    page.locator("#sure").check()
    page.locator("button.danger").click()
    with page.expect_download() as saving:
        page.locator("a[download]").click()
    assert saving.value.suggested_filename.startswith("erasure-")
    assert '"certificate"' in saving.value.path().read_text()


@pytest.mark.parametrize(("width", "scheme", "lang"), [(320, "dark", "zh-Hans"), (1280, "light", "en")])
def test_what_stands_beside_the_leave_button_fits_and_can_be_read(
    web: str, reader: int, look: Open, width: int, scheme: str, lang: str
) -> None:
    seen = look(width, scheme, script=True)
    page, leave = seen.page, f"{web}/u/{Signer(Purpose.LEAVE).sign(reader)}?lang={lang}"
    for action in ("pause", "tracking", "link"):
        page.goto(leave)
        page.locator(f"form[action*='/{action}'] button").click()
        page.locator("h1").wait_for()
        assert seen.complaints() == [], action
    page.goto(leave)
    page.locator("input[value=date]").check()
    page.locator("form[action*='/pause'] button").click()
    page.locator(".errors").wait_for()
    seen.errors[:] = [one for one in seen.errors if "status of 422" not in one]
    assert seen.complaints() == []
    page.goto(leave)
    page.locator("button.primary").click()
    page.locator("input[value=other]").check()
    assert seen.complaints() == []
    page.locator("#words").fill("Too much.")
    page.locator("form[action*='/reason'] button").click()
    page.locator("h1").wait_for()
    assert seen.complaints() == []
