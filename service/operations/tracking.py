"""Takes what SendGrid tells us: stored raw and answered at once, then turned into our own events exactly once, in any order,
however often it is repeated. Events act only on rows of ours; they may add a suppression, never lift one."""

import time
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import structlog

from service import queue
from service.clients import sendgrid_events
from service.clients.sendgrid_events import MalformedPayloadError, Parsed
from service.db import Transaction, transaction
from service.errors import Invalid
from service.operations.bells import RING_AGAIN, close_if_done
from service.operations.mailing_events import take_mail_events
from service.operations.tracking_events import take_events
from service.settings import current

log = structlog.get_logger(__name__)

TRIES = 5
A_SET = 10_000
"""Events that are taken in together, unless one payload alone has more: as many as pay for a transaction, and no more than its memory."""
STINT = 20.0
"""Seconds after which the worker rings for the rest instead of going on."""
YIELD = 9.0
"""How many times as long as it worked the ingest rests while an issue is being sent: events can wait, and on a small machine they halve
the rate at which it leaves (measured with 100,000 at once on two processors)."""
LONGEST_REST = 5.0
PATIENCE = 10.0
"""Seconds that what is read ahead is waited for."""
_BEING_SENT = """
    SELECT EXISTS (SELECT FROM issues i JOIN batches b ON b.issue_id = i.id WHERE i.state = 'sending' AND (b.state IN ('claimed', 'sending')
        OR b.state = 'pending' AND (b.not_before IS NULL OR b.not_before <= clock_timestamp())))
"""
# The oldest first, so that a flood keeps nobody's leaving waiting behind what came later.
_NEXT = """
    WITH waiting AS (
        SELECT id, received_on, events FROM payloads WHERE state = 'pending' AND tries = 0 ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED
    ), counted AS (
        SELECT id, received_on, sum(events) OVER (ORDER BY id) - events AS before FROM waiting
    )
    SELECT id, p.events, body FROM payloads p JOIN counted USING (id, received_on) WHERE before < :most ORDER BY id
"""
# Without locks: what is read ahead is only read.
_BEYOND = """
    WITH counted AS (
        SELECT id, received_on, sum(events) OVER (ORDER BY id) - events AS before
        FROM (SELECT id, received_on, events FROM payloads WHERE state = 'pending' AND tries = 0 AND id > :last ORDER BY id LIMIT 500) waiting
    )
    SELECT id, p.events, body FROM payloads p JOIN counted USING (id, received_on) WHERE before < :most ORDER BY id
"""
_THESE = "SELECT id, events, body FROM payloads WHERE id = ANY(:ids) AND state = 'pending' ORDER BY id FOR UPDATE SKIP LOCKED"
_FAILED_BEFORE = """
    SELECT id FROM payloads WHERE state = 'pending' AND tries > 0
        AND (rung_at IS NULL OR rung_at NOT BETWEEN clock_timestamp() - CAST(:again AS interval) AND clock_timestamp()) ORDER BY id
"""
_TAKEN = """
    UPDATE payloads p SET state = 'ingested', fresh = x.fresh, strays = x.strays
    FROM unnest(CAST(:ids AS bigint[]), CAST(:fresh AS integer[]), CAST(:strays AS integer[])) AS x (id, fresh, strays)
    WHERE p.id = x.id
"""


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
        tx.execute(
            "INSERT INTO payloads (body, events, rung_at) VALUES (:body, :events, clock_timestamp())",
            body=zlib.compress(body, 1),
            events=entries,
        )
        tx.enqueue(queue.INGEST_PAYLOADS)


def ingest() -> None:
    """Turn what waits into events, in sets; and what failed before once more, each by itself. One that fails five times is set aside,
    visible and replayable. Raises what a payload failed with, when all others are taken in."""
    begun = time.monotonic()
    failures: list[Exception] = []
    with transaction() as tx:
        again = tx.execute(_FAILED_BEFORE, again=RING_AGAIN).scalars().all()
    with _Ahead() as ahead:
        for payload_id in again:
            _take_in([payload_id], failures, ahead)
        while taken := _in_turn(failures, ahead):
            if time.monotonic() - begun > STINT:
                break
    if taken:
        with transaction() as tx:
            tx.enqueue(queue.INGEST_PAYLOADS)
    if failures:
        raise failures[0]


