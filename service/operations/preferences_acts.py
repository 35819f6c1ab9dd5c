"""The acts behind the boxes of the preferences: beginning and leaving a newsletter, agreeing and objecting. The mailed link
has proved the address, so that what is given here is confirmed at once. `origin` is where the form came from."""

from collections.abc import Mapping

from service.db import Transaction
from service.operations.consenting import agree, record
from service.operations.pausing import object_to_tracking
from service.operations.preferences import Choice, Preferences
from service.operations.suppressing import lift_leaving, withdraw
from service.operations.undoing import just_withdrawn
from service.operations.wordings import PURPOSES, store

__all__ = ["PURPOSES", "agree_to", "begin", "leave", "object_to"]

METHOD = "preferences"
_AGREE = {
    "tracking": "UPDATE subscriptions SET tracking = 'agreed' WHERE id = :id",
    "export": "UPDATE subscriptions SET export_consent = 'agreed' WHERE id = :id",
}


def leave(tx: Transaction, choice: Choice, origin: Mapping[str, str]) -> tuple[int, int] | None:
    """End the subscription. Returns it and the record that can be undone; None when it had ended elsewhere."""
    if choice.subscription_id is None or not withdraw(tx, choice.subscription_id, method=METHOD, details=origin):
        return None
    record_id = just_withdrawn(tx, choice.subscription_id, fresh=True)
    return None if record_id is None else (choice.subscription_id, record_id)


def begin(tx: Transaction, reader: Preferences, choice: Choice, origin: Mapping[str, str], *, tracked: bool) -> int:
    """Begin the newsletter, under the words of today. Whoever had left everything is written to again. Where readers are
    tracked unless they object, a box left empty (not `tracked`) is an objection: they were asked."""
    subscription_id: int = tx.execute(
        """INSERT INTO subscriptions AS n (subscriber_id, newsletter_id, state) VALUES (:subscriber, :newsletter, 'active')
           ON CONFLICT (newsletter_id, subscriber_id) DO UPDATE SET state = 'active', paused_until = NULL, expires_at = NULL,
               tracking = CASE n.tracking WHEN 'objected' THEN 'objected' ELSE 'unasked' END, export_consent = 'unasked',
               changed_at = clock_timestamp()
           RETURNING id""",
        subscriber=reader.subscriber_id,
        newsletter=choice.newsletter_id,
    ).scalar_one()
    lift_leaving(tx, reader.email_key, because="a newsletter was begun in the preferences")
    _agree(tx, reader, choice, "newsletter", origin)
    if choice.objectable and not tracked:
        object_to_tracking(tx, subscription_id, method=METHOD, details=origin)
    return subscription_id


def agree_to(
    tx: Transaction, reader: Preferences, choice: Choice, subscription_id: int, purpose: str, origin: Mapping[str, str]
) -> None:
    """Agree to `tracking` or `export`, under the words of today."""
    tx.execute(_AGREE[purpose], id=subscription_id)
    _agree(tx, reader, choice, purpose, origin)


def object_to(
    tx: Transaction, reader: Preferences, choice: Choice, subscription_id: int, purpose: str, origin: Mapping[str, str]
) -> None:
    """Take the agreement to `tracking` or `export` back."""
    if purpose == "tracking":
        object_to_tracking(tx, subscription_id, method=METHOD, details=origin)
        return
    tx.execute("UPDATE subscriptions SET export_consent = 'objected' WHERE id = :id", id=subscription_id)
    record(
        tx,
        "withdrawn",
        email_key=reader.email_key,
        newsletter_id=choice.newsletter_id,
        purpose=purpose,
        method=METHOD,
        details=origin,
    )


def _agree(tx: Transaction, reader: Preferences, choice: Choice, purpose: str, origin: Mapping[str, str]) -> None:
    wording = choice.wordings[purpose]
    (words,) = store(tx, [wording.text])
    agree(
        tx,
        email_key=reader.email_key,
        newsletter_id=choice.newsletter_id,
        purpose=purpose,
        method=METHOD,
        wording_sha256=words,
        details={"subscriber": reader.subscriber_id, "language": wording.language, "default": "unticked", **origin},
    )
