"""Leaving by a mail's link: what is shown before, the leaving itself, its reason, and taking it back. A token names a
subscription, reveals nothing, and works for years; asking twice does nothing twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from service import tokens
from service.db import Transaction, single, transaction
from service.errors import Invalid, NotFound
from service.languages import mark
from service.operations.leaving_counts import count_one
from service.operations.suppressing import suppress, withdraw
from service.operations.undoing import just_withdrawn
from service.tokens import Purpose

REASONS = ("too-often", "not-expected", "never-signed-up", "not-relevant", "other")
MAXIMUM_WORDS = 500


@dataclass(frozen=True)
class LeaveView:
    """What the leave page shows: nothing of the person, since mails get forwarded. `paused_until` is a day in the
    newsletter's time zone; None when it has passed."""

    slug: str
    newsletter: str
    time_zone: str
    tracks: bool
    has_left: bool
    paused_until: date | None


@dataclass(frozen=True)
class Left:
    """`withdrawn_id` is the record that can be taken back for half an hour; None where there is none to take back."""

    subscription_id: int
    fresh: bool
    withdrawn_id: int | None


def subscription_of(token: str) -> int:
    """The subscription that a leave link names. Raises NotFound for anything we did not sign."""
    subscription_id = tokens.read(Purpose.LEAVE, token)
    if subscription_id is None:
        raise NotFound(mark("This link is not one of ours; it may have been cut off."))
    return subscription_id


def view_leave(token: str) -> LeaveView:
    """What a leave link is about. Changes nothing. Raises NotFound."""
    subscription_id = subscription_of(token)
    with transaction() as tx:
        row = tx.execute(
            """SELECT w.slug, w.name, w.time_zone, w.tracking_policy, n.state,
                   CASE WHEN n.paused_until > clock_timestamp() THEN n.paused_until END AS paused_until
               FROM subscriptions n JOIN newsletters w ON w.id = n.newsletter_id WHERE n.id = :id""",
            id=subscription_id,
        ).one_or_none()
    if row is None:
        raise NotFound(mark("The subscription is gone already."))
    return LeaveView(
        row.slug,
        row.name,
        row.time_zone,
        row.tracking_policy != "none",
        row.state == "unsubscribed",
        _day(row.paused_until, row.time_zone),
    )


def leave(token: str, *, method: str, origin: Mapping[str, str] = MappingProxyType({})) -> Left:
    """End the subscription that the token names; in force when this returns.

    `method` is `one-click` or `page`; `origin` is the network and user_agent of whoever asked. Raises NotFound for anything we did not sign.
    """
    subscription_id = subscription_of(token)
    if method == "one-click":
        # A mail provider presses no button afterwards: there is nothing to take back by.
        with single() as tx:
            return Left(
                subscription_id, withdraw(tx, subscription_id, method=method, details=origin, counts=True), None
            )
    with transaction() as tx:
        # Whoever never confirmed has nothing to come back to.
        undoable = _state(tx, subscription_id) != "pending"
        fresh = withdraw(tx, subscription_id, method=method, details=origin, counts=True)
        withdrawn_id = just_withdrawn(tx, subscription_id, fresh=fresh) if undoable else None
    return Left(subscription_id, fresh, withdrawn_id)


def leave_all(subscription_id: int, *, origin: Mapping[str, str] = MappingProxyType({})) -> int:
    """End every subscription of that reader, and write to them never again until they confirm a sign-up. Returns how many
    ended now."""
    with transaction() as tx:
        key = lock_reader_of(tx, subscription_id)
        if key is None:
            return 0
        others = tx.execute(
            """SELECT n.id FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
               WHERE s.email_key = :key AND n.state <> 'unsubscribed' ORDER BY n.id""",
            key=key,
        ).scalars()
        ended = sum(withdraw(tx, other, method="leave-all", details=origin) for other in list(others))
        suppress(tx, key, kind="left-all", source="reader")
    return ended


def say_why(subscription_id: int, *, reason: str, words: str) -> None:
    """Keep why somebody left; the last answer counts. Raises Invalid."""
    words = "".join(one for one in words.replace("\r\n", "\n").strip() if one.isprintable() or one == "\n")
    if reason not in REASONS:
        raise Invalid(mark("Choose one of the reasons, or close this page: you have left either way."))
    if len(words) > MAXIMUM_WORDS:
        raise Invalid(mark("Your words are too long. Shorten them to 500 characters."))
    with transaction() as tx:
        count_one(tx, subscription_id)
        tx.execute(
            """INSERT INTO leave_reasons (subscription_id, newsletter_id, issue_id, reason, words)
               SELECT n.id, n.newsletter_id,
                   (SELECT max(issue_id) FROM deliveries WHERE issue_id IN (
                       SELECT id FROM issues WHERE newsletter_id = n.newsletter_id AND prepared_at IS NOT NULL ORDER BY id DESC LIMIT 3
                    ) AND subscriber_id = n.subscriber_id AND unsubscribed_at IS NOT NULL),
                   :reason, :words
               FROM subscriptions n WHERE n.id = :id AND n.state = 'unsubscribed'
               ON CONFLICT (subscription_id) DO UPDATE SET reason = excluded.reason, words = excluded.words,
                   issue_id = excluded.issue_id, at = clock_timestamp()""",
            id=subscription_id,
            reason=reason,
            words=words,
        )


def lock_reader_of(tx: Transaction, subscription_id: int) -> bytes | None:
    """Make this reader's decisions wait for each other: every one takes this lock first, so that none waits in a circle.
    Returns the reader's key, or None when the subscription is gone."""
    key = tx.execute(
        """SELECT s.email_key FROM subscribers s WHERE s.id = (SELECT subscriber_id FROM subscriptions WHERE id = :id)
           FOR NO KEY UPDATE""",
        id=subscription_id,
    ).scalar_one_or_none()
    return None if key is None else bytes(key)


def _state(tx: Transaction, subscription_id: int) -> str | None:
    found: str | None = tx.execute(
        "SELECT state FROM subscriptions WHERE id = :id", id=subscription_id
    ).scalar_one_or_none()
    return found


def _day(moment: datetime | None, zone: str) -> date | None:
    return None if moment is None else moment.astimezone(ZoneInfo(zone)).date()
