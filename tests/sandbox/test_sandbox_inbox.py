"""The inbox page: found mails, escaped text, and a mail's own HTML kept in its frame."""

import re

from tests.sandbox.bodies import letter, many
from tests.sandbox.running import Sandbox


def page(sandbox: Sandbox, path: str) -> str:
    answer = sandbox.call("GET", path)
    assert answer.status == 200
    return answer.raw.decode()


def test_the_inbox_says_that_nothing_leaves_the_machine(sandbox: Sandbox) -> None:
    assert "Nothing leaves this machine" in page(sandbox, "/")
    assert "No mail yet" in page(sandbox, "/")


def test_mails_are_found_by_address_and_shown_by_the_page(sandbox: Sandbox) -> None:
    sandbox.script(events={"enabled": False})
    sandbox.send(many(120))
    first = page(sandbox, "/")
    assert "120 mails" in first
    assert "Page 1 of 3" in first
    assert first.count('<span class="to">') == 50
    assert page(sandbox, "/?page=3").count('<span class="to">') == 20
    assert page(sandbox, "/?page=99").count('<span class="to">') == 20
    found = page(sandbox, "/?to=Reader7@example.com")
    assert "1 mail to" in found
    assert "reader7@example.com" in found
    assert "Nothing was sent to" in page(sandbox, "/?to=nobody@example.com")


def test_everything_a_client_sent_is_escaped(sandbox: Sandbox) -> None:
    attack = "<script>alert(1)</script>"
    body = letter(subject=attack, headers={"X-Odd": attack})
    body["content"][0]["value"] = attack
    body["from"]["name"] = attack
    sandbox.send(body)
    number = re.findall(r"/mail/(\d+)", page(sandbox, "/"))[0]
    for shown in (page(sandbox, "/"), page(sandbox, f"/mail/{number}"), page(sandbox, f"/?to={attack}")):
        assert "<script" not in shown
    assert page(sandbox, f"/mail/{number}").count("&lt;script&gt;") >= 4


def test_the_mails_html_runs_no_script_and_loads_nothing_from_elsewhere(sandbox: Sandbox) -> None:
    sandbox.send(letter())
    number = re.findall(r"/mail/(\d+)", page(sandbox, "/"))[0]
    answer = sandbox.call("GET", f"/mail/{number}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    frame = re.findall(r"<iframe[^>]*>", page(sandbox, f"/mail/{number}"))[0]
    assert "sandbox=" in frame
    assert "allow-scripts" not in frame
    assert "http" not in re.sub(r"http-equiv", "", page(sandbox, "/"))


def test_a_mail_shows_its_parts_and_its_events(sandbox: Sandbox) -> None:
    sandbox.script(events={"bounce_addresses": ["ann@example.com"]})
    sandbox.send(letter("ann@example.com", "bo@example.com"))
    sandbox.settle()
    number = re.findall(r"/mail/(\d+)", page(sandbox, "/?to=ann@example.com"))[0]
    shown = page(sandbox, f"/mail/{number}")
    for text in ("News for Ann &amp; Bo", "List-Unsubscribe", "d-ann", "i-1", "<b>processed</b>", "<b>bounce</b>"):
        assert text in shown
    assert "<b>delivered</b>" not in shown
    assert sandbox.call("GET", "/mail/999999").status == 404
