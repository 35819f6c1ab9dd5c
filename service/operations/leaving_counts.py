"""Counts who left after an issue, in sets: a mail's link names no issue, so a leaving counts on the latest that the reader was sent. Whoever
leaves waits for none of it, and what is to be counted is kept with the leaving itself."""

from service.db import Transaction, transaction

AT_ONCE = 5000
"""Leavings that are counted in one statement."""

# Deliveries are locked in the order of their ids, as whoever takes events locks them: so nobody waits in a circle. A leaving whose
# subscription or delivery is gone is counted nowhere.
_COUNT = """
    WITH due AS (
        DELETE FROM uncounted_leavings WHERE {which} RETURNING subscription_id, left_at
    ), meant AS (
        SELECT x.id, due.left_at FROM due JOIN subscriptions n ON n.id = due.subscription_id
        CROSS JOIN LATERAL (
            SELECT d.id FROM (
                SELECT id FROM issues WHERE newsletter_id = n.newsletter_id AND prepared_at < due.left_at ORDER BY id DESC LIMIT 3
            ) i
            JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id = n.subscriber_id
            JOIN batches b ON b.id = d.batch_id AND b.state IN ('sending', 'accepted', 'unknown')
            WHERE d.excluded IS NULL AND d.failed IS NULL ORDER BY d.issue_id DESC LIMIT 1
        ) x
    ), locked AS (
        SELECT d.id, m.left_at FROM deliveries d JOIN meant m ON m.id = d.id WHERE d.unsubscribed_at IS NULL
        ORDER BY d.id FOR NO KEY UPDATE OF d
    ), counted AS (
        UPDATE deliveries d SET unsubscribed_at = locked.left_at FROM locked WHERE d.id = locked.id
    )
    SELECT count(*) FROM due
"""
_SOME = _COUNT.format(which="id IN (SELECT id FROM uncounted_leavings ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED)")
_ONE = _COUNT.format(which="subscription_id = :subscription")


def count_leavings() -> int:
    """Count whatever is to be counted; how many leavings there were."""
    total = 0
    while True:
        with transaction() as tx:
            found = int(tx.execute(_SOME, most=AT_ONCE).scalar_one())
        total += found
        if found < AT_ONCE:
            return total


def count_one(tx: Transaction, subscription_id: int) -> None:
    """Count the leaving of this subscription now, if it is still to be counted."""
    tx.execute(_ONE, subscription=subscription_id)


def count_never(tx: Transaction, subscription_ids: list[int]) -> None:
    """Forget that the leavings of these subscriptions are to be counted. Waits for whoever counts them just now, so it comes before any
    lock on a reader."""
    tx.execute("DELETE FROM uncounted_leavings WHERE subscription_id = ANY(:ids)", ids=subscription_ids)
