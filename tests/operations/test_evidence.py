"""Evidence wins: whenever an event comes, before our record, after a person's decision, or for a batch that was split since."""

from typing import Any

import pytest

from service.clients import sendgrid
from service.domain.outcomes import Answer, Verdict
from service.operations import reporting, scheduling, sweeping
from service.operations.requests import build
from service.operations.sending import Claim, _arm, _claim, _finish
from tests.conftest import Sandbox
from tests.operations.test_sending import Drain, Sql, book, scheduled, state
from tests.operations.test_tracking import NOW, Deliver, an_event, deliver, rows

__all__ = ["deliver"]


def armed(batch: int) -> Claim:
    claim = _claim(batch)
    assert claim is not None
    assert _arm(claim, b"")
    return claim


def lease_ends(sql: Sql) -> None:
    sql("UPDATE attempts SET lease_until = now() - interval '1 second' WHERE state IN ('claimed', 'sending')")
    sweeping.sweep_sending()


@pytest.mark.parametrize("answer", [Answer.UNKNOWN, Answer.THROTTLED, Answer.UNNAMED_REJECTED, Answer.NOT_CONNECTED])
def test_what_an_event_proved_before_the_answer_is_accepted_whatever_the_answer(
    drain: Drain, sandbox: Sandbox, deliver: Deliver, bells: list[Any], answer: Answer
) -> None:
    """The ordinary lost answer: SendGrid accepts, stalls, and its events come first."""
    issue, _ = scheduled(3, drain)
    claim = armed(bells[0][1][0])
    deliver(an_event("delivered", claim.readers[0].delivery_id, claim.attempt_id))
    _finish(claim, Verdict(answer, reason="no answer"), armed=True)
    assert (book(issue)["accepted"], state(issue)) == (3, "sent")


def test_proof_that_comes_after_not_sent_but_before_the_next_post_stops_that_post(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, bells: list[Any]
) -> None:
    issue, _ = scheduled(3, drain)
    claim = armed(bells[0][1][0])
    assert sendgrid.post(build(claim.content, claim.readers, claim.attempt_id)).answer is Answer.ACCEPTED
    lease_ends(sql)
    bells.clear()
    scheduling.resolve(claim.batch_id, sent=False, reason="nothing seen", actor="test")
    deliver(an_event("delivered", claim.readers[0].delivery_id, claim.attempt_id))
    drain()
    assert (book(issue)["accepted"], sandbox.stats["duplicates"]) == (3, 0)


def test_proof_takes_the_batch_from_a_newer_claim_that_is_not_armed(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, bells: list[Any]
) -> None:
    issue, _ = scheduled(3, drain)
    first = armed(bells[0][1][0])
    lease_ends(sql)
    scheduling.resolve(first.batch_id, sent=False, reason="nothing seen", actor="test")
    second = _claim(first.batch_id)
    assert second is not None
    deliver(an_event("delivered", first.readers[0].delivery_id, first.attempt_id))
    assert not _arm(second, b"")
    assert book(issue)["accepted"] == 3


def test_proof_for_a_batch_that_was_split_since_is_written_down(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, bells: list[Any]
) -> None:
    scheduled(4, drain)
    first = armed(bells[0][1][0])
    lease_ends(sql)
    scheduling.resolve(first.batch_id, sent=False, reason="nothing seen", actor="test")
    second = _claim(first.batch_id)
    assert second is not None
    _finish(second, Verdict(Answer.TOO_LARGE, reason="too large"), armed=False)
    deliver(an_event("delivered", first.readers[0].delivery_id, first.attempt_id))
    assert sql("SELECT state, evidence_at IS NOT NULL FROM attempts WHERE id = %s", first.attempt_id) == [
        ("accepted", True)
    ]
    assert sql("SELECT count(*) FROM audit_entries WHERE action = 'evidence after decision'") == [(1,)]


def test_proof_of_what_a_person_had_decided_is_no_alarm(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": "drop-after-accept"}])
    issue, _ = scheduled(3, drain)
    drain()
    (batch,) = reporting.show(issue)["unknown_batches"]
    scheduling.resolve(batch["batch"], sent=True, reason="seen", actor="test")
    delivery, attempt = rows(sql)[0]
    deliver(an_event("delivered", delivery, attempt))
    assert sql("SELECT count(*) FROM audit_entries WHERE action LIKE 'evidence%%'") == [(0,)]
    assert (book(issue)["accepted"], book(issue)["accepted_by_decision"]) == (3, 0)


def test_an_event_about_what_was_never_sent_is_an_alarm(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, bells: list[Any]
) -> None:
    scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    deliver(an_event("delivered", claim.readers[0].delivery_id, claim.attempt_id))
    assert sql("SELECT action FROM audit_entries WHERE action LIKE 'evidence%%'") == [("evidence against the record",)]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ({"kind": "bounce", "type": "blocked"}, {"kind": "bounce", "type": "bounce", "status": "5.1.1"}, "hard-bounce"),
        ({"kind": "group_unsubscribe"}, {"kind": "unsubscribe"}, "provider"),
    ],
)
def test_two_events_in_one_second_both_count(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver, first: dict[str, Any], second: dict[str, Any], kind: str
) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    for words in (dict(first), dict(second)):
        deliver(an_event(words.pop("kind"), delivery, attempt, NOW, **words))
    assert sql("SELECT kind FROM suppressions") == [(kind,)]


def test_one_odd_character_or_entry_loses_no_other_event(
    drain: Drain, sandbox: Sandbox, sql: Sql, deliver: Deliver
) -> None:
    scheduled(1, drain)
    drain()
    ((delivery, attempt),) = rows(sql)
    odd: list[Any] = [
        an_event("open", delivery, attempt, useragent="\ud83d"),
        7,
        None,
        an_event("unsubscribe", delivery, attempt),
    ]
    deliver(*odd)
    assert sql("SELECT state FROM subscriptions") == [("unsubscribed",)]
    assert sql("SELECT state, fresh FROM payloads") == [("ingested", 2)]
