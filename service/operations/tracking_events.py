"""Writes what SendGrid told of copies into events, into the facts of their deliveries, and into what is proved of attempts: for
thousands at once. Refuses nothing: what is about no copy of ours is counted and does nothing."""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import structlog

from service.db import Transaction
from service.domain.events import Event, EventType
from service.operations.auditing import audit
from service.operations.recording import accept_late
from service.operations.suppressing import Due, lock_readers, suppress_all, withdraw

log = structlog.get_logger(__name__)

_FIRSTS = ", ".join(f"min(at) FILTER (WHERE type = '{kind.value}') AS {kind.value}_at" for kind in EventType)
_FACTS = ", ".join(f"{kind.value}_at = least(d.{kind.value}_at, x.{kind.value}_at)" for kind in EventType)
_OBSERVATIONS = ", ".join(f"'{kind.value}'" for kind in EventType if kind.is_observation)

# One statement a set: a round trip, a plan and a snapshot for thousands of events. Only what was in a batch is ours: nobody else can
# have got a copy. An objection holds for copies sent before it, too; such an event is still evidence of its attempt. Facts come of
# fresh events alone: those of the others were written with them. `least` ignores nulls: the earliest time of each kind wins, in
# whatever order the events came. They go in in one order, and rows are locked in the order of their ids first, so that two workers
# with events about the same readers cannot wait for each other.
_TAKE = f"""
    WITH told AS MATERIALIZED (
        SELECT x.payload, x.key, x.delivery_id, x.attempt_id, x.type, x.at, x.detail, x.url, x.acts, d.issue_id, d.batch_id,
            d.id IS NOT NULL AND (x.type NOT IN ({_OBSERVATIONS}) OR coalesce(n.tracking <> 'objected', false)) AS is_kept
        FROM json_to_recordset(CAST(:told AS json)) AS x (payload bigint, key bigint, delivery_id bigint, attempt_id uuid, type text, at timestamptz,
            detail text, url text, acts boolean)
        LEFT JOIN deliveries d ON d.id = x.delivery_id AND d.batch_id IS NOT NULL
        LEFT JOIN subscriptions n ON n.id = d.subscription_id AND x.type IN ({_OBSERVATIONS})
    ), fresh AS (
        INSERT INTO events (issue_id, key, delivery_id, attempt_id, type, at, detail, url)
        SELECT issue_id, key, delivery_id, attempt_id, type, at, detail, url FROM told WHERE is_kept ORDER BY delivery_id, key
        ON CONFLICT DO NOTHING RETURNING key, delivery_id, type, at
    ), firsts AS (
        SELECT delivery_id AS id, {_FIRSTS} FROM fresh GROUP BY delivery_id
    ), locked AS (
        SELECT d.id FROM deliveries d JOIN firsts USING (id) ORDER BY d.id FOR NO KEY UPDATE OF d
    ), written AS (
        UPDATE deliveries d SET {_FACTS} FROM firsts x JOIN locked USING (id) WHERE d.id = x.id
    ), once AS (
        SELECT key, min(payload) AS payload, bool_or(acts) AS acts FROM told JOIN fresh USING (key) GROUP BY key
    )
    SELECT (SELECT json_object_agg(payload, n) FROM (SELECT payload, count(*) AS n FROM once GROUP BY payload) c) AS fresh,
        (SELECT array_agg(key) FROM once WHERE acts) AS acting,
        (SELECT array_agg(DISTINCT delivery_id) FROM told WHERE issue_id IS NULL) AS strangers,
        (SELECT json_agg(p) FROM (SELECT DISTINCT attempt_id, batch_id FROM told WHERE attempt_id IS NOT NULL AND issue_id IS NOT NULL) p) AS proofs
"""
_KNOWN = """
    SELECT d.id, d.issue_id, d.email_key, d.subscription_id, a.claimed_at FROM deliveries d JOIN batches b ON b.id = d.batch_id
    LEFT JOIN attempts a ON a.batch_id = b.id AND a.number = b.attempts WHERE d.id = ANY(:ids)
"""
# A delivery's batch at the time of the attempt may have been split since, or the delivery moved out of it.
_EVIDENCE = """
    WITH RECURSIVE line AS (
        SELECT attempt_id, batch_id FROM json_to_recordset(CAST(:proofs AS json)) AS x (attempt_id uuid, batch_id bigint)
        UNION SELECT line.attempt_id, b.parent_id FROM line JOIN batches b ON b.id = line.batch_id WHERE b.parent_id IS NOT NULL
    ), locked AS (
        SELECT a.id FROM attempts a WHERE a.evidence_at IS NULL AND (a.id, a.batch_id) IN (SELECT attempt_id, batch_id FROM line)
        ORDER BY a.id FOR NO KEY UPDATE
    )
    UPDATE attempts a SET evidence_at = clock_timestamp() FROM locked WHERE a.id = locked.id AND a.evidence_at IS NULL
    RETURNING a.id, a.issue_id, a.state
"""


