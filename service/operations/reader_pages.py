"""One reader as the team sees them: profile, subscriptions, the proof of consent, what was sent and what became of it; and what a
person of the team does about them, always with a reason, always written down."""

import json
import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from service.db import Transaction, transaction
from service.domain.addresses import AddressError
from service.domain.permissions import Permission
from service.domain.personalisation import READER_FIELDS
from service.errors import Conflict, Forbidden, Invalid, NotFound
from service.operations import changing_address, erasing, pausing, proving, reader_data, suppressing, tagging
from service.operations.auditing import audit
from service.operations.permitting import require, within
from service.operations.reader_details import NOT_YOURS, are_hidden

LONGEST_NAME = 200
MOST_DETAILS = 100

_SUBSCRIPTIONS = """
    SELECT n.id, n.newsletter_id, w.name, n.state, n.tracking, n.export_consent, n.paused_until, n.expires_at, n.changed_at, n.created_at
    FROM subscriptions n JOIN newsletters w ON w.id = n.newsletter_id
    WHERE n.subscriber_id = :id AND (CAST(:only AS bigint[]) IS NULL OR n.newsletter_id = ANY(:only)) ORDER BY lower(w.name)
"""
_MAILS = """
    SELECT d.id, d.issue_id, i.subject, w.name AS newsletter_name, d.excluded, d.failed, b.state AS batch_state, d.delivered_at, d.bounced_at,
        d.dropped_at, d.opened_at, d.clicked_at, d.complained_at, d.unsubscribed_at, i.prepared_at
    FROM deliveries d JOIN issues i ON i.id = d.issue_id JOIN newsletters w ON w.id = i.newsletter_id LEFT JOIN batches b ON b.id = d.batch_id
    WHERE d.subscriber_id = :id AND d.issue_id = ANY(ARRAY(SELECT id FROM issues WHERE prepared_at IS NOT NULL
        AND (CAST(:only AS bigint[]) IS NULL OR newsletter_id = ANY(:only)))) ORDER BY d.issue_id DESC LIMIT 100
"""


def show(subscriber_id: int, *, actor: str) -> dict[str, Any]:
    """Everything about one reader that this actor may see; `is_shared`: not their details. Raises NotFound, Forbidden."""
    only = within(actor, Permission.SEE_READERS)
    with transaction() as tx:
        row = _found(tx, subscriber_id, actor)
        row["is_shared"] = are_hidden(tx, subscriber_id, actor, Permission.SEE_READERS)
        if row["is_shared"]:
            row |= {"first_name": "", "last_name": "", "language": "", "attributes": {}}
        subscriptions = [dict(one) for one in tx.execute(_SUBSCRIPTIONS, id=subscriber_id, only=only).mappings()]
        mails = [dict(one) for one in tx.execute(_MAILS, id=subscriber_id, only=only).mappings()]
        acts = [
            act for act in proving.history(tx, bytes(row["email_key"])) if only is None or act.newsletter_id in only
        ]
        tags = tagging.of_reader(tx, subscriber_id)
        names: dict[int, str] = {one.id: one.name for one in tx.execute("SELECT id, name FROM newsletters")}
        suppressions = [
            dict(one)
            for one in tx.execute(
                "SELECT kind, source, since FROM suppressions WHERE email_key = :key AND lifted_at IS NULL ORDER BY since",
                key=bytes(row["email_key"]),
            ).mappings()
        ]
    return {
        **row,
        "subscriptions": subscriptions,
        "mails": mails,
        "acts": list(reversed(acts)),
        "newsletters": names,
        "suppressions": suppressions,
        "tags": tags,
        "change": changing_address.pending(subscriber_id),
    }


