"""A request without an answer is looked up at SendGrid: a hit proves the batch, nothing else does, and nobody is asked too often."""

import json
import time
import urllib.request
from typing import Any

import pytest

from service.clients import sendgrid_lookups
from service.operations import looking_up, reporting, resending, scheduling
from service.operations.sending import _arm, _claim
from service.settings import current
from tests.conftest import Sandbox
from tests.operations.test_resending import quiet
from tests.operations.test_sending import Drain, Sql, book, scheduled, state

__all__ = ["quiet"]


def lost(drain: Drain, sandbox: Sandbox, sql: Sql, readers: int = 100, do: str = "drop-after-accept") -> int:
    """An issue whose one request had no answer, three minutes ago."""
    sandbox.script(rules=[{"when": {"nth": 1}, "do": do}])
    issue, _ = scheduled(readers, drain)
    drain()
    assert book(issue)["unknown"] == readers
    sql("UPDATE attempts SET armed_at = armed_at - interval '3 minutes'")
    return issue


def later(sql: Sql, minutes: int) -> None:
    sql("UPDATE lookups SET asked_at = asked_at - make_interval(mins => %s), closed_until = closed_until - make_interval(mins => %s)", minutes, minutes)  # fmt: skip


def asked(sql: Sql, source: str = "activity") -> list[Any]:
    return sql("SELECT found, fault FROM lookups WHERE source = %s ORDER BY id", source)


def told(issue: int) -> str:
    (batch,) = reporting.show(issue)["unknown_batches"]
    return " ".join(one["told"] for one in batch["lookups"])


