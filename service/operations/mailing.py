"""Asks for the mails of the service itself: one row each, rung for after the commit. Refuses to write to anybody here: who
gets what is read again when the mail is sent."""

from service import queue
from service.db import Transaction

KINDS = ("confirm", "known", "welcome", "manage", "change-old", "change-new", "changed")


def ask_for(
    tx: Transaction,
    kind: str,
    *,
    email_key: bytes,
    language: str,
    newsletter_id: int,
    signup_id: int | None = None,
    subscriber_id: int | None = None,
    link_id: int | None = None,
    address_change_id: int | None = None,
) -> int:
    """Ask for one mail; it leaves after the commit. Returns its id.

    `email_key` is the key of the address that it will go to. The address itself is read when the mail is sent: of a `confirm`
    or `known` from its sign-up, of a `change-new` from its address change, of a `changed` from its address change where the
    key is the new address's and from nowhere else, of all others from the subscriber. `manage` needs the link, too.
    """
    mail_id: int = tx.execute(
        """INSERT INTO mails (kind, email_key, language, newsletter_id, signup_id, subscriber_id, link_id, address_change_id, rung_at)
           VALUES (:kind, :key, :language, :newsletter, :signup, :subscriber, :link, :change, clock_timestamp()) RETURNING id""",
        kind=kind,
        key=email_key,
        language=language,
        newsletter=newsletter_id,
        signup=signup_id,
        subscriber=subscriber_id,
        link=link_id,
        change=address_change_id,
    ).scalar_one()
    tx.enqueue(queue.SEND_MAIL, mail_id)
    return mail_id
