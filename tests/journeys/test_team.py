"""The team's whole way in a browser, as somebody who has read nothing: from the first visit to what became of one named reader.
Every screen on it is photographed, looked at by axe in light and dark, and must not scroll sideways."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from service.operations import operators
from tests.conftest import Sandbox
from tests.journeys.looking import Walk
from tests.rendering.word import word_letter
from tests.team import PASSWORD, an_operator, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]
Drain = Callable[..., int]
ROWS, BAD = 5000, 100


def readers_file(folder: Path) -> Path:
    rows = ["E-mail address,First name,Office"]
    rows += [f"reader{n:05d}@readers.example,Reader{n},Berlin" for n in range(ROWS - BAD)]
    rows += [f"broken-{n},Nobody,Nowhere" for n in range(BAD)]
    path = folder / "readers.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_from_the_first_visit_to_what_became_of_one_reader(
    web: str,
    walk: Callable[[str], Walk],
    tmp_path: Path,
    drain: Drain,
    sql: Callable[..., list[Any]],
    sandbox: Sandbox,
    other_settings: Callable[..., Any],
) -> None:
    other_settings(batch_size=500)
    ada = walk("ada")
    page = ada.page
    page.goto(f"{web}/admin/set-up?code={operators.set_up_code()}")
    ada.look("set-up")
    page.get_by_label("Your name").fill("Ada Quill")
    page.get_by_label("Email address").fill("ada@team.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Your time zone").fill("Europe/Berlin")
    page.get_by_role("button", name="Make my account").click()
    expect(page.get_by_text("The first three steps")).to_be_visible()
    expect(page.get_by_text("nothing that is sent here reaches anybody")).to_be_visible()
    ada.look("home-empty")
    newsletter(ada)
    imported(ada, readers_file(tmp_path), drain)
    issue = written(ada, tmp_path)
    approved(ada, walk("bo"), web, issue)
    sent(ada, web, issue, drain, sql)
    reported(ada, web, issue)
    assert "\n".join(ada.complaints) == ""


def newsletter(ada: Walk) -> None:
    page = ada.page
    page.get_by_role("link", name="Make a newsletter").click()
    page.get_by_label("Name", exact=True).fill("Data Letter")
    page.get_by_label("Sender's address").fill("letter@sender.example")
    page.get_by_label("Postal address").fill("3 Grain Quay\nNorthmere")
    ada.look("newsletter-new")
    page.get_by_role("button", name="Make the newsletter").click()
    page.get_by_label("A second person must approve").check()
    page.locator("#sending").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    ada.look("newsletter")


def imported(ada: Walk, path: Path, drain: Drain) -> None:
    page = ada.page
    page.get_by_role("link", name="Imports").click()
    page.get_by_role("link", name="Import readers").first.click()
    page.get_by_label("A CSV file").set_input_files(path)
    ada.look("import-new")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("how, where and when?").fill("Ticked the box on the seminar form, March 2026")
    ada.look("import-columns")
    page.get_by_role("button", name="Look what would become of every row").click()
    expect(page.get_by_text("Looking at every row")).to_be_visible()
    drain()
    expect(page.get_by_text("This is what would become of the rows")).to_be_visible(timeout=20_000)
    expect(page.get_by_text(f"{BAD} in all.")).to_be_visible()
    ada.look("import-review")
    page.get_by_label("Type how many readers are added").fill(str(ROWS - BAD))
    page.get_by_role("button", name=f"Import {ROWS - BAD:,} readers").click()
    drain()
    expect(page.get_by_text(f"{ROWS - BAD:,} readers of the file get the next issue")).to_be_visible(timeout=20_000)
    ada.look("import-done")


def written(ada: Walk, folder: Path) -> int:
    page = ada.page
    path = folder / "letter.docx"
    path.write_bytes(word_letter())
    page.get_by_role("link", name="Issues").click()
    page.get_by_role("link", name="New issue").first.click()
    expect(page.get_by_label("A Word (.docx)")).to_be_visible()
    ada.look("issue-new")
    page.get_by_label("A Word (.docx)").set_input_files(path)
    page.get_by_role("button", name="Begin with this file").click()
    page.wait_for_selector("[data-ready]")
    page.wait_for_selector("#preflight h3, #preflight .state.good")
    ada.look("write")
    page.get_by_label("Preview text").fill("What changed in data protection this month")
    page.locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nAnd {{ nothing_of_that_name }}.")
    page.keyboard.press("Escape")
    expect(page.locator("#saved")).to_contain_text("cannot be rendered yet", timeout=15_000)
    expect(page.locator("#preflight .errors")).to_contain_text("nothing_of_that_name")
    ada.look("write-problem")
    page.locator("#preflight .errors [data-line]").first.click()
    for _ in range(4):
        page.keyboard.press("Control+z")
    page.keyboard.press("Control+s")
    expect(page.locator("#saved")).to_have_text(re.compile(r"Saved \d\d:\d\d$"), timeout=15_000)
    expect(page.locator("#preflight .errors")).to_have_count(0)
    return int(page.url.split("/issues/")[1].split("/")[0])


def approved(ada: Walk, bo: Walk, web: str, issue: int) -> None:
    page = ada.page
    page.get_by_role("link", name="Send", exact=True).click()
    expect(page.get_by_text("a second person has not approved it as it is now")).to_be_visible()
    ada.look("send-not-approved")
    page.get_by_role("link", name="Approval").first.click()
    page.get_by_role("button", name="Ask for approval").click()
    sign_in(bo.page.context, web, an_operator("approver", name="Bo Reed"))
    bo.page.goto(f"{web}/admin/")
    expect(bo.page.get_by_text("waits for your approval")).to_be_visible()
    bo.look("home-approver")
    bo.page.locator("main").get_by_role("link").first.click()
    expect(bo.page.get_by_role("button", name="Approve exactly this")).to_be_visible()
    bo.look("approval")
    bo.page.get_by_role("button", name="Approve exactly this").click()
    expect(bo.page.get_by_text("Approved. Whatever is changed now ends the approval.")).to_be_visible()
    assert bo.complaints == []
    page.goto(f"{web}/admin/issues/{issue}/audience")
    ada.look("audience")


def sent(ada: Walk, web: str, issue: int, drain: Drain, sql: Callable[..., list[Any]]) -> None:
    page = ada.page
    number = f"{ROWS - BAD:,}"
    page.goto(f"{web}/admin/issues/{issue}/send")
    expect(page.get_by_role("button", name="Send to 4,900 readers")).to_be_visible()
    ada.look("send")
    page.get_by_label("Type how many readers get it").fill(number)
    page.get_by_role("button", name=f"Send to {number} readers").dblclick()
    expect(page.get_by_text("Nothing has been sent yet")).to_be_visible()
    ada.look("send-undo")
    sql("UPDATE issues SET scheduled_at = now() - interval '1 second'")
    from service import queue  # noqa: PLC0415
    from service.operations import preparing  # noqa: PLC0415

    preparing.prepare(issue)
    drain(at_most=2, only=queue.SEND_BATCH)
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", name="Paused", exact=True)).to_be_visible()
    before = sql("SELECT count(*) FROM attempts WHERE state = 'accepted'")
    drain()
    assert sql("SELECT count(*) FROM attempts WHERE state = 'accepted'") == before
    ada.look("send-paused")
    page.get_by_role("button", name="Resume").click()
    drain()
    expect(page.get_by_role("heading", name="Sent", exact=True)).to_be_visible(timeout=15_000)
    ada.look("send-done")


def reported(ada: Walk, web: str, issue: int) -> None:
    page = ada.page
    page.goto(f"{web}/admin/issues/{issue}/report")
    expect(page.get_by_text("Ledger closed")).to_be_visible()
    ada.look("report")
    page.get_by_role("link", name="Readers", exact=True).click()
    page.wait_for_url("**/admin/readers*")
    ada.look("readers")
    page.keyboard.press("/")
    page.keyboard.type("reader00042")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="reader00042@readers.example").click()
    expect(page.get_by_role("link", name="Their copy")).to_be_visible()
    ada.look("reader")
    page.get_by_role("link", name="Their copy").click()
    expect(page.get_by_role("heading", name="Proven", exact=True)).to_be_visible()
    ada.look("copy")
    page.goto(f"{web}/admin/")
    ada.look("home")