class Taken(NamedTuple):
    """How many events of each payload were fresh and how many about nothing of ours, and the issues of which an unknown batch was
    resolved."""

    fresh: Mapping[int, int]
    strays: Mapping[int, int]
    resolved: list[int]


class _Known(NamedTuple):
    """A delivery of ours whose event makes us do something."""

    issue_id: int
    email_key: bytes
    subscription_id: int | None
    claimed_at: datetime | None

    def moment_of(self, event: Event) -> datetime:
        """Whatever the provider's clock says, it happened after the copy was claimed."""
        return max(event.at, self.claimed_at or event.at)


def take_events(tx: Transaction, told: Mapping[int, Iterable[Event]]) -> Taken:
    """Record what the payloads, by their ids, tell: each event once, however often it is in them. Only a fresh one acts."""
    seen: set[tuple[int, uuid.UUID | None]] = set()
    rows: list[bytes] = []
    acting: dict[int, Event] = {}
    for payload_id in sorted(told):
        for event in told[payload_id]:
            # The same of another attempt is no other event, but it proves that attempt.
            known_by = (event.key, event.attempt_id)
            if known_by in seen:
                continue
            seen.add(known_by)
            acts = event.leaves or event.consequence is not None
            if acts:
                acting.setdefault(known_by[0], event)
            rows.append(_row(payload_id, known_by[0], event, acts=acts))
    if not rows:
        return Taken({}, {}, [])
    known = _known(tx, acting.values())
    found = tx.execute(_TAKE, told=b",".join(rows).join((b"[", b"]")).decode()).one()
    resolved = _evidence(tx, found.proofs or [])
    _act(tx, [acting[key] for key in found.acting or ()], known)
    strangers = set(found.strangers or ())
    strays = Counter(n for n, some in told.items() for event in some if event.delivery_id in strangers)
    return Taken({int(n): fresh for n, fresh in (found.fresh or {}).items()}, strays, resolved)


def _row(payload_id: int, key: int, event: Event, *, acts: bool) -> bytes:
    """Text at once: tens of thousands of dictionaries would keep the garbage collector busy for as long as the work takes."""
    return orjson.dumps(
        {
            "payload": payload_id,
            "key": key,
            "delivery_id": event.delivery_id,
            "attempt_id": event.attempt_id,
            "type": event.type,
            "at": event.at,
            "detail": event.detail,
            "url": event.url,
            "acts": acts,
        }
    )


def _evidence(tx: Transaction, proofs: list[dict[str, Any]]) -> list[int]:
    """Any event that carries an attempt's id, about a delivery of its batch, proves that SendGrid took the attempt."""
    if not proofs:
        return []
    rows = sorted(tx.execute(_EVIDENCE, proofs=orjson.dumps(proofs).decode()).all())
    for row in rows:
        if row.state in ("claimed", "released", "rejected"):
            log.error("evidence for an attempt that was not sent", attempt=str(row.id), state=row.state)
            audit(tx, "service", "evidence against the record", f"attempt {row.id}", state=row.state)
    return [row.issue_id for row in rows if row.state == "unknown" and accept_late(tx, row.id, "an event proved it")]


def _known(tx: Transaction, events: Collection[Event]) -> dict[int, _Known]:
    """The deliveries that these events are about, by their ids. Locks the readers whom they make leave, before anything of theirs."""
    if not events:
        return {}
    ids = sorted({event.delivery_id for event in events})
    known = {row.id: _Known(*row[1:]) for row in tx.execute(_KNOWN, ids=ids).all()}
    left = (known[event.delivery_id].subscription_id for event in events if event.leaves and event.delivery_id in known)
    lock_readers(tx, (one for one in left if one is not None))
    return known


def _act(tx: Transaction, events: Sequence[Event], known: Mapping[int, _Known]) -> None:
    """In the order of the readers, whatever the payloads: two workers cannot wait for each other here either."""
    due = sorted(
        ((known[event.delivery_id], event) for event in events), key=lambda one: (one[0].email_key, one[1].delivery_id)
    )
    suppress_all(
        tx,
        [
            Due(delivery.email_key, event.consequence.value, f"event: {event.type}", delivery.moment_of(event))
            for delivery, event in due
            if event.consequence is not None
        ],
    )
    for delivery, event in due:
        if event.leaves and delivery.subscription_id is not None:
            evidence = {"issue": delivery.issue_id, "delivery": event.delivery_id}
            at = delivery.moment_of(event)
            withdraw(tx, delivery.subscription_id, method=f"event-{event.type}", at=at, details=evidence)
