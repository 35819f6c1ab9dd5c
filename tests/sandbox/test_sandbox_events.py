"""The event webhook: what is reported, how it is signed, that it survives refusals, and what readers' clicks cause."""

import base64
import re

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.sandbox.bodies import letter
from tests.sandbox.running import KEY, Receiver, Sandbox, wait_for


def test_a_mail_is_reported_processed_and_delivered_with_its_own_arguments(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    request_id = sandbox.send(letter("Ann@example.com")).headers["X-Message-Id"]
    sandbox.settle()
    events = receiver.events("Ann@example.com")
    assert [event["event"] for event in events] == ["processed", "delivered"]
    for event in events:
        assert (event["attempt_id"], event["delivery_id"]) == ("a-1", "d-Ann")
        assert event["category"] == ["i-1"]
        assert event["sg_message_id"].startswith(f"{request_id}.filter")
        assert isinstance(event["timestamp"], int)
    assert len({event["sg_event_id"] for event in events}) == 2


def test_the_body_is_signed_as_sendgrid_signs_it(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.send(letter())
    sandbox.settle()
    headers, raw = receiver.posts[0]
    assert raw.endswith(b"}]\r\n")
    authorised = {"Authorization": f"Bearer {KEY}"}
    shown = sandbox.call("GET", "/v3/user/webhooks/event/settings/signed", headers=authorised).json["public_key"]
    key = load_der_public_key(base64.b64decode(shown))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signature = base64.b64decode(headers["X-Twilio-Email-Event-Webhook-Signature"], validate=True)
    signed = headers["X-Twilio-Email-Event-Webhook-Timestamp"].encode() + raw
    key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))


def test_a_click_redirects_and_an_opened_pixel_is_reported(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.send(letter("ann@example.com"))
    html = sandbox.mails("ann@example.com")[0]["html"]
    link, pixel = re.findall(r"/c/[\w-]+", html)[0], re.findall(r"/o/[\w-]+", html)[0]
    clicked = sandbox.call("GET", link)
    assert (clicked.status, clicked.headers["Location"]) == (302, "https://news.example.org/items/one?a=1&b=2")
    assert sandbox.call("GET", pixel).headers["Content-Type"] == "image/gif"
    wait_for(lambda: {"open", "click"} <= set(receiver.kinds("ann@example.com")), seconds=10)
    click = next(event for event in receiver.events() if event["event"] == "click")
    assert click["url"] == "https://news.example.org/items/one?a=1&b=2"
    assert click["url_offset"] == {"index": 0, "type": "html"}
    assert click["delivery_id"] == "d-ann"


def test_a_forged_link_leads_nowhere(sandbox: Sandbox) -> None:
    sandbox.send(letter("ann@example.com"))
    link = re.findall(r"/c/[\w-]+", sandbox.mails("ann@example.com")[0]["html"])[0]
    assert sandbox.call("GET", link[:-3] + ("AAA" if link[-3:] != "AAA" else "BBB")).status == 404
