"""What the sandbox takes: the 202, the mail each recipient would have got, and who got something twice."""

import re
from typing import Any

import pytest

from tests.sandbox.bodies import letter, many, reader
from tests.sandbox.running import Sandbox


def test_an_accepted_request_is_answered_202_with_a_message_id_and_no_body(sandbox: Sandbox) -> None:
    answer = sandbox.send(letter())
    assert (answer.status, answer.raw) == (202, b"")
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", answer.headers["X-Message-Id"])


def test_the_final_mail_of_one_recipient_can_be_read(sandbox: Sandbox) -> None:
    request_id = sandbox.send(letter("Ann@Example.com", "bo@example.com")).headers["X-Message-Id"]
    (mail,) = sandbox.mails("ann@example.com")
    assert mail["to"] == "Ann@Example.com"
    assert mail["from"] == {"email": "news@example.org", "name": "The News"}
    assert mail["subject"] == "News for Ann & Bo"
    assert "Dear Ann &amp; Bo" in mail["html"]
    assert mail["text"] == "Dear Ann & Bo\n\nhttps://news.example.org/items/one\n"
    assert set(mail["headers"]) == {"X-Newsletter", "List-Unsubscribe"}
    assert mail["custom_args"] == {"attempt_id": "a-1", "delivery_id": "d-Ann"}
    assert (mail["request_id"], mail["categories"]) == (request_id, ["i-1"])
    assert mail["tracking_settings"]["open_tracking"] == {"enable": True}


def test_a_substitution_value_goes_in_unescaped_and_may_hold_another_marker(sandbox: Sandbox) -> None:
    body = letter()
    body["personalizations"][0]["substitutions"] = {"-sg_name_h-": "<b>-sg_name_t-</b>", "-sg_name_t-": "Zoë"}
    sandbox.send(body)
    assert "Dear <b>Zoë</b>" in sandbox.mails("ann@example.com")[0]["html"]


def test_only_links_that_may_be_tracked_are_rewritten_and_they_hold_no_address(sandbox: Sandbox) -> None:
    body = letter("ann@example.com")
    body["content"][1]["value"] += (
        '<a href="-sg_url-">whole</a><a href="mailto:x@example.org">m</a>'
        "<a id=z clicktracking='off' href='https://keep.example.org/1'>k</a><a href='https://go.example.org/2'>g</a>"
    )
    body["personalizations"][0]["substitutions"]["-sg_url-"] = "https://late.example.org/3"
    sandbox.send(body)
    html = sandbox.mails("ann@example.com")[0]["html"]
    rewritten = re.findall(r"http://127\.0\.0\.1:\d+/c/[\w-]+", html)
    assert len(rewritten) == 2
    for kept in (
        "https://late.example.org/3",
        "https://news.example.org/u/token",
        "mailto:x@",
        "https://keep.example.org/1",
    ):
        assert kept in html
    assert "go.example.org" not in html
    assert "ann" not in "".join(rewritten).lower()
    assert "https://news.example.org/items/one" in sandbox.mails("ann@example.com")[0]["text"]


def test_text_links_are_rewritten_only_when_asked_for(sandbox: Sandbox) -> None:
    body = letter()
    body["tracking_settings"]["click_tracking"]["enable_text"] = True
    sandbox.send(body)
    assert "/c/" in sandbox.mails("ann@example.com")[0]["text"]


def test_an_untracked_mail_has_no_pixel_and_its_own_links(sandbox: Sandbox) -> None:
    sandbox.send(letter(tracked=False))
    html = sandbox.mails("ann@example.com")[0]["html"]
    assert "127.0.0.1" not in html
    assert 'href="https://news.example.org/items/one?a=1&amp;b=2"' in html


def test_the_pixel_takes_the_place_of_its_tag_or_goes_before_the_end_of_the_body(sandbox: Sandbox) -> None:
    sandbox.send(letter("ann@example.com"))
    assert re.search(r'/o/[\w-]+"[^>]*></body>', sandbox.mails("ann@example.com")[0]["html"])
    body = letter("bo@example.com")
    body["tracking_settings"]["open_tracking"]["substitution_tag"] = "Dear"
    sandbox.send(body)
    assert re.search(r'<p><img src="http://127[^>]*> Ann', sandbox.mails("bo@example.com")[0]["html"])