def replay() -> int:
    """Take up every payload that was set aside, from the start. Returns how many."""
    with transaction() as tx:
        again = tx.execute(
            "UPDATE payloads SET state = 'pending', tries = 0, error = NULL, rung_at = clock_timestamp() WHERE state = 'set-aside'"
        ).rowcount
        tx.enqueue(queue.INGEST_PAYLOADS)
    return again


class _Ahead:
    """Reads the next payloads in a thread of its own, while the database is at the last ones: on two processors, half of the time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._next: Future[dict[int, Parsed]] | None = None
        self.is_wanted = True
        """Not while an issue is being sent: it needs the other processor."""

    def __enter__(self) -> "_Ahead":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def read(self, rows: Sequence[Any]) -> dict[int, Parsed]:
        """What these payloads say; goes on to what follows them if they are a whole set. Raises what `_parse` does."""
        waiting, self._next = self._next, None
        known: dict[int, Parsed] = {}
        with suppress(TimeoutError):  # its connection may hang, which must not stop this one
            known = waiting.result(PATIENCE) if waiting else known
        if self.is_wanted and sum(row.events for row in rows) >= A_SET:
            self._next = self._thread.submit(_read_beyond, rows[-1].id)
        return {row.id: known.get(row.id) or _parse(row.body) for row in rows}


def _read_beyond(last: int) -> dict[int, Parsed]:
    """What the payloads beyond that one say. Fails in nothing: whoever takes them in meets what is wrong with them."""
    found = {}
    with suppress(Exception), transaction() as tx:
        for row in tx.execute(_BEYOND, last=last, most=A_SET):
            with suppress(Exception):
                found[row.id] = _parse(row.body)
    return found


def _parse(body: bytes) -> Parsed:
    """Raises MalformedPayloadError, and zlib.error."""
    return sendgrid_events.parse(zlib.decompress(body))


def _in_turn(failures: list[Exception], ahead: _Ahead) -> int:
    """Take in the next set, and leave the machine to an issue that is being sent. The worker of this queue does nothing else."""
    begun = time.monotonic()
    taken = _take_in(None, failures, ahead)
    spent = time.monotonic() - begun
    with transaction() as tx:
        busy = taken and tx.execute(_BEING_SENT).scalar_one()
    ahead.is_wanted = not busy
    if busy:
        time.sleep(min(LONGEST_REST, YIELD * spent))
    return taken


def _take_in(ids: Sequence[int] | None, failures: list[Exception], ahead: _Ahead) -> int:
    """Take in these payloads, or the next that wait, unless somebody else is at them. When they cannot be taken in together, then
    by halves, so that one that fails harms no other. Returns how many there were."""
    found: list[int] = []
    failure: Exception | None = None
    try:
        with transaction() as tx:
            rows = tx.execute(_NEXT, most=A_SET) if ids is None else tx.execute(_THESE, ids=list(ids))
            waiting = rows.all()
            found = [row.id for row in waiting]
            touched = _take(tx, ahead.read(waiting)) if found else []
    except Exception as error:
        if not found:
            raise
        failure = error
    if failure is None:
        for issue_id in touched:
            with transaction() as tx:
                close_if_done(tx, issue_id)
    elif len(found) == 1:
        _count_failure(found[0], failure)
        failures.append(failure)
    else:
        _take_in(found[: len(found) // 2], failures, ahead)
        _take_in(found[len(found) // 2 :], failures, ahead)
    return len(found)


def _count_failure(payload_id: int, failure: Exception) -> None:
    log.error("payload not ingested", payload=payload_id, error=type(failure).__name__)
    with transaction() as tx:
        tx.execute(
            """UPDATE payloads SET tries = tries + 1, error = :error, rung_at = clock_timestamp(),
                   state = CASE WHEN tries + 1 >= :most THEN 'set-aside' ELSE 'pending' END
               WHERE id = :id AND state = 'pending'""",
            error=type(failure).__name__,
            most=TRIES,
            id=payload_id,
        )


def _take(tx: Transaction, parsed: Mapping[int, Parsed]) -> list[int]:
    """Record the payloads' events. Returns the issues of which an unknown batch was resolved."""
    strange = take_mail_events(tx, {payload_id: one.mails for payload_id, one in parsed.items()})
    taken = take_events(tx, {payload_id: one.events for payload_id, one in parsed.items()})
    tx.execute(
        _TAKEN,
        ids=list(parsed),
        fresh=[taken.fresh.get(n, 0) for n in parsed],
        strays=[one.strays + strange.get(n, 0) + taken.strays.get(n, 0) for n, one in parsed.items()],
    )
    return taken.resolved
