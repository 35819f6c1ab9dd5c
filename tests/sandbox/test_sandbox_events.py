"""The event webhook: what is reported, how it is signed, that it survives refusals, and what readers' clicks cause."""

import base64
import re
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jsonschema import Draft202012Validator

from tests.sandbox.bodies import letter, many
from tests.sandbox.running import KEY, Receiver, Sandbox, wait_for

SCHEMA = Path(__file__).resolve().parents[2].parent / "shared/oai/event_webhook_payload.unofficial.schema.json"


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


def test_each_fate_has_its_events(sandbox: Sandbox, receiver: Receiver) -> None:
    fates = ("bounce", "blocked", "deferred", "open", "machine_open", "click", "complaint")
    sandbox.script(events={f"{fate}_addresses": [f"{fate}@example.com"] for fate in fates})
    sandbox.send(letter("plain@example.com", *(f"{fate}@example.com" for fate in fates)))
    sandbox.settle()
    for address, kinds in (
        ("plain", ["delivered"]),
        ("bounce", ["bounce"]),
        ("blocked", ["bounce"]),
        ("deferred", ["deferred", "delivered"]),
        ("open", ["delivered", "open"]),
        ("machine_open", ["delivered", "open"]),
        ("click", ["delivered", "click"]),
        ("complaint", ["delivered", "spamreport"]),
    ):
        assert receiver.kinds(f"{address}@example.com") == ["processed", *kinds], address
    last = {address: receiver.events(f"{address}@example.com")[-1] for address in fates}
    assert (last["bounce"]["type"], last["blocked"]["type"]) == ("bounce", "blocked")
    assert (last["open"]["sg_machine_open"], last["machine_open"]["sg_machine_open"]) == (False, True)
    assert last["click"]["url"] == "https://news.example.org/items/one?a=1&b=2"


def test_an_untracked_mail_is_never_opened_or_clicked(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.script(events={"open": 1, "machine_open": 1, "click": 1})
    sandbox.send(letter(tracked=False))
    sandbox.settle()
    assert receiver.kinds("ann@example.com") == ["processed", "delivered"]


def test_who_bounced_hard_complained_or_is_suppressed_is_dropped_next_time(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.script(
        events={"bounce_addresses": ["gone@example.com"], "complaint_addresses": ["angry@example.com"]},
        suppressions=["left@example.com"],
    )
    everyone = ("gone@example.com", "angry@example.com", "left@example.com", "ann@example.com")
    sandbox.send(letter(*everyone))
    sandbox.settle()
    sandbox.script(events={"bounce_addresses": [], "complaint_addresses": []})
    receiver.posts.clear()
    sandbox.send(letter(*everyone, categories=["i-2"]))
    sandbox.settle()
    reasons = {event["email"]: event["reason"] for event in receiver.events() if event["event"] == "dropped"}
    assert reasons == {
        "gone@example.com": "Bounced Address",
        "angry@example.com": "Spam Reporting Address",
        "left@example.com": "Unsubscribed Address",
    }
    assert receiver.kinds("gone@example.com") == ["dropped"]
    assert receiver.kinds("ann@example.com") == ["processed", "delivered"]
    authorised = {"Authorization": f"Bearer {KEY}"}
    (bounce,) = sandbox.call("GET", "/v3/suppression/bounces?limit=10&offset=0", headers=authorised).json
    assert set(bounce) == {"created", "email", "reason", "status"}
    assert bounce["email"] == "gone@example.com"
    assert sandbox.call("GET", "/v3/suppression/spam_reports?limit=501", headers=authorised).status == 400


def test_rates_decide_by_address_and_repeat(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.script(events={"bounce": 0.3, "seed": 5})
    bounced = []
    for _ in range(2):
        receiver.posts.clear()
        sandbox.send(many(200))
        sandbox.settle()
        bounced.append({event["email"] for event in receiver.events() if event["event"] == "bounce"})
        sandbox.call("DELETE", "/sandbox/messages")
    assert bounced[0] == bounced[1]
    assert 30 < len(bounced[0]) < 90


def test_events_come_in_posts_of_at_most_a_thousand(sandbox: Sandbox, receiver: Receiver) -> None:
    for number in range(3):
        sandbox.send(many(700, categories=[f"i-{number}"]))
    sandbox.settle()
    sizes = [(len(orjson.loads(raw)), len(raw)) for _, raw in receiver.posts]
    assert sum(count for count, _ in sizes) == 3 * 700 * 2
    assert max(count for count, _ in sizes) <= 1000
    assert max(size for _, size in sizes) <= 768 * 1024 + 4


def test_a_refused_post_is_repeated_until_it_is_taken(sandbox: Sandbox, receiver: Receiver) -> None:
    receiver.status = 500
    sandbox.send(letter())
    wait_for(lambda: len(receiver.posts) >= 2, seconds=10)
    assert sandbox.pending() > 0
    receiver.status = 204
    sandbox.settle()
    ids = [event["sg_event_id"] for event in receiver.events()]
    assert len(ids) > len(set(ids)) == 2


def test_held_events_wait_and_a_replay_sends_each_again_unchanged(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.call("POST", "/sandbox/events", {"hold": True})
    sandbox.send(letter())
    wait_for(lambda: sandbox.pending() == 2, seconds=5)
    assert receiver.posts == []
    sandbox.call("POST", "/sandbox/events", {"hold": False})
    sandbox.settle()
    first = receiver.events()
    assert sandbox.call("POST", "/sandbox/events", {"replay": True}).json["replayed"] == 2
    sandbox.settle()
    assert receiver.events() == first + first
    assert sandbox.call("POST", "/sandbox/events", {"reply": True}).status == 400


def test_events_are_shuffled_doubled_and_left_out_as_asked(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.script(events={"shuffle": True, "duplicate": 1, "open": 1, "missing_processed": 0.5})
    sandbox.send(many(50))
    sandbox.settle()
    events = receiver.events()
    kinds = [event["event"] for event in events]
    assert kinds.count("delivered") == kinds.count("open") == 100
    assert 10 < kinds.count("processed") // 2 < 40
    assert kinds != sorted(kinds, key=["processed", "delivered", "open"].index)
    assert len({event["sg_event_id"] for event in events}) == len(events) / 2


def test_disabled_events_are_never_made(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.script(events={"enabled": False})
    sandbox.send(letter())
    assert sandbox.pending() == 0
    sandbox.script(events={"enabled": True})
    sandbox.send(letter("bo@example.com"))
    sandbox.settle()
    assert {event["email"] for event in receiver.events()} == {"bo@example.com"}


@pytest.mark.skipif(not SCHEMA.exists(), reason="the schema of events is not beside this checkout")
def test_every_event_satisfies_the_schema_of_events(sandbox: Sandbox, receiver: Receiver) -> None:
    rates = dict.fromkeys(("bounce", "blocked", "deferred", "open", "machine_open", "click", "complaint"), 0.3)
    sandbox.script(events=rates, suppressions=["reader7@example.com"])
    sandbox.send(many(300))
    sandbox.settle()
    schema = Draft202012Validator(orjson.loads(SCHEMA.read_bytes()))
    assert list(schema.iter_errors(receiver.events())) == []
    seen = {event["event"] for event in receiver.events()}
    assert seen == {"processed", "dropped", "deferred", "delivered", "bounce", "open", "click", "spamreport"}
    bounces = [event for event in receiver.events() if event["event"] == "bounce"]
    assert any("status" not in event for event in bounces)
    assert any("sg_message_id" not in event for event in bounces)
    assert all(event["delivery_id"] for event in bounces)
