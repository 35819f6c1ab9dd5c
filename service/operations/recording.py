"""Writes down what became of an attempt. A result that comes too late writes nothing: except that SendGrid took it, which
stays true however late we learn it."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from service.db import Transaction
from service.domain.outcomes import Answer, Reason, Verdict
from service.operations import breakers
from service.operations.auditing import audit
from service.operations.splitting import split

log = structlog.get_logger(__name__)

LONGEST_WAIT = timedelta(minutes=15)
UNKNOWN_BEFORE_PAUSE = 5
TRIES_BEFORE_SAYING = 3
TRIES_BEFORE_PAUSE = 6
"""Claims of one batch that were never armed: then something of ours is broken."""
UNNAMED_REFUSALS_BEFORE_PAUSE = 5
"""Single readers refused for the same unnamed reason: then it is the content's fault, not theirs."""


def record(tx: Transaction, attempt_id: uuid.UUID, verdict: Verdict, deliveries: Sequence[int]) -> None:
    """Record the answer to an armed attempt. `deliveries` are in the order of the request."""
    if verdict.answer is not Answer.ACCEPTED and _is_proved(tx, attempt_id):
        verdict = replace(
            verdict, answer=Answer.ACCEPTED, reason=f"an event proved it; the answer was: {verdict.reason}"
        )
    batch = _close_attempt(tx, attempt_id, verdict, expected="sending")
    if batch is None:
        if verdict.answer is Answer.ACCEPTED:
            accept_late(tx, attempt_id, "answered after the lease had ended")
        return
    # Before any other batch is touched: whoever probes locks the breaker first, and then a batch.
    breakers.note(tx, batch["id"], verdict)
    _apply(tx, batch, verdict, deliveries)


def _is_proved(tx: Transaction, attempt_id: uuid.UUID) -> bool:
    """Events may be faster than the answer. Locks the attempt: one that comes in just now finds what we record."""
    return bool(
        tx.execute(
            "SELECT evidence_at IS NOT NULL FROM attempts WHERE id = :id AND state = 'sending' FOR UPDATE",
            id=attempt_id,
        ).scalar_one_or_none()
    )


def release(tx: Transaction, attempt_id: uuid.UUID, verdict: Verdict, deliveries: Sequence[int]) -> None:
    """Record that a claimed attempt was never armed because its request could not be posted as it was."""
    batch = _close_attempt(tx, attempt_id, verdict, expected="claimed")
    if batch is not None:
        _apply(tx, batch, verdict, deliveries)


def unarmed_release(tx: Transaction, attempt_id: uuid.UUID, reason: str) -> None:
    """Give back a claimed batch that was not armed. Safe: nothing was written to anybody."""
    row = tx.execute(
        "UPDATE attempts SET state = 'released', recorded_at = clock_timestamp(), reason = :reason WHERE id = :id AND state = 'claimed' RETURNING batch_id",
        id=attempt_id,
        reason=reason,
    ).scalar_one_or_none()
    if row is None:
        return
    batch = (
        tx.execute(
            """UPDATE batches SET state = 'pending', rung_at = NULL, reason = :reason, not_before = clock_timestamp() + interval '1 second'
           WHERE id = :id AND state = 'claimed' RETURNING id, issue_id, attempts""",
            id=row,
            reason=reason,
        )
        .mappings()
        .one_or_none()
    )
    if batch is not None and batch["attempts"] >= TRIES_BEFORE_PAUSE:
        _pause(
            tx,
            batch["issue_id"],
            f"batch {batch['id']} was claimed {batch['attempts']} times and never sent ({reason}). Look at the log, then resume.",
        )


def accept_late(tx: Transaction, attempt_id: uuid.UUID, reason: str) -> bool:
    """Evidence for an attempt that was given up as unknown: SendGrid took it. Never the other way round."""
    batch_id = tx.execute(
        """UPDATE attempts SET state = 'accepted', evidence_at = coalesce(evidence_at, clock_timestamp()), reason = :reason
           WHERE id = :id AND state = 'unknown' RETURNING batch_id""",
        id=attempt_id,
        reason=reason,
    ).scalar_one_or_none()
    if batch_id is None:
        return False
    # A person may have decided to send again: a new claim that is not armed yet gives way to what was proved.
    for claimed in tx.execute(
        "SELECT id FROM attempts WHERE batch_id = :batch AND state = 'claimed' FOR UPDATE", batch=batch_id
    ).scalars():
        unarmed_release(tx, claimed, "an event proved an earlier attempt")
    moved = tx.execute(
        """UPDATE batches SET state = 'accepted', reason = :reason, review_at = NULL, decided_at = NULL
           WHERE id = :batch AND (state IN ('unknown', 'pending') OR state = 'accepted' AND decided_at IS NOT NULL)
             AND NOT EXISTS (SELECT FROM attempts a WHERE a.batch_id = :batch AND a.id <> :id AND a.state IN ('sending', 'accepted'))""",
        batch=batch_id,
        id=attempt_id,
        reason=reason,
    ).rowcount
    if not moved:
        log.error("evidence for an attempt that was sent again", batch=batch_id)
        audit(tx, "service", "evidence after decision", f"batch {batch_id}", attempt=str(attempt_id))
    return moved == 1


