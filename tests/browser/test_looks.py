"""The parts that pages for readers are made of: all of them on one page, in any width, by day and by night, in long words
and in Chinese, in any newsletter's colours."""

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Response
from jinja2 import ChoiceLoader, FileSystemLoader
from playwright.sync_api import Page
from werkzeug.serving import make_server

from service import factory
from service.settings import Settings
from service.web import frame
from tests.browser.conftest import Open
from tests.builders import a_newsletter

pytestmark = pytest.mark.browser

DAY = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
WORDS = {
    "en": {
        "title": "Choose what you get",
        "lead": "Two letters a month, and nothing else unless you ask for it.",
        "text": "You opened this page from a mail. Opening it has changed nothing, and nobody was told that you did.",
        "address": "Email address",
        "name": "First name",
        "remarks": "Anything you would like to tell us",
        "hint": "We write to no other address, and give it to nobody.",
        "wrong": "Write the address in full, such as name@firm.example.",
        "choice": "What brings you here?",
        "consent": "I would like to receive the Data Letter by email about twice a month. I can leave at any time by one click; leaving costs nothing and needs no reason. What I have agreed to, and when, is kept as evidence.",
        "send": "Save my choices",
        "back": "Go back without saving",
        "danger": "Delete everything about me",
        "steps": ["Your address", "Your choices", "Confirmation"],
    },
    "de": {
        "title": "Datenschutzgrundverordnungsrundschreibenseinstellungen verwalten",
        "lead": "Zweimal im Monat ein Rundschreiben, und sonst nichts, solange Sie nicht darum bitten.",
        "text": "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetzgebungsverfahrensbeteiligte lesen diese Seite, ohne dass sich etwas ändert.",
        "address": "Geschäftliche E-Mail-Adresse für Datenschutzangelegenheiten",
        "name": "Rechtsschutzversicherungsgesellschaftsbezeichnung",
        "remarks": "Verbesserungsvorschläge",
        "hint": "Empfängeradressenverwaltungsvorschriften gelten auch hier; weitergegeben wird nichts.",
        "wrong": "Bitte geben Sie die Adresse vollständig an, zum Beispiel name@kanzlei.example.",
        "choice": "Welche Veröffentlichungen möchten Sie erhalten?",
        "consent": "Ich möchte das Datenschutzgrundverordnungsrundschreiben etwa zweimal im Monat per E-Mail erhalten. Ich kann es jederzeit mit einem Klick abbestellen.",
        "send": "Einwilligungserklärungen speichern",
        "back": "Zurück, ohne zu speichern",
        "danger": "Sämtliche personenbezogenen Daten unwiderruflich löschen",
        "steps": ["Adressangabe", "Einwilligungserklärungen", "Bestätigungsnachricht"],
    },
    "zh-Hans": {
        "title": "选择您想收到的内容",
        "lead": "每月两期；除非您另有要求，我们不会发送其他邮件。",
        "text": "您是从邮件中打开本页的。打开本页不会改变任何设置，也不会通知任何人。",
        "address": "电子邮箱",
        "name": "名字",
        "remarks": "您还想告诉我们什么",
        "hint": "我们不会向其他地址发送邮件，也不会把它提供给任何人。",
        "wrong": "请填写完整的邮箱地址，例如 name@firm.example。",
        "choice": "您为什么来到这里？",
        "consent": "我愿意每月收到约两期《数据保护月报》。我可以随时一键退订，无须支付费用，也无须说明理由。我同意的内容和时间会作为证据保存。",
        "send": "保存我的选择",
        "back": "不保存，返回",
        "danger": "删除与我有关的全部信息",
        "steps": ["您的邮箱", "您的选择", "确认"],
    },
}
COLOURS = {
    "plain": "#1f3a5f",
    "yellow": "#ffe94d",
    "black": "#000000",
    "grey": "#777777",
    "white": "#ffffff",
    "red": "#ff0000",
}
WIDTHS = (320, 390, 768, 1280)

SMALL = """
    [...document.querySelectorAll('button, .button, .languages a, .links a, .entries a, .errors a, summary, select, textarea, .tick label, input')]
    .filter(one => !one.matches('.tick input, [type=hidden]'))
    .map(one => [one, one.getBoundingClientRect()])
    .filter(([one, box]) => box.height < 44 || box.width < 44)
    .map(([one, box]) => `${one.tagName} ${one.textContent.trim().slice(0, 30)} ${box.width}x${box.height}`)
"""


