"""What SendGrid tells us: exactly once, in any order, however often it is repeated; and it proves what was unknown."""

import base64
import itertools
import json
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from service import queue
from service.clients.sendgrid_events import is_genuine
from service.db import transaction
from service.errors import Invalid
from service.operations import counting, overall, sweeping, tracking
from service.operations.sending import _arm, _claim
from service.settings import Settings
from tests.conftest import Sandbox
from tests.operations.test_sending import Drain, Sql, book, scheduled, state

Deliver = Callable[..., None]
NOW = int(time.time())


@pytest.fixture
def deliver(database: Settings, drain: Drain) -> Deliver:
    """Sign events as SendGrid does, hand them in, and take them up."""
    private = serialization.load_pem_private_key(database.sandbox_webhook_key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)

    def hand_in(*events: dict[str, Any]) -> None:
        body = json.dumps(list(events), separators=(",", ":")).encode() + b"\r\n"
        stamp = str(NOW)
        signature = base64.b64encode(private.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
        tracking.receive(body, signature, stamp)
        drain(only=queue.INGEST_PAYLOADS)

    return hand_in


def an_event(
    kind: str, delivery: int, attempt_id: uuid.UUID | str | None = None, at: int = NOW, **more: Any
) -> dict[str, Any]:
    ids = {"bs_delivery": str(delivery)} | ({"bs_attempt": str(attempt_id)} if attempt_id else {})
    return {
        "email": "someone@readers.example",
        "event": kind,
        "timestamp": at,
        "sg_event_id": uuid.uuid4().hex,
        **ids,
        **more,
    }


def facts(issue: int) -> dict[str, int]:
    with transaction() as tx:
        return {name: n for name, n in counting.events(tx, issue).items() if n}


def rows(sql: Sql) -> list[tuple[int, uuid.UUID]]:
    return [
        (d, a)
        for d, a in sql("SELECT d.id, a.id FROM deliveries d JOIN attempts a ON a.batch_id = d.batch_id ORDER BY d.id")
    ]


def test_events_of_the_sandbox_arrive_over_http_and_are_counted(drain: Drain, sandbox: Sandbox, web: str) -> None:
    sandbox.script(
        events={
            "enabled": True,
            "delay_ms": 0,
            "open": 1.0,
            "click": 1.0,
            "bounce": 0,
            "blocked": 0,
            "deferred": 0,
            "complaint": 0,
            "machine_open": 0,
        }
    )
    issue, _ = scheduled(5, drain, tracking="agreed")
    drain()
    sandbox.wait_until_told()
    drain()
    found = facts(issue)
    assert (found["processed"], found["delivered"], found["opened"], found["clicked"]) == (5, 5, 5, 5)


def test_any_order_and_any_repetition_give_the_same_state(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    issue, _ = scheduled(2, drain)
    drain()
    (first, attempt), (second, _) = rows(sql)
    events = [
        an_event("processed", first, attempt, NOW),
        an_event("deferred", first, attempt, NOW + 1, attempt="1"),
        an_event("deferred", first, attempt, NOW + 5, attempt="2"),
        an_event("delivered", first, attempt, NOW + 9),
        an_event(
            "click",
            first,
            attempt,
            NOW + 20,
            url="https://www.example.com/guide",
            url_offset={"index": 0, "type": "html"},
        ),
        an_event("bounce", second, attempt, NOW + 3, type="bounce", status="5.1.1"),
    ]
    shot = "SELECT d.id, processed_at, deferred_at, delivered_at, clicked_at, bounced_at FROM deliveries d ORDER BY id"
    seen = set()
    for order in itertools.islice(itertools.permutations(events), 0, 720, 45):
        repeated = list(order) + random.Random(7).choices(events, k=6)
        for event in repeated:
            deliver({**event, "sg_event_id": uuid.uuid4().hex})
        seen.add(
            str(sql(shot)) + str(sql("SELECT count(*) FROM events")) + str(sql("SELECT count(*) FROM suppressions"))
        )
        sql(
            "UPDATE deliveries SET processed_at = NULL, deferred_at = NULL, delivered_at = NULL, clicked_at = NULL, bounced_at = NULL"
        )
        sql("DELETE FROM events; DELETE FROM suppressions")
    assert len(seen) == 1
    assert issue


def test_an_event_repeated_46_times_counts_once(drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    event = an_event("delivered", delivery, attempt)
    for _ in range(46):
        deliver(event)
    assert sql("SELECT count(*) FROM events") == [(1,)]
    assert sql("SELECT sum(fresh) FROM payloads") == [(1,)]


@pytest.mark.parametrize("answer", ["drop-after-accept", "500-after-accept", "stall-after-accept"])
def test_a_lost_answer_is_resolved_by_events_alone(
    drain: Drain, sandbox: Sandbox, web: str, other_settings: Callable[..., Settings], answer: str
) -> None:
    other_settings(post_timeout=1.0)
    sandbox.script(rules=[{"when": {"nth": 1}, "do": answer, "seconds": 3}], events={"enabled": True, "delay_ms": 0})
    issue, _ = scheduled(5, drain)
    drain(only=queue.PREPARE_ISSUE)
    drain(only=queue.SEND_BATCH)
    sandbox.wait_until_told()
    drain()
    ledger = book(issue)
    assert (ledger["accepted"], ledger["unknown"], ledger["accepted_by_decision"], state(issue)) == (5, 0, 0, "sent")
    assert sandbox.stats == {"requests": 1, "recipients": 5, "duplicates": 0, "duplicates_any": 0}


def test_an_event_that_comes_before_our_own_record_is_kept_as_evidence(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, bells: list[Any]
) -> None:
    issue, _ = scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    assert _arm(claim, b"")
    deliver(an_event("delivered", claim.readers[0].delivery_id, claim.attempt_id))
    assert book(issue)["pending"] == 3
    sql("UPDATE attempts SET lease_until = now() - interval '1 second'")
    sweeping.sweep_sending()
    assert (book(issue)["accepted"], state(issue)) == (3, "sent")


def test_an_attempt_is_not_proved_by_an_event_of_another_batch(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, other_settings: Any
) -> None:
    other_settings(batch_size=2)
    sandbox.script(rules=[{"when": {"nth": 1}, "do": "drop"}])
    issue, _ = scheduled(4, drain)
    drain()
    assert book(issue)["unknown"] == 2
    unknown = sql("SELECT a.id FROM attempts a WHERE state = 'unknown'")[0][0]
    foreign = sql("SELECT d.id FROM deliveries d JOIN batches b ON b.id = d.batch_id WHERE b.state = 'accepted'")[0][0]
    deliver(an_event("delivered", foreign, unknown))
    assert book(issue)["unknown"] == 2


@pytest.mark.parametrize(
    ("event", "kind", "leaves"),
    [
        ({"kind": "bounce", "type": "bounce", "status": "5.1.1"}, "hard-bounce", False),
        ({"kind": "bounce", "type": "blocked"}, None, False),
        ({"kind": "bounce", "type": "blocked", "bounce_classification": "Unclassified", "tls": 0}, None, False),
        ({"kind": "spamreport"}, "complaint", True),
        ({"kind": "unsubscribe"}, "provider", True),
        ({"kind": "group_unsubscribe", "asm_group_id": 5}, None, True),
        ({"kind": "dropped", "reason": "Bounced Address"}, "hard-bounce", False),
        ({"kind": "dropped", "reason": "Invalid"}, "hard-bounce", False),
        ({"kind": "dropped", "reason": "Invalid SMTPAPI header"}, None, False),
        ({"kind": "dropped", "reason": "Spam Reporting Address"}, "complaint", False),
        ({"kind": "dropped", "reason": "Unsubscribed Address"}, "provider", False),
        ({"kind": "dropped", "reason": "Spam Content"}, None, False),
        ({"kind": "delivered"}, None, False),
    ],
)
def test_events_act_on_suppression(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, event: dict[str, Any], kind: str | None, leaves: bool
) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    words = dict(event)
    given = an_event(words.pop("kind"), delivery, attempt, **words)
    deliver(given)
    deliver(given)
    assert [row[0] for row in sql("SELECT kind FROM suppressions")] == ([kind] if kind else [])
    assert sql("SELECT state FROM subscriptions") == [("unsubscribed" if leaves else "active",)]
    about = sql("SELECT (details::jsonb -> 'delivery')::bigint, details::jsonb ? 'issue' FROM consent_details")
    assert about == ([(delivery, True)] if leaves else []), "which copy it was about"
    assert sql("SELECT count(*) FROM consent_records WHERE action = 'withdrawn'") == [(1 if leaves else 0,)]


def test_nothing_is_recorded_of_what_a_reader_does_who_has_objected_since(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    issue, _ = scheduled(2, drain, tracking="agreed")
    drain()
    (objector, attempt), (other, _) = rows(sql)
    sql(
        "UPDATE subscriptions SET tracking = 'objected' WHERE id = (SELECT subscription_id FROM deliveries WHERE id = %s)",
        objector,
    )
    for delivery in (objector, other):
        deliver(
            an_event("delivered", delivery, attempt),
            an_event("open", delivery, attempt),
            an_event("open", delivery, attempt, sg_machine_open=True),
            an_event("click", delivery, attempt, url="https://www.example.com/guide"),
        )
    assert sql("SELECT delivery_id, type FROM events WHERE type <> 'delivered' ORDER BY type") == [
        (other, "clicked"),
        (other, "opened"),
        (other, "opened_by_machine"),
    ]
    assert (facts(issue)["delivered"], facts(issue)["opened"], facts(issue)["clicked"]) == (2, 1, 1)


def test_an_opening_that_is_not_recorded_still_proves_an_unknown_batch(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    scheduled(1, drain, tracking="agreed")
    drain()
    ((delivery, attempt),) = rows(sql)
    sql("UPDATE subscriptions SET tracking = 'objected'; UPDATE attempts SET evidence_at = NULL")
    deliver(an_event("open", delivery, attempt))
    assert sql("SELECT evidence_at IS NOT NULL FROM attempts") == [(True,)]
    assert sql("SELECT count(*) FROM events WHERE type = 'opened'") == [(0,)]


def test_a_provider_whose_clock_is_slow_still_ends_a_subscription(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    deliver(an_event("unsubscribe", delivery, attempt, NOW - 3600))
    assert sql("SELECT state FROM subscriptions") == [("unsubscribed",)]


def test_an_event_of_an_old_copy_does_not_end_a_subscription_begun_again(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    sql("UPDATE subscriptions SET changed_at = clock_timestamp()")
    deliver(an_event("group_unsubscribe", delivery, attempt, NOW - 3600))
    assert sql("SELECT state FROM subscriptions") == [("active",)]


def test_an_old_event_does_not_bring_back_a_suppression_that_a_person_lifted(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    deliver(an_event("bounce", delivery, attempt, NOW, type="bounce"))
    sql("UPDATE suppressions SET lifted_at = now() + interval '1 minute', lifted_because = 'the mailbox is back'")
    deliver(an_event("bounce", delivery, attempt, NOW + 1, type="bounce", status="5.2.1"))
    assert sql("SELECT count(*) FROM suppressions WHERE lifted_at IS NULL") == [(0,)]


def test_strangers_unknown_kinds_and_wrong_types_are_counted_and_act_on_nothing(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    deliver(
        an_event("bounce", 999_999, attempt, type="bounce"),
        an_event("something_new", delivery, attempt),
        {"event": "delivered", "timestamp": NOW},
        an_event("delivered", delivery, attempt, at=-5),
        {**an_event("click", delivery, "no uuid", url=17, url_offset="x"), "timestamp": str(NOW)},
        {**an_event("open", delivery, attempt), "timestamp": NOW * 1000, "sg_machine_open": True},
        {"event": ["delivered"], "timestamp": NOW, "bs_delivery": 5},
        {"event": "account_status_change", "timestamp": NOW, "type": "compliance_suspend"},
    )
    assert sql("SELECT state, events, fresh, strays FROM payloads") == [("ingested", 8, 2, 3)]
    assert sql("SELECT type FROM events ORDER BY type") == [("clicked",), ("opened_by_machine",)]
    assert sql("SELECT count(*) FROM suppressions") == [(0,)]


def test_an_excluded_reader_cannot_be_suppressed_by_an_event(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    sandbox.script()
    scheduled(2, drain)
    drain()
    sql("UPDATE deliveries SET batch_id = NULL, excluded = 'suppressed' WHERE id = (SELECT min(id) FROM deliveries)")
    lowest = sql("SELECT min(id) FROM deliveries")[0][0]
    deliver(an_event("spamreport", lowest))
    assert sql("SELECT count(*) FROM suppressions") == [(0,)]


def test_a_payload_that_cannot_be_taken_in_is_set_aside_after_five_tries_and_can_be_replayed(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, bells: list[Any]
) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    sql("ALTER TABLE events RENAME TO events_away")
    try:
        with pytest.raises(Exception, match="events"):
            deliver(an_event("delivered", delivery, attempt))
        for _ in range(4):
            sql("UPDATE payloads SET rung_at = NULL")
            sweeping.sweep_tracking()
            with pytest.raises(Exception, match="events"):
                drain()
        assert sql("SELECT state, tries FROM payloads") == [("set-aside", 5)]
    finally:
        sql("ALTER TABLE events_away RENAME TO events")
    assert overall.status()["payloads"]["set_aside"] == 1
    assert tracking.replay() == 1
    drain()
    assert sql("SELECT state, fresh FROM payloads") == [("ingested", 1)]


def test_a_lost_bell_is_rung_again(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, bells: list[Any]
) -> None:
    queue.use(lambda name, arguments: None)
    scheduled(0, drain)
    deliver(an_event("delivered", 1))
    assert sql("SELECT state FROM payloads") == [("pending",)]
    queue.use(lambda name, arguments: bells.append((name, arguments)))
    sql("UPDATE payloads SET rung_at = rung_at - interval '2 minutes'")
    sweeping.sweep_tracking()
    drain()
    assert sql("SELECT state FROM payloads") == [("ingested",)]


def test_the_published_vector_verifies_and_no_mutation_of_it_does(shared: Path) -> None:
    vector = json.loads((shared / "oai" / "webhook_test_vector.json").read_text())
    key, signature, stamp = vector["public_key_b64_der_spki_p256"], vector["signature_b64_der"], vector["timestamp"]
    body = vector["payload_utf8_327_bytes_ends_with_CRLF"].encode()
    assert is_genuine(body, signature, stamp, [key])
    assert is_genuine(body, signature, stamp, [vector["wrong_public_key"], key]), "two keys during a rotation"
    assert not is_genuine(body, signature, stamp, [vector["wrong_public_key"]])
    assert not is_genuine(body, vector["wrong_signature"], stamp, [key])
    for position in range(len(body)):
        assert not is_genuine(
            body[:position] + bytes((body[position] ^ 1,)) + body[position + 1 :], signature, stamp, [key]
        )
    for cut in range(1, 20):
        assert not is_genuine(body[:-cut], signature, stamp, [key])
    assert not is_genuine(body.rstrip(), signature, stamp, [key]), "the line end is signed too"
    for position in range(len(stamp)):
        changed = stamp[:position] + str((int(stamp[position]) + 1) % 10) + stamp[position + 1 :]
        assert not is_genuine(body, signature, changed, [key])
    assert not is_genuine(stamp[-1].encode() + body, signature, stamp[:-1], [key]), "the border may not move"
    raw = base64.b64decode(signature)
    for position in range(len(raw)):
        changed_raw = raw[:position] + bytes((raw[position] ^ 1,)) + raw[position + 1 :]
        assert not is_genuine(body, base64.b64encode(changed_raw).decode(), stamp, [key])


@pytest.mark.parametrize("signature", [None, "", "x", "é", "////", "AAAA", "MEUCIQ==", "A" * 5000])
@pytest.mark.parametrize("stamp", [None, "", "1600112502", "16001125020", "１６００１１２５０２", "-600112502"])
def test_malformed_signatures_are_refused_without_an_error(
    database: Settings, signature: str | None, stamp: str | None
) -> None:
    assert not is_genuine(b"[]", signature, stamp, database.webhook_keys)


def test_a_malleated_signature_gives_no_second_event(
    drain: Drain, sandbox: Sandbox, sql: Sql, database: Settings
) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    private = serialization.load_pem_private_key(database.sandbox_webhook_key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    body = json.dumps([an_event("delivered", delivery, attempt)]).encode()
    raw = private.sign(str(NOW).encode() + body, ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(raw)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for one in (raw, encode_dss_signature(r, order - s)):
        tracking.receive(body, base64.b64encode(one).decode(), str(NOW))
    drain()
    assert sql("SELECT count(*) FROM events") == [(1,)]


@pytest.mark.parametrize(
    "body", [b"", b"[", b'{"event": "delivered"}', b"[1, 2]", b"null", b"\xff\xfe", b'[{"event": "x"}']
)
def test_a_signed_body_that_is_no_list_of_events_is_refused(database: Settings, sql: Sql, body: bytes) -> None:
    private = serialization.load_pem_private_key(database.sandbox_webhook_key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    signature = base64.b64encode(private.sign(str(NOW).encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    with pytest.raises(Invalid):
        tracking.receive(body, signature, str(NOW))
    assert sql("SELECT count(*) FROM payloads") == [(0,)]
