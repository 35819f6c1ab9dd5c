"""What the clock asks for every minute: ring again for whatever is due, give up leases that ended, close what is done. Every
condition says "older than", never "between"; a sweep that fails is loud and shows in its duty."""

import uuid
from datetime import timedelta

import structlog

from service import queue
from service.db import Transaction, transaction
from service.operations import epochs
from service.operations.bells import RING_AGAIN, close_if_done, hold_stale, ring, ring_seeds
from service.operations.duties import duty
from service.operations.leaving_counts import count_leavings
from service.operations.preparing import ring_due
from service.operations.recording import LONGEST_WAIT, accept_late, unarmed_release
from service.operations.scheduling import cancel_pending
from service.operations.uploading import ring_waiting

log = structlog.get_logger(__name__)

REVIEW_AFTER = timedelta(minutes=60)
"""Events normally come within seconds; after an hour without evidence a person should look."""

_EXPIRED = """
    SELECT id, state FROM attempts WHERE state IN ('claimed', 'sending') AND lease_until < clock_timestamp()
    ORDER BY id FOR UPDATE SKIP LOCKED
"""

# Nobody waits longer for the provider: this moment was reckoned before the clock was set back. Readers' own morning may be far off.
_SHORTEN = """
    UPDATE batches b SET not_before = NULL FROM issues i
    WHERE i.id = b.issue_id AND i.state = 'sending' AND i.local_at IS NULL AND b.state = 'pending'
      AND b.not_before > clock_timestamp() + :longest
"""


def sweep_sending() -> None:
    """Everything of sending that may have been left lying by a lost bell or a dead process."""
    duty("sweep sending", _sweep_sending)


def _sweep_sending() -> None:
    epochs.keep()
    expire_leases()
    with transaction() as tx:
        ring_waiting(tx)
    with transaction() as tx:
        hold_stale(tx)
        tx.execute(
            """UPDATE batches SET review_at = clock_timestamp() WHERE state = 'unknown' AND review_at IS NULL
               AND NOT EXISTS (SELECT FROM attempts a WHERE a.batch_id = batches.id AND a.armed_at > clock_timestamp() - :wait)""",
            wait=REVIEW_AFTER,
        )
        tx.execute(_SHORTEN, longest=LONGEST_WAIT)
        ring_due(tx)
        ring_seeds(tx)
        for issue_id in (
            tx.execute(
                "SELECT DISTINCT i.id FROM issues i JOIN batches b ON b.issue_id = i.id WHERE i.state = 'cancelled' AND b.state = 'pending'"
            )
            .scalars()
            .all()
        ):
            cancel_pending(tx, issue_id)
        sending = list(tx.execute("SELECT id FROM issues WHERE state = 'sending' ORDER BY id").scalars())
    for issue_id in sending:
        with transaction() as tx:
            if not close_if_done(tx, issue_id):
                ring(tx, issue_id)


def expire_leases() -> None:
    """A claimed attempt whose lease ended is released: it was never armed. An armed one is unknown: nobody can say
    whether a byte was written, unless an event has already proved it."""
    with transaction() as tx:
        for attempt_id, state in tx.execute(_EXPIRED).all():
            if state == "claimed":
                unarmed_release(tx, attempt_id, "the lease ended before it was armed")
            else:
                _lose(tx, attempt_id)


def _lose(tx: Transaction, attempt_id: uuid.UUID) -> None:
    """Nobody will record what became of this request."""
    proved = tx.execute(
        """UPDATE attempts SET state = 'unknown', reason = 'no answer was recorded: the worker died or hung', recorded_at = clock_timestamp()
           WHERE id = :id AND state = 'sending' RETURNING batch_id, evidence_at IS NOT NULL AS proved""",
        id=attempt_id,
    ).one_or_none()
    if proved is None:
        return
    tx.execute(
        "UPDATE batches SET state = 'unknown', reason = 'no answer was recorded: the worker died or hung' WHERE id = :id AND state = 'sending'",
        id=proved.batch_id,
    )
    log.warning("batch unknown", batch=proved.batch_id)
    if proved.proved:
        accept_late(tx, attempt_id, "an event proved it")


def sweep_tracking() -> None:
    """Ring again for payloads whose bell was lost, and count who left."""
    duty("sweep tracking", _sweep_tracking)


def _sweep_tracking() -> None:
    with transaction() as tx:
        if tx.execute(
            """SELECT EXISTS (SELECT FROM payloads WHERE state = 'pending'
                   AND (rung_at IS NULL OR rung_at NOT BETWEEN clock_timestamp() - CAST(:again AS interval) AND clock_timestamp()))""",
            again=RING_AGAIN,
        ).scalar_one():
            tx.enqueue(queue.INGEST_PAYLOADS)
    count_leavings()