@pytest.fixture
def parts(database: Settings) -> Iterator[str]:
    """The application with one more page, which shows every part."""
    app = factory.create_app(database)
    logging.getLogger().handlers[:] = []
    assert app.jinja_loader is not None
    app.jinja_loader = ChoiceLoader([app.jinja_loader, FileSystemLoader(Path(__file__).parent)])
    for slug, colour in COLOURS.items():
        a_newsletter(
            slug,
            name="Data Letter 数据保护月报",
            brand_colour=colour,
            postal_address="Data Letter\n1 Quay Street\nHarbourton",
        )

    @app.get("/parts/<slug>")
    def show(slug: str) -> Response:
        frame.newsletter(slug)
        return frame.page("components.html", words=WORDS.get(frame.language(), WORDS["en"]), day=DAY)

    server = make_server("127.0.0.1", database.port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"{database.public_url}/parts"
    server.shutdown()
    thread.join()


def small_targets(page: Page) -> list[str]:
    found: list[str] = page.evaluate(SMALL)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", WORDS)
def test_every_part_fits_and_can_be_read_and_hit(parts: str, look: Open, language: str, scheme: str) -> None:
    for width in WIDTHS:
        seen = look(width, scheme)
        seen.page.goto(f"{parts}/plain?lang={language}")
        assert seen.page.locator("html").get_attribute("lang") == language
        assert seen.complaints() == [], f"{width} pixels"
        assert small_targets(seen.page) == [], f"{width} pixels"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_part_can_be_read_in_any_newsletters_colours(parts: str, look: Open, scheme: str) -> None:
    for slug in COLOURS:
        seen = look(390, scheme)
        seen.page.goto(f"{parts}/{slug}")
        assert seen.complaints() == [], slug


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_nothing_is_cut_off_when_letters_are_twice_as_large_or_run_the_other_way(
    parts: str, look: Open, direction: str
) -> None:
    seen = look(640)
    seen.page.goto(f"{parts}/plain?lang=de")
    seen.page.evaluate(
        f"document.documentElement.style.fontSize = '200%'; document.documentElement.dir = '{direction}'"
    )
    seen.errors.clear()
    assert seen.complaints() == []


def test_what_went_wrong_is_the_first_thing_met_and_leads_to_its_field(parts: str, look: Open) -> None:
    page = look(390, script=False).page
    page.goto(f"{parts}/plain")
    for name in ("address", "agreed", "topic"):
        page.goto(f"{parts}/plain")
        assert page.locator(".errors:focus").count() == 1
        page.locator(f".errors a[href='#{name}']").press("Enter")
        assert page.locator(f"#{name}:focus").count() == 1
    described = page.locator("#address").get_attribute("aria-describedby")
    assert described == "address-hint address-error"
    assert page.locator("[aria-invalid=true]").count() == 2


def test_the_words_beside_a_box_tick_it(parts: str, look: Open) -> None:
    page = look(320).page
    page.goto(f"{parts}/plain")
    label = page.locator("label[for=agreed]")
    box = label.bounding_box()
    assert box
    label.click(position={"x": box["width"] - 4, "y": box["height"] - 4})
    assert page.locator("#agreed").is_checked()


def test_focus_is_seen_on_everything_that_can_have_it(parts: str, look: Open) -> None:
    page = look(768).page
    page.goto(f"{parts}/plain")
    places = page.locator("main :is(a, button, input, select, textarea, summary), footer a").count()
    # Three radio buttons are one stop.
    stops = places - 2
    unseen = []
    for _ in range(stops):
        page.keyboard.press("Tab")
        style = page.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement); return [document.activeElement.outerHTML, s.outlineStyle, parseFloat(s.outlineWidth)] })()"
        )
        if style[1] == "none" or style[2] < 2:
            unseen.append(style)
    assert unseen == []


def test_the_parts_stand_in_forced_colours_and_on_paper(parts: str, look: Open) -> None:
    seen = look(768)
    seen.page.emulate_media(forced_colors="active")
    seen.page.goto(f"{parts}/yellow")
    assert seen.complaints() == []
    seen.page.emulate_media(forced_colors="none", media="print")
    assert not seen.page.locator(".languages").is_visible()
    assert not seen.page.get_by_role("button").first.is_visible()
    ink = seen.page.evaluate("getComputedStyle(document.querySelector('.masthead')).color")
    assert ink == "rgb(0, 0, 0)", "no band is printed, so the name is dark"


def test_nothing_moves_for_those_who_asked_for_stillness(parts: str, look: Open) -> None:
    page = look(768).page
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{parts}/plain")
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter(one => parseFloat(getComputedStyle(one).transitionDuration) > 0).length"
    )
    assert moving == 0
