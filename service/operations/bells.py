"""Rings for batches that are due, and closes an issue whose ledger has closed. Holds the two rules that every step of
sending ends with."""

from datetime import timedelta

from service import queue
from service.db import Transaction
from service.settings import current

RING_AGAIN = timedelta(seconds=60)
"""A bell that nobody answered for so long is lost; and so is one of a moment that is still to come: then the database's clock was set back."""
STALE = """
    greatest(i.prepared_at, i.resumed_at, (SELECT max(a.claimed_at) FROM attempts a WHERE a.issue_id = i.id),
        CASE WHEN i.local_at IS NOT NULL THEN (SELECT max(w.not_before) FROM batches w WHERE w.issue_id = i.id AND w.not_before <= clock_timestamp()) END
    ) < clock_timestamp() - interval '2 hours'
"""
"""SQL over an issue `i` that is being sent: nothing of it was claimed for two hours in which something of it was due. Then the installation slept, or an old
database was restored, and only a person can say whether the rest is still wanted."""

_HOLD_STALE = f"""
    UPDATE issues i SET state = 'held',
        state_reason = 'nothing of it was sent for two hours: was the service down, or a backup restored? Look whether the rest is still wanted, then resume'
    WHERE i.state = 'sending' AND {STALE} AND EXISTS (
        SELECT FROM batches b WHERE b.issue_id = i.id AND b.state = 'pending' AND (b.not_before IS NULL OR b.not_before <= clock_timestamp()))
"""

_RING = """
    WITH outstanding AS (
        SELECT count(*) AS n FROM batches
        WHERE issue_id = :issue AND (state IN ('claimed', 'sending') OR (state = 'pending' AND rung_at BETWEEN clock_timestamp() - CAST(:again AS interval) AND clock_timestamp()))
    ), due AS (
        SELECT b.id FROM batches b JOIN issues i ON i.id = b.issue_id
        WHERE b.issue_id = :issue AND b.state = 'pending' AND i.state = 'sending'
          AND (b.not_before IS NULL OR b.not_before <= clock_timestamp())
          AND NOT EXISTS (SELECT FROM breakers k WHERE k.provider = i.provider AND (k.state = 'refused'
              OR k.state = 'open' AND (k.open_until > clock_timestamp() OR k.probe_until > clock_timestamp())))
          AND (b.rung_at IS NULL OR b.rung_at NOT BETWEEN clock_timestamp() - CAST(:again AS interval) AND clock_timestamp())
        ORDER BY b.id
        LIMIT greatest(0, :at_most - (SELECT n FROM outstanding))
        FOR UPDATE OF b SKIP LOCKED
    )
    UPDATE batches SET rung_at = clock_timestamp() FROM due WHERE batches.id = due.id RETURNING batches.id
"""
# Few bells an issue, so that two issues' bells alternate in the queue and a small issue does not wait behind a large one.

_CLOSE = """
    UPDATE issues SET state = 'sent', sent_at = clock_timestamp(), state_reason = NULL
    WHERE id = :issue AND state = 'sending'
      AND NOT EXISTS (SELECT FROM batches WHERE issue_id = :issue AND state IN ('pending', 'claimed', 'sending', 'unknown'))
"""


_SEEDS = """
    SELECT i.id FROM issues i JOIN newsletters w ON w.id = i.newsletter_id
    WHERE i.seeded_at IS NULL AND i.state IN ('sending', 'sent') AND i.prepared_at > clock_timestamp() - interval '2 hours' AND w.seeds <> '{}'
"""


def ring_seeds(tx: Transaction) -> None:
    """Ring for every issue whose seeds are still to be sent."""
    for issue_id in list(tx.execute(_SEEDS).scalars()):
        tx.enqueue(queue.SEND_SEEDS, issue_id)


def ring(tx: Transaction, issue_id: int) -> int:
    """Ring for due batches of the issue, up to two bells a sending worker outstanding. Returns how many were rung."""
    rows = tx.execute(_RING, issue=issue_id, at_most=2 * current().sending_workers, again=RING_AGAIN).scalars().all()
    for batch_id in sorted(rows):
        tx.enqueue(queue.SEND_BATCH, batch_id)
    return len(rows)


def hold_stale(tx: Transaction) -> None:
    """Hold issues that nothing was claimed of for too long, before anything rings for them."""
    tx.execute(_HOLD_STALE)


def close_if_done(tx: Transaction, issue_id: int) -> bool:
    """Declare the issue sent when nothing of it is pending, under way or unknown.

    Called in a transaction of its own after a batch was recorded: of two that record at the same moment, the later one
    sees both.
    """
    return tx.execute(_CLOSE, issue=issue_id).rowcount == 1


def go_on(tx: Transaction, issue_id: int) -> None:
    """After a batch was recorded: close the issue, or ring for the next batch."""
    if not close_if_done(tx, issue_id):
        ring(tx, issue_id)