def test_a_lost_answer_is_settled_by_the_activity(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    issue = lost(drain, sandbox, sql)
    sandbox.script(lookups={"activity": True})
    looking_up.look_up()
    assert (state(issue), book(issue)["accepted"], book(issue)["accepted_by_decision"]) == ("sent", 100, 0)
    assert asked(sql) == [(100, None)]
    assert sql("SELECT state, evidence_at IS NOT NULL FROM attempts") == [("accepted", True)]
    ((details,),) = sql("SELECT details FROM audit_entries WHERE action = 'evidence of the activity'")
    assert details["messages"] == 100
    looking_up.look_up()
    assert len(asked(sql)) == 1, "what is settled is not asked about"
    assert sandbox.stats["duplicates"] == 0


def test_one_message_of_a_hundred_settles_the_batch(
    drain: Drain, sandbox: Sandbox, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = lost(drain, sandbox, sql)
    sandbox.script(lookups={"activity": True})
    monkeypatch.setattr(sendgrid_lookups, "MOST_MESSAGES", 1)
    looking_up.look_up()
    assert (asked(sql), state(issue), book(issue)["accepted"]) == ([(1, None)], "sent", 100)


def test_no_message_proves_nothing_and_says_so(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    issue = lost(drain, sandbox, sql, 3, do="drop")
    sandbox.script(lookups={"activity": True})
    looking_up.look_up()
    assert (asked(sql), book(issue)["unknown"]) == ([(0, None)], 3)
    assert "Email Activity had no message of this batch at" in told(issue)
    looking_up.look_up()
    assert len(asked(sql)) == 1, "asked again after a while only"
    later(sql, 5)
    looking_up.look_up()
    assert len(asked(sql)) == 2


def test_a_message_of_another_attempt_or_issue_is_no_proof(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    issue = lost(drain, sandbox, sql, 3, do="drop")
    scheduling.resolve(reporting.show(issue)["unknown_batches"][0]["batch"], sent=False, reason="no", actor="test")
    drain()
    assert sandbox.stats["recipients"] == 3, "the second attempt was taken"
    sandbox.script(lookups={"activity": True})
    looking_up.look_up()
    assert asked(sql) == [(0, None)]
    assert sql("SELECT state FROM attempts ORDER BY number") == [("unknown",), ("accepted",)]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_account_without_the_add_on_is_asked_once_a_day_and_no_alarm_rings(
    drain: Drain, sandbox: Sandbox, sql: Sql, status: int
) -> None:
    issue = lost(drain, sandbox, sql, 3)
    if status != 403:  # which is the sandbox's own answer
        sandbox.script(lookups={"activity": True, "status": status})
    for _ in range(3):
        looking_up.look_up()
    assert asked(sql) == [(None, f"not offered: {status}")]
    assert "not part of this SendGrid account" in told(issue)
    assert sql("SELECT count(*) FROM alarms") == [(0,)]
    sandbox.script(lookups={"activity": True, "status": 200})
    later(sql, 23 * 60)
    looking_up.look_up()
    assert len(asked(sql)) == 1
    later(sql, 2 * 60)
    looking_up.look_up()
    assert state(issue) == "sent"


def test_a_throttled_look_up_waits_as_long_as_it_is_told(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    issue = lost(drain, sandbox, sql, 3)
    sandbox.script(lookups={"activity": True, "a_minute": 0})
    looking_up.look_up()
    assert asked(sql) == [(None, "asked too often")]
    ((wait,),) = sql("SELECT extract(epoch FROM closed_until - asked_at)::float FROM lookups WHERE source = 'activity'")
    assert 50 < wait < 65
    sandbox.script(lookups={"a_minute": 6})
    looking_up.look_up()
    assert len(asked(sql)) == 1
    later(sql, 5)
    looking_up.look_up()
    assert state(issue) == "sent"


@pytest.mark.parametrize(
    ("shape", "fault"),
    [
        ("html", "an answer that is no JSON"),
        ("list", "an answer without messages"),
        ("strangers", "an answer about other mails"),
        ("nothing-inside", "messages that cannot be read"),
    ],
)
def test_an_answer_of_a_wrong_shape_proves_nothing(
    drain: Drain, sandbox: Sandbox, sql: Sql, shape: str, fault: str
) -> None:
    issue = lost(drain, sandbox, sql, 3)
    sandbox.script(lookups={"activity": True, "shape": shape})
    looking_up.look_up()
    assert (asked(sql), book(issue)["unknown"]) == ([(None, fault)], 3)
    assert fault in told(issue)


@pytest.mark.parametrize("words", [{"status": 500}, {"latency_ms": 3000}])
def test_a_sendgrid_that_fails_or_hangs_is_asked_later(
    drain: Drain, sandbox: Sandbox, sql: Sql, monkeypatch: pytest.MonkeyPatch, words: dict[str, int]
) -> None:
    monkeypatch.setattr(sendgrid_lookups, "TIMEOUT", 0.5)
    issue = lost(drain, sandbox, sql, 3)
    sandbox.script(lookups={"activity": True, **words})
    looking_up.look_up()
    assert book(issue)["unknown"] == 3
    assert "gave no answer that counts" in told(issue)
    sandbox.script(lookups={"status": 200, "latency_ms": 0})
    later(sql, 5)
    looking_up.look_up()
    assert state(issue) == "sent"


def test_many_unknown_batches_are_asked_about_five_times_a_minute(
    drain: Drain, sandbox: Sandbox, sql: Sql, other_settings: Any
) -> None:
    other_settings(batch_size=2)
    issue = lost(drain, sandbox, sql, 2)
    # More than one run of unknown answers pauses the issue; here only the asking is looked at.
    sql("INSERT INTO lookups (attempt_id, source, found) SELECT id, 'activity', 0 FROM attempts, generate_series(1, 5)")
    sql("UPDATE attempts SET armed_at = armed_at - interval '5 hours'")
    sandbox.script(lookups={"activity": True})
    sql("UPDATE lookups SET asked_at = clock_timestamp() - interval '50 seconds'")
    looking_up.look_up()
    assert len(asked(sql)) == 5
    sql("UPDATE lookups SET asked_at = clock_timestamp() - interval '61 minutes'")
    looking_up.look_up()
    assert (len(asked(sql)), state(issue)) == (6, "sent")


def test_a_hit_stops_a_second_sending_that_a_person_asked_for(
    drain: Drain, sandbox: Sandbox, sql: Sql, bells: list[Any]
) -> None:
    issue = lost(drain, sandbox, sql, 3)
    batch = reporting.show(issue)["unknown_batches"][0]["batch"]
    scheduling.resolve(batch, sent=False, reason="nothing seen", actor="test")
    second = _claim(batch)
    assert second is not None
    sandbox.script(lookups={"activity": True})
    looking_up.look_up()
    assert not _arm(second, b"")
    assert (book(issue)["accepted"], sandbox.stats["duplicates"]) == (3, 0)


def test_another_accounts_attempt_is_not_asked_about(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    lost(drain, sandbox, sql, 3)
    sql("UPDATE attempts SET provider = 'elsewhere'")
    looking_up.look_up()
    assert sql("SELECT count(*) FROM lookups") == [(0,)]


def test_a_bounced_reader_is_shown_proves_nothing_and_keeps_a_quiet_hour_from_sending_again(
    quiet: int, drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    ((address,),) = sql(
        """SELECT s.address FROM subscribers s JOIN deliveries d ON d.subscriber_id = s.id JOIN attempts a ON a.batch_id = d.batch_id
           WHERE a.state = 'unknown' LIMIT 1"""
    )
    sandbox.script(events={"enabled": True, "delay_ms": 0, "bounce_addresses": [address]})
    message = {
        "from": {"email": "news@harbour-lane.example"},
        "subject": "Another mail",
        "personalizations": [{"to": [{"email": address}]}],
        "content": [{"type": "text/plain", "value": "Good day"}],
    }
    post(sandbox, message)
    sandbox_has_bounce(sandbox)
    looking_up.look_up()
    assert asked(sql, "suppressions") == [(1, None)]
    assert book(quiet)["unknown"] == 2
    assert "1 of its readers came onto SendGrid’s lists" in told(quiet).replace("'", "’")
    assert resending.resend_quiet() == 0
    sql("DELETE FROM lookups")
    assert resending.resend_quiet() == 1


def post(sandbox: Sandbox, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{sandbox.url}/v3/mail/send",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {current().sendgrid_api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202


def sandbox_has_bounce(sandbox: Sandbox) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if sendgrid_lookups._get("suppression/bounces", {}):
            return
        time.sleep(0.05)
    raise AssertionError("the sandbox made no bounce")