_ATTEMPT_STATE = {
    Answer.ACCEPTED: "accepted",
    Answer.UNKNOWN: "unknown",
    Answer.NOT_CONNECTED: "released",
    Answer.THROTTLED: "released",
    Answer.UNAUTHORISED: "released",
}


def _close_attempt(tx: Transaction, attempt_id: uuid.UUID, verdict: Verdict, expected: str) -> dict[str, Any] | None:
    state = _ATTEMPT_STATE.get(verdict.answer, "rejected" if expected == "sending" else "released")
    row = tx.execute(
        """UPDATE attempts SET state = :state, recorded_at = clock_timestamp(), http_status = :status, provider_message_id = :message, reason = :reason
           WHERE id = :id AND state = :expected RETURNING batch_id""",
        id=attempt_id,
        state=state,
        status=verdict.status,
        message=verdict.message_id,
        reason=verdict.reason or None,
        expected=expected,
    ).scalar_one_or_none()
    if row is None:
        return None
    return dict(tx.execute("SELECT * FROM batches WHERE id = :id FOR UPDATE", id=row).mappings().one())


def _apply(tx: Transaction, batch: dict[str, Any], verdict: Verdict, deliveries: Sequence[int]) -> None:
    match verdict.answer:
        case Answer.ACCEPTED:
            _move(tx, batch, "accepted", None)
        case Answer.UNKNOWN:
            _move(tx, batch, "unknown", verdict.reason)
            _pause_in_an_outage(tx, batch["issue_id"], verdict.reason)
        case Answer.READERS_REJECTED if any(position < len(deliveries) for position in verdict.readers):
            _reject(
                tx,
                batch,
                [deliveries[n] for n in verdict.readers if n < len(deliveries)],
                len(deliveries),
                verdict.reason,
            )
        case Answer.UNNAMED_REJECTED | Answer.READERS_REJECTED | Answer.TOO_LARGE | Answer.SUBSTITUTIONS_REJECTED:
            if len(deliveries) == 1:
                _reject(tx, batch, deliveries, 1, verdict.reason)
                _pause_when_all_are_refused(tx, batch, verdict)
            else:
                split(tx, batch, deliveries, verdict.reason)
                if verdict.answer is Answer.SUBSTITUTIONS_REJECTED:
                    _make_the_rest_smaller(tx, batch, len(deliveries) // 2)
        case Answer.THROTTLED:
            _wait(tx, batch, verdict)
        case Answer.NOT_CONNECTED:
            _give_back(tx, batch, verdict.reason, _back_off(batch["attempts"]))
            _say_when_it_lasts(tx, batch, verdict.reason)
        case Answer.UNAUTHORISED | Answer.REQUEST_REJECTED:
            _give_back(tx, batch, verdict.reason, timedelta(0))
            _pause(
                tx, batch["issue_id"], f"SendGrid refused the request ({verdict.reason}). Mend the cause, then resume."
            )


def _move(tx: Transaction, batch: dict[str, Any], state: str, reason: str | None) -> None:
    tx.execute(
        "UPDATE batches SET state = :state, reason = :reason WHERE id = :id", state=state, reason=reason, id=batch["id"]
    )


def _give_back(tx: Transaction, batch: dict[str, Any], reason: str, wait: timedelta) -> None:
    """Release: the exclusions already made stay made."""
    tx.execute(
        "UPDATE batches SET state = 'pending', reason = :reason, rung_at = NULL, not_before = clock_timestamp() + :wait WHERE id = :id",
        reason=reason,
        wait=wait,
        id=batch["id"],
    )


def _back_off(attempts: int) -> timedelta:
    return min(timedelta(seconds=2 ** min(attempts, 10)), LONGEST_WAIT)


def _wait(tx: Transaction, batch: dict[str, Any], verdict: Verdict) -> None:
    """429: the whole issue waits for the moment that SendGrid named, within reason, or backs off."""
    _give_back(tx, batch, verdict.reason, _back_off(batch["attempts"]))
    if verdict.wait_until is None:
        return
    tx.execute(
        """UPDATE batches SET rung_at = NULL, not_before = least(greatest(to_timestamp(:until), clock_timestamp() + interval '1 second'), clock_timestamp() + :longest)
           WHERE issue_id = :issue AND state = 'pending'
             AND (id = :id OR not_before IS NULL OR not_before < least(to_timestamp(:until), clock_timestamp() + :longest))""",
        until=verdict.wait_until,
        longest=LONGEST_WAIT,
        issue=batch["issue_id"],
        id=batch["id"],
    )


def _reject(tx: Transaction, batch: dict[str, Any], rejected: Sequence[int], readers: int, reason: str) -> None:
    """These readers fail; the others go on, in the same batch, by a new attempt."""
    tx.execute(
        "UPDATE deliveries SET failed = :why WHERE id = ANY(:ids)", why=Reason.REJECTED.value, ids=list(rejected)
    )
    tx.execute("UPDATE batches SET failed = failed + :n WHERE id = :id", n=len(rejected), id=batch["id"])
    if len(rejected) == readers:
        _move(tx, batch, "failed", reason)
    else:
        _give_back(tx, batch, reason, timedelta(0))


def _make_the_rest_smaller(tx: Transaction, batch: dict[str, Any], size: int) -> None:
    """SendGrid's limit on substitutions is lower than we thought: split every larger pending batch of the issue too."""
    size = max(1, size)
    tx.execute(
        "UPDATE issues SET batch_size = least(batch_size, :size) WHERE id = :issue", size=size, issue=batch["issue_id"]
    )
    larger = (
        tx.execute(
            "SELECT * FROM batches WHERE issue_id = :issue AND state = 'pending' AND size - excluded - failed > :size FOR UPDATE SKIP LOCKED",
            issue=batch["issue_id"],
            size=size,
        )
        .mappings()
        .all()
    )
    for other in larger:
        readers = list(
            tx.execute(
                "SELECT id FROM deliveries WHERE batch_id = :id AND excluded IS NULL AND failed IS NULL ORDER BY id",
                id=other["id"],
            ).scalars()
        )
        if len(readers) > 1:
            split(tx, dict(other), readers, "made smaller: the limit on substitutions is lower than set")


def _pause(tx: Transaction, issue_id: int, why: str) -> None:
    tx.execute(
        "UPDATE issues SET state = 'paused', state_reason = :why WHERE id = :id AND state = 'sending'",
        why=why,
        id=issue_id,
    )
    log.error("issue paused", issue=issue_id, why=why)


def _pause_in_an_outage(tx: Transaction, issue_id: int, reason: str) -> None:
    """Several unknown answers in a row are an outage: what is still pending is worth more than speed, since every unknown
    batch may need a person's decision."""
    last = (
        tx.execute(
            "SELECT state FROM attempts WHERE issue_id = :issue AND recorded_at IS NOT NULL ORDER BY recorded_at DESC LIMIT :n",
            issue=issue_id,
            n=UNKNOWN_BEFORE_PAUSE,
        )
        .scalars()
        .all()
    )
    if len(last) == UNKNOWN_BEFORE_PAUSE and set(last) == {"unknown"}:
        _pause(
            tx,
            issue_id,
            f"{UNKNOWN_BEFORE_PAUSE} answers in a row were unknown (the last: {reason}). Look at SendGrid's status, then resume.",
        )


def _say_when_it_lasts(tx: Transaction, batch: dict[str, Any], reason: str) -> None:
    """Nothing is lost by trying again for ever; a person should know all the same."""
    if batch["attempts"] >= TRIES_BEFORE_SAYING:
        tx.execute(
            "UPDATE issues SET state_reason = :why WHERE id = :id AND state = 'sending'",
            why=f"batch {batch['id']} was tried {batch['attempts']} times without being sent ({reason})",
            id=batch["issue_id"],
        )


def _pause_when_all_are_refused(tx: Transaction, batch: dict[str, Any], verdict: Verdict) -> None:
    """Bisecting found not one guilty reader but several in a row: stop before a thousand are refused for the content."""
    if verdict.answer is Answer.READERS_REJECTED:
        return
    refused = tx.execute(
        "SELECT count(*) FROM batches WHERE issue_id = :issue AND state = 'failed' AND reason = :reason",
        issue=batch["issue_id"],
        reason=verdict.reason,
    ).scalar_one()
    if refused >= UNNAMED_REFUSALS_BEFORE_PAUSE:
        _pause(
            tx,
            batch["issue_id"],
            f"SendGrid refused {refused} readers one by one ({verdict.reason}). Look at the content, then resume.",
        )
