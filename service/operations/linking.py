"""Links to a reader's preferences: asking for one, mailing it, opening it once, and the half hour that it opens. Whoever asks
is told the same whatever we know of the address; the mailbox alone decides."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from service import queue, tokens
from service.db import Transaction, transaction
from service.domain.addresses import normalise
from service.errors import Conflict
from service.languages import mark
from service.operations import mailing
from service.operations.limits import wait_for_network
from service.tokens import Purpose, email_key

LINK_WORKS = timedelta(minutes=30)
SESSION_LASTS = timedelta(minutes=30)
MAILS_A_DAY = 3
"""Mails with a link that one address gets within 24 hours."""


@dataclass(frozen=True)
class Session:
    """A reader at their preferences, proved by a link that was mailed to them."""

    link_id: int
    subscriber_id: int
    language: str
    ends_at: datetime


def request_for_address(typed: str, *, language: str, network: str) -> int | timedelta:
    """Ask for a link to be mailed to that address, if it is known: looked up later, so that nobody sees whether it is.

    Returns the request's id, or how long this network must wait. Raises AddressError with a sentence for the field.
    """
    key = email_key(normalise(typed).normalised)
    with transaction() as tx:
        return _request(tx, key, language, network)


def request_for_subscription(subscription_id: int, *, language: str, network: str) -> timedelta | None:
    """Ask for a link for the reader of this subscription, wherever they are. Returns how long this network must wait, or None."""
    with transaction() as tx:
        key = tx.execute(
            "SELECT s.email_key FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id WHERE n.id = :id",
            id=subscription_id,
        ).scalar_one_or_none()
        if key is None:
            return None
        asked = _request(tx, bytes(key), language, network)
    return asked if isinstance(asked, timedelta) else None


def answer(request_id: int) -> None:
    """Mail the link, if there is somebody to mail it to and they were not mailed too often. Answers each request once."""
    with transaction() as tx:
        request = tx.execute(
            """UPDATE link_requests SET answered_at = clock_timestamp() WHERE id = :id AND answered_at IS NULL
               RETURNING email_key, language""",
            id=request_id,
        ).one_or_none()
        if request is None:
            return
        reader = tx.execute(
            """SELECT s.id, s.email_key, coalesce(nullif(s.language, ''), :language) AS language FROM subscribers s WHERE s.email_key = :key FOR NO KEY UPDATE OF s""",
            key=request.email_key,
            language=request.language,
        ).one_or_none()
        if reader is None or _had_enough(tx, bytes(reader.email_key)):
            return
        link_id: int = tx.execute(
            "INSERT INTO links (subscriber_id, expires_at) VALUES (:subscriber, clock_timestamp() + CAST(:works AS interval)) RETURNING id",
            subscriber=reader.id,
            works=LINK_WORKS,
        ).scalar_one()
        mailing.ask_for(
            tx,
            "manage",
            email_key=bytes(reader.email_key),
            language=reader.language,
            newsletter_id=speaking_newsletter(tx, reader.id),
            subscriber_id=reader.id,
            link_id=link_id,
        )


def can_open(token: str) -> bool:
    """Whether the link can still be opened. Changes nothing."""
    with transaction() as tx:
        return bool(
            tx.execute(
                "SELECT EXISTS (SELECT FROM links WHERE id = :id AND used_at IS NULL AND ended_at IS NULL AND expires_at > clock_timestamp())",
                id=_link(token),
            ).scalar_one()
        )


def was_asked_by(request_id: int, token: str) -> bool:
    """Whether the link was mailed because of that very request, or of another for the same reader."""
    with transaction() as tx:
        return bool(
            tx.execute(
                """SELECT EXISTS (SELECT FROM links l JOIN subscribers s ON s.id = l.subscriber_id JOIN link_requests r ON r.email_key = s.email_key
                       WHERE l.id = :link AND r.id = :request AND r.created_at <= l.created_at)""",
                link=_link(token),
                request=request_id,
            ).scalar_one()
        )


def open_link(token: str) -> int:
    """Open the link, which can be done once; the half hour begins. Returns the link's id. Raises Conflict when it was opened before or is
    too old."""
    with transaction() as tx:
        link_id: int | None = tx.execute(
            """UPDATE links SET used_at = clock_timestamp()
               WHERE id = :id AND used_at IS NULL AND ended_at IS NULL AND expires_at > clock_timestamp() RETURNING id""",
            id=_link(token),
        ).scalar_one_or_none()
    if link_id is None:
        raise Conflict(mark("This link was opened before, or is older than half an hour. Ask for a new one."))
    return link_id


def session(link_id: int) -> Session | None:
    """The session that this link opened, while it lasts."""
    with transaction() as tx:
        row = tx.execute(
            """SELECT l.id, s.id AS subscriber_id, s.language, l.used_at + CAST(:lasts AS interval) AS ends_at
               FROM links l JOIN subscribers s ON s.id = l.subscriber_id
               WHERE l.id = :id AND l.ended_at IS NULL AND l.used_at + CAST(:lasts AS interval) > clock_timestamp()""",
            id=link_id,
            lasts=SESSION_LASTS,
        ).one_or_none()
    return None if row is None else Session(row.id, row.subscriber_id, row.language, row.ends_at)


def close(link_id: int) -> None:
    """End the session before its time."""
    with transaction() as tx:
        tx.execute("UPDATE links SET ended_at = clock_timestamp() WHERE id = :id AND ended_at IS NULL", id=link_id)


def close_all(tx: Transaction, subscriber_id: int) -> None:
    """End every session of this reader, and every link not opened yet."""
    tx.execute(
        "UPDATE links SET ended_at = clock_timestamp() WHERE subscriber_id = :id AND ended_at IS NULL", id=subscriber_id
    )


def speaking_newsletter(tx: Transaction, subscriber_id: int) -> int:
    """The newsletter in whose name a mail about no one newsletter is sent: the one that the reader decided on last."""
    newsletter_id: int = tx.execute(
        """SELECT coalesce((SELECT newsletter_id FROM subscriptions WHERE subscriber_id = :id ORDER BY changed_at DESC LIMIT 1),
               (SELECT min(id) FROM newsletters))""",
        id=subscriber_id,
    ).scalar_one()
    return newsletter_id


def _request(tx: Transaction, key: bytes, language: str, network: str) -> int | timedelta:
    if wait := wait_for_network(tx, "link_requests", network):
        return wait
    request_id: int = tx.execute(
        """INSERT INTO link_requests (email_key, language, network, rung_at) VALUES (:key, :language, :network, clock_timestamp())
           RETURNING id""",
        key=key,
        language=language,
        network=network,
    ).scalar_one()
    tx.enqueue(queue.ANSWER_LINK_REQUEST, request_id)
    return request_id


def _had_enough(tx: Transaction, key: bytes) -> bool:
    return bool(
        tx.execute(
            """SELECT count(*) >= :most FROM mails WHERE email_key = :key AND kind = 'manage' AND created_at > clock_timestamp() - interval '1 day'""",
            key=key,
            most=MAILS_A_DAY,
        ).scalar_one()
    )


def _link(token: str) -> int:
    link_id = tokens.read(Purpose.MANAGE, token)
    # No row has this id: what we did not sign is answered like a link that is used up.
    return -1 if link_id is None else link_id