def change(
    subscriber_id: int,
    *,
    first_name: str,
    last_name: str,
    language: str,
    attributes: Mapping[str, str] | None = None,
    actor: str,
) -> None:
    """Correct names, language and, where given, all other details; an empty one goes. Raises Invalid, NotFound, Forbidden."""
    with transaction() as tx:
        _found(tx, subscriber_id, actor, Permission.CHANGE_READERS)
        if are_hidden(tx, subscriber_id, actor, Permission.CHANGE_READERS):
            raise Forbidden(NOT_YOURS)
    given = {"first_name": first_name.strip(), "last_name": last_name.strip(), "language": language.strip()}
    details = {name.strip(): value.strip() for name, value in (attributes or {}).items() if value.strip()}
    problems = [
        f"The {name.replace('_', ' ')} has a control character, or more than {LONGEST_NAME} characters."
        for name, value in (given | details).items()
        if len(value) > LONGEST_NAME or any(ord(one) < 32 for one in value)
    ]
    problems += [
        f"“{name[:60]}” is no name for a detail. Use small letters, digits and _, such as city."
        for name in details
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name) or name in ("email", *READER_FIELDS)
    ]
    if len(details) > MOST_DETAILS:
        problems.append(f"A reader has at most {MOST_DETAILS} other details.")
    if problems:
        raise Invalid(*problems)
    with transaction() as tx:
        tx.execute(
            """UPDATE subscribers SET first_name = :first_name, last_name = :last_name, language = :language,
                   attributes = coalesce(CAST(:attributes AS jsonb), attributes) WHERE id = :id""",
            id=subscriber_id,
            attributes=None if attributes is None else json.dumps(details),
            **given,
        )
        audit(tx, actor, "change", f"reader {subscriber_id}")


def pause(subscription_id: int, *, day: str, reason: str, actor: str) -> None:
    """Send a reader nothing of one newsletter before that day, such as 2030-05-31; an empty one ends the pause. Raises Invalid,
    NotFound, Forbidden, Conflict after leaving."""
    with transaction() as tx:
        row = tx.execute(
            """SELECT n.newsletter_id, n.subscriber_id, n.state, w.time_zone, clock_timestamp() AS now
               FROM subscriptions n JOIN newsletters w ON w.id = n.newsletter_id WHERE n.id = :id FOR UPDATE OF n""",
            id=subscription_id,
        ).one_or_none()
        if row is None:
            raise NotFound("There is no such subscription.")
        require(actor, Permission.CHANGE_READERS, row.newsletter_id)
        if row.state == "unsubscribed":
            raise Conflict("They have left this newsletter; there is nothing to pause.")
        until = None
        if day.strip():
            _need(reason, "Say how the reader asked for the pause: it is kept with the record.")
            today = row.now.astimezone(ZoneInfo(row.time_zone)).date()
            until = pausing.start_of(pausing.typed_day(day, today), row.time_zone)
        pausing.set_pause(tx, subscription_id, until)
        audit(
            tx,
            actor,
            "pause" if until else "end the pause",
            f"reader {row.subscriber_id}",
            newsletter=row.newsletter_id,
            **({"until": until.isoformat(), "reason": reason.strip()[:500]} if until else {}),
        )


def ask_for_change(subscriber_id: int, address: str, *, actor: str) -> None:
    """Ask for the reader to be written to at another address: both mailboxes are asked by mail, and nothing changes before both have
    said yes. Raises Invalid, NotFound, Forbidden."""
    with transaction() as tx:
        _found(tx, subscriber_id, actor, Permission.CHANGE_READERS)
    try:
        changing_address.ask(subscriber_id, address)
    except AddressError as error:
        raise Invalid(str(error)) from None
    with transaction() as tx:
        audit(tx, actor, "ask for another address", f"reader {subscriber_id}")


