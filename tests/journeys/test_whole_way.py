"""The whole way of a reader, from a form to being erased: in a real browser, with the keyboard alone or without script, in
English and in Chinese, every link taken from the mail that brings it."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from service.languages import say
from service.operations import scheduling, verifying
from service.tokens import email_key
from tests.browser.conftest import Open
from tests.builders import an_issue
from tests.conftest import Sandbox
from tests.everything import dump
from tests.journeys import inspection
from tests.journeys.hands import Keyboard, Pointer
from tests.journeys.walk import LOCALES, Walk
from tests.web.signups import Sql, open_newsletter

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
Drain = Callable[..., int]
MEI = "mei.lin@readers.example"
NAMES = {"en": "The Data Letter", "zh-Hans": "数据法务月报"}
ABOUT = {"en": "What matters in data protection, once a month.", "zh-Hans": "每月一期，数据保护要闻。"}
OTHER = {"en": "zh-Hans", "zh-Hans": "en"}
FIELDS = '[{"name": "first_name"}, {"name": "practice", "label": {"en": "Practice", "zh-Hans": "业务领域"}, "required": true}]'
TYPED = re.compile(r"mei|copyright in|readers\.example", re.IGNORECASE)
BOXES = ("newsletter", "tracking", "export")


@pytest.fixture
def newsletter(sql: Sql, language: str) -> int:
    """A newsletter in the reader's language that asks for everything it can ask for."""
    return open_newsletter(
        sql,
        name=NAMES[language],
        language=language,
        description=ABOUT[language],
        needs_export_consent=True,
        signup_fields=FIELDS,
        privacy_url="https://www.firm.example/privacy",
        time_zone="Asia/Shanghai",
        welcome="",
    )


@pytest.fixture
def walk(
    web: str, sandbox: Sandbox, sql: Sql, drain: Drain, look: Open, newsletter: int, language: str, script: bool
) -> Walk:
    hands = Keyboard() if script else Pointer()
    seen = look(375, script=script, locale=LOCALES[language])
    return Walk(web, sandbox, sql, drain, look, hands, script, language, MEI, seen)


@pytest.mark.parametrize(
    ("language", "script"),
    [
        pytest.param("en", True, id="keyboard-en"),
        pytest.param("zh-Hans", False, id="no-script-zh-Hans"),
        pytest.param("en", False, id="no-script-en", marks=pytest.mark.long),
        pytest.param("zh-Hans", True, id="keyboard-zh-Hans", marks=pytest.mark.long),
    ],
)
def test_a_reader_signs_up_confirms_chooses_leaves_stays_and_is_erased(
    walk: Walk, newsletter: int, language: str, script: bool
) -> None:
    sign_up(walk)
    confirm(walk)
    come_in(walk)
    change(walk)
    leave_and_stay(walk, newsletter)
    last_link = be_erased(walk)
    nothing_is_left_but_proof(walk)
    and_nothing_leads_back(walk, last_link)


def sign_up(walk: Walk) -> None:
    walk.go("/n/monthly")
    walk.sees("Get %(newsletter)s by email", newsletter=NAMES[walk.language])
    walk.write("#address", MEI)
    walk.write("#first_name", "Meilin")
    walk.write("#own_practice", "Copyright in maps")
    for box in BOXES:
        walk.tick(f"#{box}-monthly")
    walk.take_time()
    walk.press("main button.primary")
    walk.sees("Look into your mailbox")
    assert walk.sql("SELECT address, language FROM signups") == [(MEI, walk.language)]


def confirm(walk: Walk) -> None:
    link = walk.link(walk.mail("Please confirm: %(newsletter)s", newsletter=NAMES[walk.language]), "c")
    stranger = walk.browser()
    stranger.page.goto(link)
    walk.sees("One click, and it begins", by=stranger)
    assert walk.sql("SELECT count(*) FROM subscriptions") == [(0,)], "looking changes nothing"
    walk.go(link)
    if not walk.script:
        walk.press("main button")
    walk.sees("You are signed up")
    assert walk.sql("SELECT state, tracking, export_consent FROM subscriptions") == [("active", "agreed", "agreed")]
    walk.mail("Welcome to %(newsletter)s", newsletter=NAMES[walk.language])


def come_in(walk: Walk) -> None:
    walk.press("main a[href*='/manage']")
    walk.sees("Your newsletters")
    walk.write("#address", MEI)
    walk.press("main button")
    walk.sees("Look into your mailbox")
    link = walk.link(walk.mail("Your link to your settings"), "m")
    stranger = walk.browser()
    stranger.page.goto(link)
    walk.sees("Open your page", by=stranger)
    assert walk.sql("SELECT used_at FROM links") == [(None,)], "looking changes nothing"
    walk.go(link)
    if not walk.script:
        walk.press("main button")
    walk.sees("Your newsletters")
    assert "/preferences" in walk.seen.page.url


