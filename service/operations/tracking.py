"""Takes what SendGrid tells us: stored raw and answered at once, then turned into our own events exactly once, in any order,
however often it is repeated. Events act only on rows of ours; they may add a suppression, never lift one."""

import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from service import queue
from service.clients import sendgrid_events
from service.clients.sendgrid_events import MalformedPayloadError
from service.db import Transaction, transaction
from service.domain.events import Event, EventType
from service.errors import Invalid
from service.log import named
from service.operations.auditing import audit
from service.operations.bells import close_if_done
from service.operations.mailing_events import take_mail_events
from service.operations.recording import accept_late
from service.operations.suppressing import lock_readers, suppress, withdraw
from service.settings import current

log = structlog.get_logger(__name__)

TRIES = 5
YIELD = 4.0
"""How many times as long as it worked the ingest rests while an issue is being sent: events can wait, and on a small machine they halve
the rate at which it leaves (measured with 100,000 at once on two processors)."""
LONGEST_REST = 5.0
_BEING_SENT = """
    SELECT EXISTS (SELECT FROM issues i JOIN batches b ON b.issue_id = i.id WHERE i.state = 'sending' AND (b.state IN ('claimed', 'sending')
        OR b.state = 'pending' AND (b.not_before IS NULL OR b.not_before <= clock_timestamp())))
"""

_FIRST = ", ".join(f"{kind.value}_at = least(d.{kind.value}_at, x.{kind.value}_at)" for kind in EventType)
_UNNESTED = ", ".join(f"CAST(:{kind.value} AS timestamptz[])" for kind in EventType)
_NAMES = ", ".join(f"{kind.value}_at" for kind in EventType)

# `least` ignores nulls: the earliest time of each kind wins, in whatever order the events came. Rows are locked in the order
# of their ids first, so that two payloads about the same readers cannot wait for each other.
_FACTS = f"""
    WITH locked AS (SELECT id FROM deliveries WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE)
    UPDATE deliveries d SET {_FIRST}
    FROM unnest(CAST(:ids AS bigint[]), {_UNNESTED}) AS x (id, {_NAMES}), locked
    WHERE d.id = x.id AND locked.id = d.id
"""
_INSERT = """
    INSERT INTO events (issue_id, key, delivery_id, attempt_id, type, at, detail, url)
    SELECT * FROM unnest(CAST(:issues AS bigint[]), CAST(:keys AS bytea[]), CAST(:deliveries AS bigint[]), CAST(:attempts AS uuid[]),
        CAST(:types AS text[]), CAST(:moments AS timestamptz[]), CAST(:details AS text[]), CAST(:urls AS text[]))
    ON CONFLICT DO NOTHING RETURNING key
"""


@dataclass
class _Known:
    """A delivery of ours that an event names. `is_observed`: its reader is there and has not objected to tracking."""

    issue_id: int
    batch_id: int | None
    email_key: bytes
    subscription_id: int | None
    claimed_at: datetime | None
    is_observed: bool
    firsts: dict[EventType, datetime] = field(default_factory=dict)


def receive(body: bytes, signature: str | None, timestamp: str | None) -> None:
    """Store a webhook's body and ring for its ingest. Raises PermissionError when it is not signed by a key of ours, and
    Invalid when it is not a JSON array of objects."""
    if not sendgrid_events.is_genuine(body, signature, timestamp, current().webhook_keys):
        raise PermissionError("the signature is missing or wrong")
    try:
        entries = sendgrid_events.check(body)
    except MalformedPayloadError as error:
        raise Invalid(str(error)) from error
    with transaction() as tx:
        payload_id = tx.execute(
            "INSERT INTO payloads (body, events, rung_at) VALUES (:body, :events, clock_timestamp()) RETURNING id",
            body=zlib.compress(body, 1),
            events=entries,
        ).scalar_one()
        tx.enqueue(queue.INGEST_PAYLOAD, payload_id)


def ingest_in_turn(payload_id: int) -> None:
    """Ingest, and leave the machine to an issue that is being sent. The worker of this queue does nothing else."""
    begun = time.monotonic()
    ingest(payload_id)
    spent = time.monotonic() - begun
    with transaction() as tx:
        busy = tx.execute(_BEING_SENT).scalar_one()
    if busy:
        time.sleep(min(LONGEST_REST, YIELD * spent))


@named("payload")
def ingest(payload_id: int) -> None:
    """Turn a stored payload into events. One that fails five times is set aside, visible and replayable."""
    try:
        with transaction() as tx:
            row = tx.execute(
                "SELECT body FROM payloads WHERE id = :id AND state = 'pending' FOR UPDATE SKIP LOCKED", id=payload_id
            ).one_or_none()
            if row is None:
                return
            touched, counts = _take(tx, zlib.decompress(row.body))
            tx.execute(
                "UPDATE payloads SET state = 'ingested', fresh = :fresh, strays = :strays WHERE id = :id",
                fresh=counts["fresh"],
                strays=counts["strays"],
                id=payload_id,
            )
    except Exception as error:
        log.error("payload not ingested", payload=payload_id, error=type(error).__name__)
        with transaction() as tx:
            tx.execute(
                """UPDATE payloads SET tries = tries + 1, error = :error, state = CASE WHEN tries + 1 >= :most THEN 'set-aside' ELSE 'pending' END
                   WHERE id = :id AND state = 'pending'""",
                error=type(error).__name__,
                most=TRIES,
                id=payload_id,
            )
        raise
    for issue_id in touched:
        with transaction() as tx:
            close_if_done(tx, issue_id)


