"""Pausing a newsletter until a day, and turning its tracking off, by a mail's link. Both only ever lessen what is sent or
recorded; turning either back is for the preferences."""

import calendar
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from service.db import Transaction, transaction
from service.errors import Conflict, Invalid, NotFound
from service.languages import mark
from service.operations.consenting import record
from service.operations.leaving import lock_reader_of, subscription_of

MAXIMUM_YEARS = 2
SPANS = {"1-month": 1, "3-months": 3}


def pause(token: str, *, span: str, day: str = "") -> tuple[datetime, datetime | None]:
    """Send this reader nothing before a day: `1-month`, `3-months`, or `day` as in 2026-05-03. Returns from when on it is sent
    again, and what was so before. Raises Invalid with a sentence for the field, Conflict after leaving, NotFound."""
    subscription_id = subscription_of(token)
    with transaction() as tx:
        lock_reader_of(tx, subscription_id)
        row = tx.execute(
            """SELECT w.time_zone, n.state, n.paused_until FROM subscriptions n JOIN newsletters w ON w.id = n.newsletter_id
               WHERE n.id = :id""",
            id=subscription_id,
        ).one_or_none()
        if row is None:
            raise NotFound(mark("The subscription is gone already."))
        if row.state == "unsubscribed":
            raise Conflict(mark("You have left this newsletter already; there is nothing to pause."))
        today = _now(tx).astimezone(ZoneInfo(row.time_zone)).date()
        until = start_of(chosen_day(span, day, today), row.time_zone)
        set_pause(tx, subscription_id, until)
    return until, row.paused_until


def undo_pause(subscription_id: int, *, until: datetime, before: datetime | None) -> None:
    """Take a pause back to what was before, as long as nothing else has been set since. Raises Conflict."""
    with transaction() as tx:
        undone = tx.execute(
            """UPDATE subscriptions SET paused_until = :before
               WHERE id = :id AND paused_until = :until AND state <> 'unsubscribed'""",
            id=subscription_id,
            until=until,
            before=before,
        ).rowcount
    if not undone:
        raise Conflict(mark("The pause was changed in the meantime; nothing was undone."))


def stop_tracking(token: str, *, origin: Mapping[str, str] = MappingProxyType({})) -> None:
    """Record no more of what this reader opens and clicks in this newsletter. Raises NotFound."""
    subscription_id = subscription_of(token)
    with transaction() as tx:
        lock_reader_of(tx, subscription_id)
        object_to_tracking(tx, subscription_id, method="page", details=origin)


def object_to_tracking(
    tx: Transaction, subscription_id: int, *, method: str, details: Mapping[str, Any] | None = None
) -> bool:
    """The reader says no to tracking, having agreed before or not; False when they had said so."""
    row = tx.execute(
        """UPDATE subscriptions n SET tracking = 'objected' FROM subscribers s
           WHERE n.id = :id AND s.id = n.subscriber_id AND n.tracking <> 'objected' RETURNING s.email_key, n.newsletter_id""",
        id=subscription_id,
    ).one_or_none()
    if row is None:
        return False
    record(
        tx,
        "withdrawn",
        email_key=row.email_key,
        newsletter_id=row.newsletter_id,
        purpose="tracking",
        method=method,
        details=details,
    )
    return True


def set_pause(tx: Transaction, subscription_id: int, until: datetime | None) -> None:
    """`changed_at` stays: it tells a leaving that is told of late from a sign-up after it."""
    tx.execute("UPDATE subscriptions SET paused_until = :until WHERE id = :id", id=subscription_id, until=until)


def chosen_day(span: str, typed: str, today: date) -> date:
    """The first day on which issues are sent again. Raises Invalid, saying what to write."""
    if span in SPANS:
        return _months_later(today, SPANS[span])
    if span != "date":
        raise Invalid(mark("Choose how long the pause is to last."))
    return typed_day(typed, today)


def typed_day(typed: str, today: date) -> date:
    """A typed day such as 2026-05-03, after today and not too far away. Raises Invalid, saying what to write."""
    try:
        day = date.fromisoformat(typed.strip())
    except ValueError:
        raise Invalid(mark("Write the day as year, month and day, such as 2030-05-31.")) from None
    if day <= today:
        raise Invalid(mark("This day has passed or is today. Choose a later one."))
    if day > _months_later(today, 12 * MAXIMUM_YEARS):
        raise Invalid(mark("A pause can last two years at most. Choose an earlier day, or leave the newsletter."))
    return day


def start_of(day: date, zone: str) -> datetime:
    """The moment at which that day begins there."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _months_later(day: date, months: int) -> date:
    """The same day of a later month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _now(tx: Transaction) -> datetime:
    moment: datetime = tx.execute("SELECT clock_timestamp()").scalar_one()
    return moment
