"""Takes a leaving back, for whoever has just left and did not mean to: within half an hour, while it is the last word, and as
the agreement that it was before. Refuses everything else: whoever has left is written to again only by their own consent."""

from datetime import timedelta

from service.db import Transaction, transaction
from service.errors import Conflict
from service.languages import mark
from service.operations.consenting import agree, last_agreed
from service.operations.leaving_counts import count_never

UNDO = timedelta(minutes=30)
PRESSED_TWICE = timedelta(minutes=1)

_BEGIN_AGAIN = """
    UPDATE subscriptions n SET state = 'active', changed_at = clock_timestamp() FROM subscribers s, consent_records c
    WHERE n.id = :id AND s.id = n.subscriber_id AND n.state = 'unsubscribed'
      AND c.id = :record AND c.email_key = s.email_key AND c.newsletter_id = n.newsletter_id
      AND c.purpose = 'newsletter' AND c.action = 'withdrawn' AND c.at > clock_timestamp() - CAST(:age AS interval)
      AND NOT EXISTS (SELECT FROM consent_records later WHERE later.email_key = c.email_key AND later.newsletter_id = c.newsletter_id
          AND later.purpose = c.purpose AND later.number > c.number)
      AND NOT EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.lifted_at IS NULL)
    RETURNING s.email_key, n.newsletter_id, n.subscriber_id
"""
_COUNT_NO_MORE = """
    UPDATE deliveries SET unsubscribed_at = NULL WHERE subscriber_id = :subscriber AND unsubscribed_at IS NOT NULL AND issue_id IN (
               SELECT id FROM issues WHERE newsletter_id = :newsletter AND prepared_at IS NOT NULL ORDER BY id DESC LIMIT 3
           ) AND unsubscribed_at > clock_timestamp() - CAST(:age AS interval)
"""


def just_withdrawn(tx: Transaction, subscription_id: int, *, fresh: bool) -> int | None:
    """The record of the leaving of this moment, to take it back by. A button pressed twice is still one leaving; anybody who
    comes later, with a forwarded mail perhaps, gets nothing to take back."""
    record: int | None = tx.execute(
        """SELECT c.id FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
           JOIN consent_records c ON c.email_key = s.email_key AND c.newsletter_id = n.newsletter_id
           WHERE n.id = :id AND c.purpose = 'newsletter' AND c.action = 'withdrawn' AND c.at > clock_timestamp() - CAST(:age AS interval)
             AND (:fresh OR c.method = 'page')
           ORDER BY c.number DESC LIMIT 1""",
        id=subscription_id,
        age=UNDO if fresh else PRESSED_TWICE,
        fresh=fresh,
    ).scalar_one_or_none()
    return record


def undo(withdrawn: list[tuple[int, int]]) -> int:
    """Begin again what these withdrawals ended: pairs of a subscription and the record that ended it. Returns how many.
    Raises Conflict, and then begins none, when one is older than half an hour or is not the last word any more."""
    with transaction() as tx:
        count_never(tx, [subscription_id for subscription_id, _ in withdrawn])
        for subscription_id, record_id in withdrawn:
            _begin_again(tx, subscription_id, record_id)
    return len(withdrawn)


def _begin_again(tx: Transaction, subscription_id: int, record_id: int) -> None:
    tx.execute(
        "SELECT FROM subscribers WHERE id = (SELECT subscriber_id FROM subscriptions WHERE id = :id) FOR NO KEY UPDATE",
        id=subscription_id,
    )
    row = tx.execute(
        _BEGIN_AGAIN,
        id=subscription_id,
        record=record_id,
        age=UNDO,
    ).one_or_none()
    if row is None:
        raise Conflict(
            mark("This can be undone for half an hour, and only while nothing else was decided. Please sign up again.")
        )
    before = last_agreed(tx, email_key=row.email_key, newsletter_id=row.newsletter_id, purpose="newsletter")
    agree(
        tx,
        email_key=row.email_key,
        newsletter_id=row.newsletter_id,
        purpose="newsletter",
        method="undo",
        wording_sha256=before.wording_sha256 if before else None,
        details={"undone": record_id, "as_in": before.record_id if before else None},
    )
    tx.execute("DELETE FROM leave_reasons WHERE subscription_id = :id", id=subscription_id)
    tx.execute(
        _COUNT_NO_MORE,
        subscriber=row.subscriber_id,
        newsletter=row.newsletter_id,
        age=UNDO,
    )
