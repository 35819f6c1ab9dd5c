"""What a reader decides: leaving, and what is shown before. A token names a subscription, reveals nothing, and works for
years; asking twice does nothing twice."""

from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from service import tokens
from service.db import Transaction, transaction
from service.errors import NotFound
from service.operations.suppressing import withdraw
from service.tokens import Purpose

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LeaveView:
    """What the leave page shows: nothing of the person, since mails get forwarded."""

    newsletter: str
    postal_address: str
    language: str
    has_left: bool


def view_leave(token: str) -> LeaveView:
    """What a leave link is about. Changes nothing. Raises NotFound for anything we did not sign."""
    subscription_id = _subscription(token)
    with transaction() as tx:
        row = tx.execute(
            """SELECT w.name, w.postal_address, w.language, n.state FROM subscriptions n JOIN newsletters w ON w.id = n.newsletter_id WHERE n.id = :id""",
            id=subscription_id,
        ).one_or_none()
    if row is None:
        raise NotFound("The subscription is gone already.")
    return LeaveView(row.name, row.postal_address, row.language, row.state == "unsubscribed")


def leave(token: str, *, method: str) -> bool:
    """End the subscription that the token names; in force when this returns. False when it had ended before.

    `method` is `one-click` or `page`. Raises NotFound for anything we did not sign.
    """
    subscription_id = _subscription(token)
    with transaction() as tx:
        left = withdraw(tx, subscription_id, method=method)
    if left:
        # Apart, and allowed to fail: a statistic must not keep anybody from leaving.
        try:
            with transaction() as tx:
                _count_on_latest_issue(tx, subscription_id)
        except DBAPIError as error:
            log.warning("leave not counted", error=type(error.orig).__name__)
    return left


def _subscription(token: str) -> int:
    subscription_id = tokens.read(Purpose.LEAVE, token)
    if subscription_id is None:
        raise NotFound("This link is not one of ours; it may have been cut off.")
    return subscription_id


def _count_on_latest_issue(tx: Transaction, subscription_id: int) -> None:
    """Reports count who left after an issue. The token names no issue, so it is the reader's latest one."""
    tx.execute(
        """UPDATE deliveries SET unsubscribed_at = clock_timestamp() WHERE unsubscribed_at IS NULL AND id = (
               SELECT d.id FROM subscriptions n
               CROSS JOIN LATERAL (SELECT id FROM issues WHERE newsletter_id = n.newsletter_id AND prepared_at IS NOT NULL ORDER BY id DESC LIMIT 3) i
               JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id = n.subscriber_id
               JOIN batches b ON b.id = d.batch_id AND b.state IN ('sending', 'accepted', 'unknown')
               WHERE n.id = :id AND d.excluded IS NULL AND d.failed IS NULL ORDER BY d.issue_id DESC LIMIT 1
           )""",
        id=subscription_id,
    )
