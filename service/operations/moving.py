"""Moves one reader to another address, in one transaction: the consents given at the old one end there and are carried over,
each pointing to the record that it comes from. What was refused or stopped at the old address stays so at the new one."""

from typing import Any

from service.db import Transaction
from service.operations import mailing
from service.operations.consenting import agree, last_agreed, record
from service.operations.linking import close_all, speaking_newsletter
from service.operations.suppressing import lift_leaving, suppress

METHOD = "address-change"
_ANSWERS = {"tracking": "tracking", "export": "export_consent"}
"""Purpose → the column that holds the reader's answer."""


def is_taken(tx: Transaction, key: bytes, subscriber_id: int) -> bool:
    """Whether another reader has that address already."""
    return bool(
        tx.execute(
            "SELECT EXISTS (SELECT FROM subscribers WHERE email_key = :key AND id <> :id)", key=key, id=subscriber_id
        ).scalar_one()
    )


def move(tx: Transaction, change: Any) -> None:
    """Carry out an address change (its row) that both ends have agreed to; the reader is locked, the address is free."""
    old, new = _old_key(tx, change.subscriber_id), bytes(change.email_key)
    subscriptions = tx.execute(
        "SELECT newsletter_id, state, tracking, export_consent FROM subscriptions WHERE subscriber_id = :id ORDER BY id",
        id=change.subscriber_id,
    ).all()
    active = [one for one in subscriptions if one.state == "active"]
    for one in active:
        for purpose in _agreed(one):
            record(tx, "withdrawn", email_key=old, newsletter_id=one.newsletter_id, purpose=purpose, method=METHOD)
    tx.execute(
        "UPDATE subscribers SET address = :address, normalised_address = :normalised, email_key = :key WHERE id = :id",
        address=change.address,
        normalised=change.normalised_address,
        key=new,
        id=change.subscriber_id,
    )
    for one in active:
        for purpose in _agreed(one):
            _carry_over(tx, old, new, one.newsletter_id, purpose)
    for one in subscriptions:
        if one.tracking == "objected":
            record(tx, "withdrawn", email_key=new, newsletter_id=one.newsletter_id, purpose="tracking", method=METHOD)
    _carry_suppressions(tx, old, new)
    close_all(tx, change.subscriber_id)
    tx.execute("UPDATE address_changes SET done_at = clock_timestamp() WHERE id = :id", id=change.id)
    mailing.ask_for(
        tx,
        "changed",
        email_key=new,
        language=change.language,
        newsletter_id=speaking_newsletter(tx, change.subscriber_id),
        subscriber_id=change.subscriber_id,
        address_change_id=change.id,
    )


def _agreed(subscription: Any) -> list[str]:
    """What is in force, the newsletter itself first."""
    return ["newsletter", *(p for p, column in _ANSWERS.items() if getattr(subscription, column) == "agreed")]


def _carry_over(tx: Transaction, old: bytes, new: bytes, newsletter_id: int, purpose: str) -> None:
    before = last_agreed(tx, email_key=old, newsletter_id=newsletter_id, purpose=purpose)
    agree(
        tx,
        email_key=new,
        newsletter_id=newsletter_id,
        purpose=purpose,
        method=METHOD,
        wording_sha256=before.wording_sha256 if before else None,
        details={"from_record": before.record_id} if before else {},
    )


def _carry_suppressions(tx: Transaction, old: bytes, new: bytes) -> None:
    """A leaving of everything, a complaint and a team's stop are the person's, and go along; a bounce is the mailbox's. The
    new mailbox has just said yes, which lifts its own earlier leaving of everything, unless the person's goes along."""
    lift_leaving(tx, new, because="a change to this address was confirmed")
    kinds = tx.execute(
        "SELECT kind FROM suppressions WHERE email_key = :key AND lifted_at IS NULL AND kind IN ('left-all', 'complaint', 'manual')",
        key=old,
    ).scalars()
    for kind in list(kinds):
        suppress(tx, new, kind=kind, source=METHOD)


def _old_key(tx: Transaction, subscriber_id: int) -> bytes:
    return bytes(tx.execute("SELECT email_key FROM subscribers WHERE id = :id", id=subscriber_id).scalar_one())
