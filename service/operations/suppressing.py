"""Ends subscriptions and suppresses addresses. Adds only; lifting is a person's decision elsewhere."""

from datetime import datetime

from service.db import Transaction


def suppress(tx: Transaction, email_key: bytes, *, kind: str, source: str, at: datetime | None = None) -> bool:
    """Put a suppression in force, once. Nothing happens when one of this kind was lifted after the moment `at`."""
    return (
        tx.execute(
            """INSERT INTO suppressions (email_key, kind, source)
               SELECT :key, :kind, :source WHERE NOT EXISTS (
                   SELECT FROM suppressions WHERE email_key = :key AND kind = :kind AND lifted_at > CAST(:at AS timestamptz)
               )
               ON CONFLICT (email_key, kind) WHERE lifted_at IS NULL DO NOTHING""",
            key=email_key,
            kind=kind,
            source=source,
            at=at,
        ).rowcount
        == 1
    )


def withdraw(tx: Transaction, subscription_id: int, *, method: str, at: datetime | None = None) -> bool:
    """End a subscription and write the consent record of it. False when it had ended, or was begun again after `at`."""
    row = tx.execute(
        """UPDATE subscriptions n SET state = 'unsubscribed', changed_at = clock_timestamp() FROM subscribers s
           WHERE n.id = :id AND s.id = n.subscriber_id AND n.state <> 'unsubscribed'
             AND (CAST(:at AS timestamptz) IS NULL OR n.changed_at < CAST(:at AS timestamptz) + interval '1 second')
           RETURNING s.email_key, n.newsletter_id""",
        id=subscription_id,
        at=at,
    ).one_or_none()
    if row is None:
        return False
    tx.execute(
        "INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method) VALUES (:key, :newsletter, 'newsletter', 'withdrawn', :method)",
        key=row.email_key,
        newsletter=row.newsletter_id,
        method=method,
    )
    return True