def change(walk: Walk) -> None:
    """The language there and back: the page speaks it at once. Then the rest."""
    other = OTHER[walk.language]
    walk.choose("#language", other)
    walk.press("main button.primary")
    expect(walk.seen.page.locator(".notice.good h2")).to_have_text(say(other, "Saved"))
    inspection.speaks(walk.seen.page, other, name=NAMES[walk.language])
    walk.choose("#language", walk.language)
    walk.write("#first_name", "Mei")
    walk.tick("#tracking-monthly", on=False)
    walk.press("main button.primary")
    walk.sees("Saved", at=".notice.good h2")
    assert walk.sql("SELECT first_name, language FROM subscribers") == [("Mei", walk.language)]
    assert walk.sql("SELECT state, tracking, export_consent FROM subscriptions") == [("active", "objected", "agreed")]
    for path, heading in (("why", "Why do I get this?"), ("data", "What is kept of you")):
        walk.press(f"main a[href*='/preferences/{path}']")
        walk.sees(heading)
        walk.press("main a[href$='/preferences']")
        walk.arrives("Your newsletters")


def leave_and_stay(walk: Walk, newsletter: int) -> None:
    scheduling.schedule(an_issue(newsletter), actor="test")
    mail = walk.mail()
    assert "Mei," in mail["text"], "by the name of today"
    assert "/o/" not in mail["html"], "who took tracking back is not tracked"
    walk.go(walk.link(mail, "u"))
    walk.sees("Leave this newsletter?")
    assert walk.sql("SELECT state FROM subscriptions") == [("active",)], "looking changes nothing"
    walk.press("main button.primary")
    walk.sees("You have left")
    assert walk.sql("SELECT state FROM subscriptions") == [("unsubscribed",)]
    walk.press("main form[action*='/undo'] button")
    walk.sees("Undone: everything is as before")
    assert walk.sql("SELECT state, tracking FROM subscriptions") == [("active", "objected")]


def be_erased(walk: Walk) -> str:
    """Returns the leave link of the last mail."""
    walk.go("/preferences")
    walk.press("main a[href*='/preferences/erase']")
    walk.sees("Have yourself erased")
    walk.tick("#sure")
    walk.press("main button.danger")
    walk.sees("You are erased")
    certificate = json.loads(walk.seen.page.locator("#certificate").input_value())
    assert certificate["keyed_hash"] == email_key(MEI).hex(), "the reader can hold us to it"
    (last,) = [one for one in walk.sandbox.messages(MEI) if "/u/" in one["text"] and "News of the month" in one["text"]]
    return walk.link(last, "u")


def nothing_is_left_but_proof(walk: Walk) -> None:
    by_link = "confirm-auto" if walk.script else "confirm-button"
    agreed = [(box, action, how) for box in BOXES for action, how in (("given", "form"), ("confirmed", by_link))]
    assert walk.sql("SELECT purpose, action, method FROM consent_records ORDER BY number") == [
        *agreed,
        ("tracking", "withdrawn", "preferences"),
        ("newsletter", "withdrawn", "page"),
        ("newsletter", "given", "undo"),
        ("newsletter", "confirmed", "undo"),
        ("export", "withdrawn", "erasure"),
        ("newsletter", "withdrawn", "erasure"),
    ]
    proved = verifying.verify()
    assert (proved.findings, proved.acts, proved.readers) == ([], 12, 1)
    key = email_key(MEI)
    assert walk.sql("SELECT DISTINCT email_key FROM consent_records") == [(key,)]
    assert walk.sql("SELECT email_key, lifted_at FROM suppressions") == [(key, None)], "never written to by mistake"
    assert walk.sql("SELECT count(*) FROM subscribers") == [(0,)]
    kept = [(table, row) for table, rows in dump(walk.sql).items() for row in rows if TYPED.search(row)]
    assert kept == [], "nothing that was typed, anywhere"


def and_nothing_leads_back(walk: Walk, leave_link: str) -> None:
    walk.go("/preferences")
    walk.answered(403)
    walk.sees("Your page is closed")
    walk.go(leave_link)
    walk.answered(404)
    walk.sees("You have left")
    walk.go("/manage")
    walk.write("#address", MEI)
    walk.press("main button")
    walk.arrives("Look into your mailbox")
    walk.drain()
    assert len(walk.sandbox.messages(MEI)) == walk.mails, "nobody is there whom a link could be mailed to"
