"""The raw mail: what a mail program is given to read, and that no value can begin a header."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from service.rendering.mime import Mail, raw

MAIL = Mail(
    sender=("Harbour & Lane LLP 律师", "news@firm.example"),
    reader=("Mei Lin 林美", "mei@readers.example"),
    reply_to="office@firm.example",
    subject="News of March — 三月, and what to do about it before the long weekend is over",
    text="Dear Mei,\n\nall is well. 一切都好。\n",
    html="<!DOCTYPE html><html><body><p>Dear Mei, 一切都好。</p></body></html>",
    leave_url="https://news.firm.example/u/preview",
    list_id="<monthly.news.firm.example>",
)


def read(content: bytes) -> EmailMessage:
    found = message_from_bytes(content, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_mail_program_reads_back_what_was_written() -> None:
    found = read(raw(MAIL))
    assert [str(found[name]) for name in ("From", "To", "Reply-To", "Subject", "List-Id")] == [
        "Harbour & Lane LLP 律师 <news@firm.example>", "Mei Lin 林美 <mei@readers.example>", "office@firm.example", MAIL.subject, MAIL.list_id,
    ]  # fmt: skip
    assert found["List-Unsubscribe"] == f"<{MAIL.leave_url}>"
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert found.get_content_type() == "multipart/alternative"
    text, html = found.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == MAIL.text
    assert html.get_content().strip() == MAIL.html


def test_the_same_mail_has_the_same_bytes_in_lines_that_every_server_takes() -> None:
    content = raw(replace(MAIL, html="<p>" + "x" * 5000 + "</p>"))
    assert content == raw(replace(MAIL, html="<p>" + "x" * 5000 + "</p>"))
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "\x85", "\x0b", "\x00"])
def test_no_value_begins_a_header(end: str) -> None:
    injected = f"x{end}Bcc: victim@readers.example{end}{end}<script>"
    for changed in (
        replace(MAIL, subject=injected),
        replace(MAIL, sender=(injected, "news@firm.example")),
        replace(MAIL, reader=(injected, "mei@readers.example")),
        replace(MAIL, list_id=injected),
        replace(MAIL, leave_url=injected),
    ):
        found = read(raw(changed))
        assert found["Bcc"] is None
        assert found["List-Unsubscribe-Post"] is not None, "the headers did not end early"
        assert found.get_content_type() == "multipart/alternative"


def test_an_address_that_holds_more_than_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        raw(replace(MAIL, reader=("", "a@readers.example, b@readers.example")))
