"""From an address typed into a form, through real mails in the sandbox, to a changed address: every link as the reader gets it."""

import re
from collections.abc import Callable
from typing import Any

from service import queue
from service.operations import linking, mailing_sending
from tests.builders import a_newsletter, readers
from tests.conftest import Sandbox
from tests.web.browsing import Page, Person

Bells = list[tuple[str, tuple[int, ...]]]
OLD, NEW = "mei@readers.example", "mei.new@readers.example"


def work(bells: Bells) -> None:
    """Do what was rung for in the mail queue."""
    doing = {queue.ANSWER_LINK_REQUEST: linking.answer, queue.SEND_MAIL: mailing_sending.send_mail}
    while due := [bell for bell in bells if bell[0] in doing]:
        bells.remove(due[0])
        doing[due[0][0]](*due[0][1])


def link_in(sandbox: Sandbox, to: str, path: str) -> str:
    """The only link of this kind in the mails to that address, the same in both parts."""
    both = [copy["text"] + copy["html"] for copy in sandbox.messages(to)]
    (found,) = {one for text in both for one in re.findall(rf"http://[^\s\"<>]+/{path}/[\w-]+", text)}
    return str(found)


def press(person: Person, url: str, **fields: str) -> Page:
    page = person.get(url)
    return person.press(page, url.rsplit("/", 1)[1], **fields)


def test_a_reader_reaches_their_page_by_mail_and_moves_to_another_address(
    web: str, sandbox: Sandbox, sql: Callable[..., list[Any]], bells: Bells
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, [OLD], tracking="agreed")
    person = Person()
    person.press(person.get(f"{web}/manage"), "/manage", address=OLD)
    work(bells)
    page = press(person, link_in(sandbox, OLD, "m"))
    assert OLD in page.said
    assert OLD not in page.url
    person.press(person.get(f"{web}/preferences/address"), "/address", address=NEW)
    work(bells)
    ends = [link_in(sandbox, to, "a") for to in (OLD, NEW)]
    assert ends[0] != ends[1]
    for end in ends:
        assert press(Person(), end, answer="yes").status == 200
    assert sql("SELECT address FROM subscribers") == [(NEW,)]
    mails_before = len(sandbox.messages(NEW))
    work(bells)
    assert len(sandbox.messages(NEW)) == mails_before + 1, "told at the new address that it is done"
    assert len(sandbox.messages(OLD)) == 2, "the link, and the question; nothing more"
    for copy in [*sandbox.messages(OLD), *sandbox.messages(NEW)]:
        assert "readers.example" not in copy["text"] + copy["html"], "mails get forwarded"