def test_mails_come_newest_first_and_as_many_as_asked_for(sandbox: Sandbox) -> None:
    for number in range(3):
        sandbox.send(letter(subject=f"Number {number}"))
    answer = sandbox.call("GET", "/sandbox/messages?to=ann@example.com&limit=2")
    assert [mail["subject"] for mail in answer.json] == ["Number 2", "Number 1"]
    assert sandbox.call("GET", "/sandbox/messages?limit=0").status == 400


def test_emptying_forgets_every_mail(sandbox: Sandbox) -> None:
    sandbox.send(letter())
    assert sandbox.call("DELETE", "/sandbox/messages").status == 204
    assert sandbox.mails() == []
    assert sandbox.stats() == {"requests": 0, "recipients": 0, "duplicates": 0, "duplicates_any": 0}


def test_a_second_copy_of_an_issue_is_counted_whatever_the_case_of_the_address(sandbox: Sandbox) -> None:
    sandbox.send(letter("ann@example.com", "bo@example.com"))
    sandbox.send(letter("ANN@example.com", subject="Changed meanwhile"))
    assert sandbox.stats() == {"requests": 2, "recipients": 3, "duplicates": 1, "duplicates_any": 0}


def _marked(body: dict[str, Any], marker: str) -> dict[str, Any]:
    """The same letter with other markers and other values, as a later request of the same issue would have them."""
    body["subject"] = f"News for {marker}"
    body["content"] = [{"type": "text/html", "value": f"<p>Dear {marker}</p>"}]
    for entry in body["personalizations"]:
        entry["substitutions"] = {marker: f"Reader {marker}"}
    return body


def test_the_same_mail_under_another_issue_and_other_markers_is_counted_as_sent_twice(sandbox: Sandbox) -> None:
    sandbox.send(_marked(letter(), "-x81fa-"))
    sandbox.send(_marked(letter(categories=["i-2"]), "-q07bc-"))
    assert sandbox.stats() == {"requests": 2, "recipients": 2, "duplicates": 0, "duplicates_any": 1}


def test_two_different_mails_to_one_address_are_no_duplicates(sandbox: Sandbox) -> None:
    sandbox.send(letter(categories=["confirmation"]))
    sandbox.send(letter(categories=["confirmation"], subject="Another"))
    assert sandbox.stats() == {"requests": 2, "recipients": 2, "duplicates": 0, "duplicates_any": 0}


def test_copies_to_cc_and_bcc_count_as_recipients(sandbox: Sandbox) -> None:
    person = reader("ann@example.com", cc=[{"email": "c@example.com"}], bcc=[{"email": "b@example.com"}])
    sandbox.send(letter() | {"personalizations": [person]})
    assert sandbox.stats()["recipients"] == 3
    assert len(sandbox.mails("b@example.com")) == 1


def test_a_full_request_is_taken(sandbox: Sandbox) -> None:
    sandbox.script(events={"enabled": False})
    assert sandbox.send(many(1000)).status == 202
    assert sandbox.stats()["recipients"] == 1000


def test_sandbox_mode_checks_and_keeps_nothing(sandbox: Sandbox) -> None:
    answer = sandbox.send(letter(mail_settings={"sandbox_mode": {"enable": True}}))
    assert answer.status == 200
    assert sandbox.stats()["requests"] == 0


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8025", ""])
def test_a_foreign_host_header_is_refused(sandbox: Sandbox, host: str) -> None:
    for path in ("/sandbox/messages", "/sandbox/stats", "/"):
        assert sandbox.call("GET", path, headers={"Host": host}).status in (400, 403)
    assert sandbox.call("GET", "/sandbox/stats", headers={"Host": "localhost"}).status == 200


def test_another_page_cannot_post_through_the_browser(sandbox: Sandbox) -> None:
    answer = sandbox.call("POST", "/sandbox/script", {"rules": []}, headers={"Origin": "https://evil.example"})
    assert answer.status == 403