def replay() -> int:
    """Take up every payload that was set aside, from the start. Returns how many."""
    with transaction() as tx:
        again = (
            tx.execute(
                "UPDATE payloads SET state = 'pending', tries = 0, error = NULL, rung_at = clock_timestamp() WHERE state = 'set-aside' RETURNING id"
            )
            .scalars()
            .all()
        )
        for payload_id in sorted(again):
            tx.enqueue(queue.INGEST_PAYLOAD, payload_id)
    return len(again)


def _take(tx: Transaction, body: bytes) -> tuple[list[int], Counter[str]]:
    """Record a payload's events. Returns the issues of which an unknown batch was resolved, and counts."""
    parsed = sendgrid_events.parse(body)
    known = _deliveries(tx, {event.delivery_id for event in parsed.events})
    events = {event.key: event for event in parsed.events if event.delivery_id in known}
    counts = Counter(strays=parsed.strays + sum(event.delivery_id not in known for event in parsed.events))
    counts["strays"] += take_mail_events(tx, parsed.mails)
    # An objection holds for copies sent before it, too. Such an event is still evidence of the attempt.
    kept = {
        key: event
        for key, event in events.items()
        if known[event.delivery_id].is_observed or not event.type.is_observation
    }
    fresh = _insert(tx, kept, known)
    counts["fresh"] = len(fresh)
    _write_facts(tx, kept.values(), known)
    resolved = _evidence(tx, events.values(), known)
    left = (known[events[key].delivery_id].subscription_id for key in fresh if events[key].leaves)
    lock_readers(tx, (one for one in left if one is not None))
    for key in sorted(fresh):
        _act(tx, events[key], known[events[key].delivery_id])
    return resolved, counts


def _deliveries(tx: Transaction, ids: set[int]) -> dict[int, _Known]:
    """Those of the named deliveries that are ours, and were in a batch: nobody else can have got a copy."""
    rows = tx.execute(
        """SELECT d.id, d.issue_id, d.batch_id, d.email_key, d.subscription_id, a.claimed_at, coalesce(n.tracking <> 'objected', false)
           FROM deliveries d JOIN batches b ON b.id = d.batch_id LEFT JOIN attempts a ON a.batch_id = b.id AND a.number = b.attempts
           LEFT JOIN subscriptions n ON n.id = d.subscription_id
           WHERE d.id = ANY(:ids)""",
        ids=list(ids),
    )
    return {row.id: _Known(*row[1:]) for row in rows.all()}


def _insert(tx: Transaction, events: dict[bytes, Event], known: dict[int, _Known]) -> set[bytes]:
    """Insert what is new. Keys go in in their order, so that two payloads with the same events do not deadlock."""
    ordered = [events[key] for key in sorted(events)]
    if not ordered:
        return set()
    rows = tx.execute(
        _INSERT,
        issues=[known[event.delivery_id].issue_id for event in ordered],
        keys=sorted(events),
        deliveries=[event.delivery_id for event in ordered],
        attempts=[event.attempt_id for event in ordered],
        types=[event.type.value for event in ordered],
        moments=[event.at for event in ordered],
        details=[event.detail for event in ordered],
        urls=[event.url for event in ordered],
    )
    return {bytes(key) for key in rows.scalars()}


def _write_facts(tx: Transaction, events: Any, known: dict[int, _Known]) -> None:
    touched: set[int] = set()
    for event in events:
        firsts = known[event.delivery_id].firsts
        firsts[event.type] = min(event.at, firsts.get(event.type, event.at))
        touched.add(event.delivery_id)
    if not touched:
        return
    ids = sorted(touched)
    columns = {kind.value: [known[n].firsts.get(kind) for n in ids] for kind in EventType}
    tx.execute(_FACTS, {"ids": ids, **columns})


def _evidence(tx: Transaction, events: Any, known: dict[int, _Known]) -> list[int]:
    """Any event that carries an attempt's id, about a delivery of its batch, proves that SendGrid took the attempt."""
    named = {(event.attempt_id, known[event.delivery_id].batch_id) for event in events if event.attempt_id is not None}
    if not named:
        return []
    rows = tx.execute(
        # A delivery's batch at the time of the attempt may have been split since, or the delivery moved out of it.
        """WITH RECURSIVE named AS (
               SELECT * FROM unnest(CAST(:attempts AS uuid[]), CAST(:batches AS bigint[])) AS x (attempt_id, batch_id)
           ), line AS (
               SELECT attempt_id, batch_id FROM named
               UNION SELECT line.attempt_id, b.parent_id FROM line JOIN batches b ON b.id = line.batch_id WHERE b.parent_id IS NOT NULL
           )
           UPDATE attempts a SET evidence_at = clock_timestamp() FROM line
           WHERE a.id = line.attempt_id AND a.batch_id = line.batch_id AND a.evidence_at IS NULL
           RETURNING a.id, a.issue_id, a.state""",
        attempts=[attempt for attempt, _ in named],
        batches=[batch for _, batch in named],
    ).all()
    for row in rows:
        if row.state in ("claimed", "released", "rejected"):
            log.error("evidence for an attempt that was not sent", attempt=str(row.id), state=row.state)
            audit(tx, "service", "evidence against the record", f"attempt {row.id}", state=row.state)
    return [row.issue_id for row in rows if row.state == "unknown" and accept_late(tx, row.id, "an event proved it")]


def _act(tx: Transaction, event: Event, delivery: _Known) -> None:
    # Whatever the provider's clock says, it happened after the copy was claimed.
    at = max(event.at, delivery.claimed_at or event.at)
    if event.consequence is not None:
        suppress(tx, delivery.email_key, kind=event.consequence.value, source=f"event: {event.type}", at=at)
    if event.leaves and delivery.subscription_id is not None:
        evidence = {"issue": delivery.issue_id, "delivery": event.delivery_id}
        withdraw(tx, delivery.subscription_id, method=f"event-{event.type}", at=at, details=evidence)
