"""A part of the readers, chosen in a browser by somebody who has read nothing: built line by line, counted meanwhile, used for an
issue; and the same without a script."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.builders import a_newsletter, an_issue, readers
from tests.journeys.looking import Walk
from tests.team import an_operator, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(200)]
Sql = Callable[..., list[Any]]


@pytest.fixture
def newsletter(web: str, sql: Sql) -> int:
    made = a_newsletter()
    readers(made, ["mei@firm.example", "bo@other.example", "ute@other.example"])
    sql("UPDATE subscribers SET language = 'de', attributes = '{\"city\": \"Hamburg\"}' WHERE address NOT LIKE 'mei%%'")
    return made


def test_a_segment_is_built_counted_and_sent_to(
    web: str, newsletter: int, walk: Callable[[str], Walk], sql: Sql
) -> None:
    issue = an_issue(newsletter)
    eve = walk("eve")
    page = eve.page
    sign_in(page.context, web, an_operator("editor"))
    page.goto(f"{web}/admin/segments")
    eve.look("segments-empty")
    page.get_by_role("link", name="Make the first one").click()
    expect(page.locator("#count")).to_contain_text("fill the value in")
    page.get_by_label("Value").fill("de")
    expect(page.locator("#count")).to_contain_text("readers are in it 2")
    page.get_by_role("button", name="and … another block").click()
    second = page.get_by_role("group", name="Block 2, line 1")
    page.locator("#what-2-1").focus()
    page.locator("#what-2-1").select_option("attribute")
    expect(page.locator("#what-2-1")).to_be_focused()
    second.get_by_label("Name of the detail").fill("city")
    second.get_by_label("Value").fill("Hamburg")
    expect(page.locator("#count")).to_contain_text("readers are in it 2")
    page.locator("#line-2").click()
    page.get_by_role("group", name="Block 2, line 2").get_by_label("What it asks about").select_option("active")
    expect(page.locator("#how-2-2")).to_have_value("within")
    page.get_by_role("group", name="Block 2, line 2").get_by_label("Value").fill("30")
    expect(page.locator("#count")).to_contain_text("readers are in it 2")
    eve.look("segment-building")
    page.get_by_role("button", name="Take line 2 of block 2 away").click()
    expect(page.get_by_role("group", name="Block 2, line 2")).to_have_count(0)
    page.get_by_label("Name", exact=True).fill("Hamburg, in German")
    page.get_by_role("button", name="Save the segment").click()
    expect(page.get_by_role("heading", name="Hamburg, in German")).to_be_visible()
    page.get_by_label("Tag", exact=True).fill("North")
    page.get_by_role("button", name="Tag them").click()
    expect(page.get_by_text("2 readers got the tag")).to_be_visible()
    eve.look("segment")
    page.goto(f"{web}/admin/tags")
    eve.look("tags")
    page.goto(f"{web}/admin/issues/{issue}/audience")
    page.get_by_role("group", name="Only readers in one of these").get_by_text("Hamburg, in German").click()
    page.get_by_role("button", name="Save and count").click()
    expect(page.get_by_text("as far as they are in “Hamburg, in German”")).to_be_visible()
    expect(page.locator(".figures")).to_contain_text("readers will get it 2")
    eve.look("audience-of-a-segment")
    page.goto(f"{web}/admin/segments")
    eve.look("segments")
    page.goto(f"{web}/admin/readers/{sql('SELECT max(id) FROM subscribers')[0][0]}")
    expect(page.get_by_text("North")).to_be_visible()
    page.get_by_role("button", name="Take the tag North away").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Tagged.")).to_be_visible()
    eve.look("reader-with-a-tag")
    assert "\n".join(eve.complaints) == ""


def test_without_a_script_each_button_does_the_same(web: str, newsletter: int, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(context, web, an_operator("editor"))
    page.goto(f"{web}/admin/segments/new")
    page.get_by_label("What it asks about").select_option("domain")
    page.get_by_label("Value").fill("other.example")
    page.get_by_role("button", name="Count again").click()
    expect(page.locator("#count")).to_contain_text("readers are in it 2")
    page.get_by_role("button", name="or … another condition").click()
    page.get_by_role("group", name="Block 1, line 2").get_by_label("Value").fill("x")
    page.get_by_role("button", name="Take line 1 of block 1 away").click()
    expect(page.locator("#count")).to_contain_text("readers are in it 0")
    page.get_by_label("Name", exact=True).fill("Nobody")
    page.get_by_role("button", name="Save the segment").click()
    expect(page.get_by_role("heading", name="Nobody")).to_be_visible()
    context.close()