def unsubscribe(subscription_id: int, *, reason: str, actor: str) -> None:
    """End a subscription for a reader who asked for it another way. Raises Invalid without a reason, NotFound, Forbidden, Conflict."""
    with transaction() as tx:
        row = tx.execute(
            "SELECT newsletter_id, subscriber_id FROM subscriptions WHERE id = :id", id=subscription_id
        ).one_or_none()
        if row is None:
            raise NotFound("There is no such subscription.")
        require(actor, Permission.CHANGE_READERS, row.newsletter_id)
        _need(reason, "Say how the reader asked to leave: it is kept with the record.")
        if not suppressing.withdraw(tx, subscription_id, method="operator", details={"reason": reason.strip()[:500]}):
            raise Conflict("The reader had left already.")
        audit(
            tx,
            actor,
            "unsubscribe",
            f"reader {row.subscriber_id}",
            newsletter=row.newsletter_id,
            reason=reason.strip()[:500],
        )


def suppress(subscriber_id: int, *, reason: str, actor: str) -> None:
    """Never write to this address again, whatever anybody imports. Raises Invalid without a reason, NotFound, and Forbidden to
    whoever may not change readers in all newsletters: nothing is sent to a suppressed address by any of them."""
    with transaction() as tx:
        row = _found(tx, subscriber_id, actor, Permission.CHANGE_READERS)
    if within(actor, Permission.CHANGE_READERS) is not None:
        raise Forbidden(
            "A suppressed address gets nothing from any newsletter. End their subscriptions to yours, or ask somebody who may "
            "change readers in all newsletters."
        )
    _need(reason, "Say why the address is never to be written to: it is kept.")
    suppressing.suppress_addresses([row["address"]], reason=reason.strip(), actor=actor)


def lift(subscriber_id: int, *, reason: str, request: str, actor: str) -> list[str]:
    """Let the address be written to again, where that may be lifted. Raises Invalid, NotFound, Forbidden."""
    require(actor, Permission.ERASE)
    with transaction() as tx:
        row = _found(tx, subscriber_id, actor)
    return suppressing.lift(row["address"], reason=reason, request=request, actor=actor)


def erase(subscriber_id: int, *, typed: str, reason: str, actor: str) -> None:
    """Erase the reader; what must stay as evidence stays without their address. `typed` is the address, to be sure. Raises Invalid,
    NotFound, Forbidden."""
    require(actor, Permission.ERASE)
    _need(reason, "Say why the reader is erased, such as “their letter of 3 March”.")
    with transaction() as tx:
        row = _found(tx, subscriber_id, actor)
    if typed.strip().lower() != row["address"].lower():
        raise Invalid("Type the reader's address to erase them: it cannot be undone.")
    erasing.erase_address(row["address"], reason=reason.strip(), actor=actor)


def export(subscriber_id: int, *, actor: str) -> dict[str, Any]:
    """Everything that is kept of one reader, as they get it themselves. Raises NotFound, Forbidden."""
    require(actor, Permission.EXPORT)
    with transaction() as tx:
        _found(tx, subscriber_id, actor)
        audit(tx, actor, "export", f"reader {subscriber_id}")
    return reader_data.collect(subscriber_id)


def _need(reason: str, told: str) -> None:
    if not reason.strip():
        raise Invalid(told)


def _found(
    tx: Transaction, subscriber_id: int, actor: str, permission: Permission = Permission.SEE_READERS
) -> dict[str, Any]:
    """The reader, if one of their newsletters is the actor's business. Raises NotFound."""
    row = tx.execute("SELECT * FROM subscribers WHERE id = :id", id=subscriber_id).mappings().one_or_none()
    only = within(actor, permission)
    theirs = (
        tx.execute("SELECT newsletter_id FROM subscriptions WHERE subscriber_id = :id", id=subscriber_id)
        .scalars()
        .all()
    )
    if row is None or (only is not None and not set(theirs) & set(only)):
        if row is not None and set(theirs) & set(within(actor, Permission.SEE_READERS) or ()):
            require(actor, permission)
        raise NotFound("There is no such reader, or they belong to a newsletter that you have no role in.")
    return dict(row)
