"""Programs that open every link before the reader does, once more: each mail that the service writes on its own. Whatever is
opened, by GET, by HEAD, or in a browser with script, not one row anywhere is another."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from service import queue
from service.operations import linking, mailing, mailing_sending
from tests.browser.conftest import Open
from tests.browser.test_scanners import fetch
from tests.builders import readers
from tests.conftest import Sandbox
from tests.everything import dump
from tests.web.signups import Sql, Visitor, filled, open_newsletter, ticket

pytestmark = pytest.mark.browser
Bells = list[tuple[str, tuple[int, ...]]]

TASKS: dict[str, Callable[..., Any]] = {
    queue.ANSWER_SIGNUP: mailing.answer_signup,
    queue.ANSWER_LINK_REQUEST: linking.answer,
    queue.SEND_MAIL: mailing_sending.send_mail,
}
NEW, KNOWN = "new@readers.example", "known@readers.example"
MOVING, MOVED = "moving@readers.example", "moved@readers.example"


def work_off(bells: Bells) -> None:
    while bells:
        name, arguments = bells.pop(0)
        TASKS[name](*arguments)


def links(mail: dict[str, Any]) -> list[str]:
    """Every address in a mail: links and pictures, the text part, the headers."""
    found = re.findall(r'(?:href|src)="(http[^"]+)"', mail["html"]) + re.findall(r"https?://[^\s<>]+", mail["text"])
    found += re.findall(r"<(http[^>]+)>", mail["headers"].get("List-Unsubscribe", ""))
    return sorted({unescape(one).split("#")[0] for one in found})


def mails(web: str, sql: Sql, sandbox: Sandbox, bells: Bells) -> dict[str, dict[str, Any]]:
    """One mail of each kind that follows from a form: what its kind is, and the mail as it was delivered."""
    newsletter_id = open_newsletter(sql, welcome="Welcome on board.")
    readers(newsletter_id, [KNOWN, MOVING])
    visitor = Visitor(web)
    _, page, _ = visitor.get("/n/monthly")
    for address in (NEW, KNOWN, "welcomed@readers.example"):
        assert visitor.send("/subscribe", filled(page, address))[0] == 303
    work_off(bells)
    (confirm,) = sandbox.messages("welcomed@readers.example")
    (link,) = (one for one in links(confirm) if "/c/" in one)
    assert visitor.send(link, [])[0] == 200
    assert visitor.send("/manage", [("address", KNOWN)])[0] == 303
    work_off(bells)
    welcome = next(one for one in sandbox.messages("welcomed@readers.example") if one["html"] != confirm["html"])
    known, manage = sorted(sandbox.messages(KNOWN), key=lambda one: any("/m/" in link for link in links(one)))
    old, new = mails_of_a_move(visitor, sandbox, bells)
    return {
        "confirm": sandbox.messages(NEW)[0],
        "welcome": welcome,
        "known": known,
        "manage": manage,
        "change-old": old,
        "change-new": new,
    }


def mails_of_a_move(visitor: Visitor, sandbox: Sandbox, bells: Bells) -> tuple[dict[str, Any], dict[str, Any]]:
    """A reader asks for a change of address: what both ends get."""
    assert visitor.send("/manage", [("address", MOVING)])[0] == 303
    work_off(bells)
    (manage,) = sandbox.messages(MOVING)
    (link,) = (one for one in links(manage) if "/m/" in one)
    assert visitor.send(link, [])[0] == 303
    _, page, _ = visitor.get("/preferences/address")
    assert visitor.send("/preferences/address", [("form", ticket(page)), ("address", MOVED)])[0] == 303
    work_off(bells)
    (old,) = (one for one in sandbox.messages(MOVING) if one["html"] != manage["html"])
    (new,) = sandbox.messages(MOVED)
    return old, new


def test_opening_every_link_of_the_services_own_mails_changes_nothing(
    web: str, sql: Sql, sandbox: Sandbox, bells: Bells, look: Open
) -> None:
    found = mails(web, sql, sandbox, bells)
    before = dump(sql)
    context = look().page.context
    seen = set()
    for kind, mail in found.items():
        here = [one for one in links(mail) if one.startswith(web)]
        assert here, f"{kind} leads somewhere"
        for url in here:
            seen.add(url.removeprefix(web)[:3])
            assert [fetch(method, url) for method in ("GET", "HEAD")] == [200, 200], (kind, url)
            page = context.new_page()
            page.goto(url, wait_until="networkidle")
            page.close()
    assert seen >= {"/c/", "/u/", "/m/", "/a/"}, "each kind of link is among them"
    assert dump(sql) == before
    assert bells == []

    (link,) = (one for one in links(found["confirm"]) if "/c/" in one)
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Yes").click()
    page.get_by_role("heading", name="You are signed up").wait_for()
    assert dump(sql) != before, "the comparison would have seen it"
