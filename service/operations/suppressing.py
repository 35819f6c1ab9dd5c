"""Ends subscriptions and suppresses addresses. Lifts nothing but the reader's own leaving of everything, when they come back;
any other lifting is a person's decision."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from service.db import Transaction, transaction
from service.domain.addresses import AddressError, normalise
from service.errors import Invalid, NotFound
from service.operations.auditing import audit
from service.tokens import email_key

_LEFT_BY_THEMSELVES = (
    "The reader left everything. Nobody else can take that back: they are written to again once they confirm a sign-up."
)
_NEEDS_REQUEST = (
    "The reader reported a mail as unwanted. That is lifted only at their own request: say how they asked, such as "
    '--request "their letter of 3 March, in file 12".'
)


class Due(NamedTuple):
    """A suppression to put in force: for whom, and why; `at`: when that happened."""

    email_key: bytes
    kind: str
    source: str
    at: datetime | None = None


def suppress(tx: Transaction, email_key: bytes, *, kind: str, source: str, at: datetime | None = None) -> bool:
    """Put a suppression in force, once. Nothing happens when one of this kind was lifted after the moment `at`."""
    return suppress_all(tx, [Due(email_key, kind, source, at)]) == 1


def suppress_all(tx: Transaction, due: Sequence[Due]) -> int:
    """Put each in force as `suppress` does, in one order, so that two who do it at once cannot wait for each other. Returns how many
    are new."""
    if not due:
        return 0
    return tx.execute(
        """INSERT INTO suppressions (email_key, kind, source)
           SELECT email_key, kind, source
           FROM unnest(CAST(:keys AS bytea[]), CAST(:kinds AS text[]), CAST(:sources AS text[]), CAST(:moments AS timestamptz[])) AS x (email_key, kind, source, at)
           WHERE NOT EXISTS (SELECT FROM suppressions s WHERE s.email_key = x.email_key AND s.kind = x.kind AND s.lifted_at > x.at)
           ORDER BY email_key, kind, at
           ON CONFLICT (email_key, kind) WHERE lifted_at IS NULL DO NOTHING""",
        keys=[one.email_key for one in due],
        kinds=[one.kind for one in due],
        sources=[one.source for one in due],
        moments=[one.at for one in due],
    ).rowcount


def lift_leaving(tx: Transaction, email_key: bytes, *, because: str) -> None:
    """Who left everything is written to again, having confirmed that they want it; no other suppression is lifted by this."""
    tx.execute(
        """UPDATE suppressions SET lifted_at = clock_timestamp(), lifted_because = :because
           WHERE email_key = :key AND kind = 'left-all' AND lifted_at IS NULL""",
        key=email_key,
        because=because,
    )


def lock_readers(tx: Transaction, subscription_ids: Iterable[int]) -> None:
    """Make the decisions of these readers wait for each other. Whoever decides something takes this lock before the subscription's,
    and that of several readers at once, by their ids: so nobody waits in a circle, not even with an import of all of them."""
    if ids := list(subscription_ids):
        tx.execute(
            """SELECT count(*) FROM (
                   SELECT FROM subscribers WHERE id IN (SELECT subscriber_id FROM subscriptions WHERE id = ANY(:ids)) ORDER BY id FOR NO KEY UPDATE
               ) locked""",
            ids=ids,
        )


def withdraw(
    tx: Transaction,
    subscription_id: int,
    *,
    method: str,
    at: datetime | None = None,
    details: Mapping[str, Any] | None = None,
    counts: bool = False,
) -> bool:
    """End a subscription and write the consent record of it, with what `details` says of where that came from. False when it
    had ended, or was begun again after `at`. `counts`: it is to be counted on the reader's latest issue. One statement, which takes the
    reader's lock first."""
    withdrawn = tx.execute(
        """WITH ended AS (
               UPDATE subscriptions n SET state = 'unsubscribed', changed_at = clock_timestamp() FROM (
                   SELECT id, email_key FROM subscribers WHERE id = (SELECT subscriber_id FROM subscriptions WHERE id = :id) FOR NO KEY UPDATE
               ) s
               WHERE n.id = :id AND s.id = n.subscriber_id AND n.state <> 'unsubscribed'
                 AND (CAST(:at AS timestamptz) IS NULL OR n.changed_at < CAST(:at AS timestamptz))
               RETURNING n.id, s.email_key, n.newsletter_id
           ), uncounted AS (
               INSERT INTO uncounted_leavings (subscription_id) SELECT id FROM ended WHERE :counts
           )
           INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, details)
           SELECT email_key, newsletter_id, 'newsletter', 'withdrawn', :method, CAST(:details AS jsonb) FROM ended""",
        id=subscription_id,
        at=at,
        method=method,
        details=json.dumps(dict(details or {})),
        counts=counts,
    )
    return withdrawn.rowcount == 1


def lift(address: str, *, reason: str, request: str = "", actor: str) -> list[str]:
    """Write to this address again, because a person says so; the kinds of suppression that were lifted. A complaint is lifted
    only with `request`: how the reader asked for it. What the reader left, or was erased from, only they begin again, by
    confirming. Raises Invalid and NotFound, and then lifts nothing."""
    if not reason.strip():
        raise Invalid('Say why: the reason is kept. Example: --reason "the mailbox works again, they say"')
    try:
        key = email_key(normalise(address).normalised)
    except AddressError as error:
        raise Invalid(str(error)) from None
    with transaction() as tx:
        rows = tx.execute(
            "SELECT id, kind FROM suppressions WHERE email_key = :key AND lifted_at IS NULL ORDER BY id FOR UPDATE",
            key=key,
        ).all()
        liftable = [row for row in rows if row.kind != "left-all"]
        if not liftable:
            raise NotFound(_LEFT_BY_THEMSELVES if rows else "This address is not suppressed. Look at the spelling.")
        if any(row.kind == "complaint" for row in liftable) and not request.strip():
            raise Invalid(_NEEDS_REQUEST)
        tx.execute(
            "UPDATE suppressions SET lifted_at = clock_timestamp(), lifted_because = :reason WHERE id = ANY(:ids)",
            reason=reason.strip(),
            ids=[row.id for row in liftable],
        )
        for row in liftable:
            facts = {"kind": row.kind, "reason": reason.strip(), "request": request.strip()}
            audit(tx, actor, "lift suppression", f"suppression {row.id}", **facts)
    return [row.kind for row in liftable]


def suppress_addresses(addresses: list[str], *, reason: str, actor: str) -> int:
    """Write to these addresses never again, known or not, because a person says so. Returns how many were not suppressed so
    before. Raises Invalid, naming the entry, when one is no address, and then suppresses none."""
    keys, problems = [], []
    for number, address in enumerate(addresses, start=1):
        try:
            keys.append(email_key(normalise(address).normalised))
        except AddressError as error:
            problems.append(f"Address {number}: {error}")
    if not reason.strip():
        problems.append("Say why: the reason is kept.")
    if problems:
        raise Invalid(*problems)
    with transaction() as tx:
        fresh = sum(suppress(tx, key, kind="manual", source=reason) for key in keys)
        audit(tx, actor, "suppress", f"{fresh} addresses", reason=reason)
    return fresh
