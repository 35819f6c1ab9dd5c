"""The archive in a browser: on any screen, by day and night, on paper, without script; and nothing of it asks anybody else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog

from service.lab.demo import SAMPLE
from service.operations import authoring, scheduling
from service.operations.authoring import Source
from tests.browser.conftest import Open
from tests.builders import a_newsletter, readers
from tests.conftest import Sandbox
from tests.forms import LOOKS
from tests.web.test_archive import HOSTILE

pytestmark = pytest.mark.browser
Sql = Callable[..., list[Any]]
Publish = Callable[[Source], str]


@pytest.fixture
def publish(web: str, sandbox: Sandbox, drain: Callable[..., int], sql: Sql) -> Publish:
    """Send a text as an issue of a newsletter with an archive; the address that its mails name."""
    newsletter = a_newsletter(name="Data Letter", postal_address="3 Grain Quay, Northmere")
    sql("UPDATE newsletters SET has_archive = true, description = 'Data protection, once a month'")
    readers(newsletter, ["mei@readers.example"])

    def send(source: Source) -> str:
        issue, _ = authoring.create_issue(source, newsletter_id=newsletter, actor="test")
        scheduling.schedule(issue, actor="test")
        drain()
        return f"{web}/n/monthly/{issue}"

    return send


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_sample_letter_and_its_list_fit_and_can_be_read(
    web: str, publish: Publish, look: Open, width: int, scheme: str
) -> None:
    address = publish(authoring.read_source(SAMPLE))
    seen = look(width, scheme)
    seen.page.goto(address)
    seen.page.get_by_role("heading", name="Three deadlines before the year is out").wait_for()
    assert seen.complaints() == []
    assert seen.page.evaluate("[...document.images].every(image => image.loading === 'lazy' || image.naturalWidth > 0)")
    for place in ("archive", "archive?q=bakery", "archive?q=zebra"):
        seen.page.goto(f"{web}/n/monthly/{place}")
        assert seen.complaints() == [], place


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_real_edition_fits_and_can_be_read(
    shared: Path, publish: Publish, look: Open, width: int, scheme: str
) -> None:
    (edition,) = (shared / "real").glob("*.txt")
    seen = look(width, scheme)
    seen.page.goto(publish(authoring.read_source(edition)))
    assert seen.complaints() == []
    assert seen.page.locator("h1").count() == 1
    assert seen.page.locator(".notes li").count() == 18


def test_every_jump_lands_somewhere_and_the_way_back_too(publish: Publish, look: Open) -> None:
    page = look(script=True).page
    page.goto(publish(authoring.read_source(SAMPLE)))
    lost = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href').slice(1))"
        ".filter(name => !document.getElementById(decodeURIComponent(name)))"
    )
    assert lost == []
    page.get_by_role("link", name="Note 3").first.click()
    assert page.evaluate("document.querySelector(':target').id") == "fn-3"
    page.locator("#fn-3").get_by_role("link", name="Back to the text").first.click()
    assert page.evaluate("document.querySelector(':target').id") == "fnref-3"


def test_a_reader_finds_an_issue_by_keyboard_and_without_script(web: str, publish: Publish, look: Open) -> None:
    publish(authoring.read_source(SAMPLE))
    page = look(375, script=False).page
    page.goto(f"{web}/n/monthly/archive")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("林若溪")
    page.keyboard.press("Enter")
    page.get_by_text("One issue with “林若溪”").wait_for()
    page.locator(".entries a").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Three deadlines before the year is out").wait_for()
    page.get_by_role("link", name="All issues").click()
    page.get_by_role("heading", name="All issues").wait_for()


def test_a_wide_table_scrolls_by_itself(publish: Publish, look: Open, tmp_path: Path) -> None:
    cells = " | ".join(f"Unbreakable{n}word" for n in range(9))
    seen = look(320)
    seen.page.goto(publish(Source(f"# T\n\n| {cells} |\n|{' - |' * 9}\n| {cells} |\n", tmp_path)))
    assert seen.complaints() == []
    frame = seen.page.get_by_role("region", name="Table")
    assert frame.evaluate("frame => frame.scrollWidth > frame.clientWidth")
    frame.focus()
    seen.page.keyboard.press("ArrowRight")
    # Not wait_for_function: the page's own policy lets no string be run.
    for _ in range(100):
        if frame.evaluate("frame => frame.scrollLeft") > 0:
            break
        seen.page.wait_for_timeout(20)
    assert frame.evaluate("frame => frame.scrollLeft") > 0


def test_on_paper_there_are_the_words_and_no_buttons(publish: Publish, look: Open) -> None:
    page = look().page
    page.goto(publish(authoring.read_source(SAMPLE)))
    assert page.locator(".signup").is_visible()
    page.emulate_media(media="print")
    for gone in (".signup", ".contents", ".languages"):
        assert not page.locator(gone).is_visible(), gone
    assert page.locator(".notes li").first.is_visible()
    assert page.pdf()[:5] == b"%PDF-"


def test_hostile_words_run_nothing_and_ask_nobody(publish: Publish, look: Open, tmp_path: Path) -> None:
    seen = look()
    told: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        told.append(dialog.message)
        dialog.dismiss()

    seen.page.on("dialog", dismiss)
    seen.page.goto(publish(Source(HOSTILE, tmp_path)), wait_until="networkidle")
    assert seen.page.get_by_text("The end.").is_visible()
    assert seen.complaints() == []
    assert told == []
