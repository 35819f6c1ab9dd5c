"""Erases a reader: whatever says who it was goes, in one transaction; what must stay, so that we never write there again and
can prove what was agreed, stays by keyed hash. Hands out a sealed certificate, which names nobody."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service import seals
from service.db import Transaction, transaction
from service.domain.addresses import AddressError, normalise
from service.errors import Invalid, NotFound
from service.operations import proving
from service.operations.auditing import audit
from service.operations.certificates import keep_at_once
from service.operations.consenting import record
from service.operations.digesting import moment
from service.operations.suppressing import suppress, withdraw
from service.settings import current
from service.tokens import email_key

METHOD = "erasure"

# Locked after the reader, in the order of their ids: events are taken in that order, too, and so nobody waits in a circle.
# One look-up an issue: there is no index on the reader alone, and an issue may have a million readers.
_DELIVERIES = """
    SELECT id, issue_id FROM deliveries
    WHERE issue_id = ANY(ARRAY(SELECT id FROM issues WHERE prepared_at IS NOT NULL OR state = 'preparing')) AND subscriber_id = :id
    ORDER BY id FOR UPDATE
"""
_CUT = """
    UPDATE deliveries SET subscriber_id = NULL, subscription_id = NULL, values = NULL WHERE id = ANY(CAST(:ids AS bigint[]))
"""
# The issues are named so that only their partitions are looked into.
_EVENTS = (
    "DELETE FROM events WHERE issue_id = ANY(CAST(:issues AS bigint[])) AND delivery_id = ANY(CAST(:ids AS bigint[]))"
)
_ANSWERS = """
    SELECT newsletter_id, tracking = 'agreed' AS tracking, export_consent = 'agreed' AS export FROM subscriptions
    WHERE subscriber_id = :id ORDER BY id
"""
_REASONS = """
    UPDATE leave_reasons SET words = '', subscription_id = NULL
    WHERE subscription_id IN (SELECT id FROM subscriptions WHERE subscriber_id = :id)
"""
# By key, whoever owns it now: a former address that somebody else signed up with since is theirs.
_FORMER = """
    SELECT k FROM unnest(CAST(:keys AS bytea[])) AS k WHERE NOT EXISTS (SELECT FROM subscribers s WHERE s.email_key = k AND s.id <> :id)
"""
_BY_KEY = ("mails", "signups", "link_requests")
_BY_SUBSCRIBER = ("links", "address_changes", "imported_rows")


@dataclass(frozen=True)
class Certificate:
    """What was erased and what stays, as sealed: `signature` is over the bytes of `text`."""

    number: int
    text: str
    signature: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


def erase(tx: Transaction, subscriber_id: int, *, method: str) -> Certificate:
    """Erase the reader. `method` says how it was asked for, and stands in the certificate. Raises NotFound.

    A copy that is being handed over in this moment may still arrive; copies that wait are left out as erased.
    """
    found = tx.execute("SELECT email_key FROM subscribers WHERE id = :id", id=subscriber_id).scalar_one_or_none()
    if found is None:
        raise NotFound("There is no such reader, or they were erased already.")
    key = bytes(found)
    locked = tx.execute(
        "SELECT id FROM subscribers WHERE id = :id AND email_key = :key FOR UPDATE", id=subscriber_id, key=key
    )
    if locked.one_or_none() is None:
        raise NotFound("The reader was erased, or changed their address, at this very moment.")
    deliveries = tx.execute(_DELIVERIES, id=subscriber_id).all()
    acts = proving.history(tx, key)
    keys = [key, *_former(tx, subscriber_id, {act.email_key for act in acts} - {key})]
    removed = {"subscriptions": _withdraw(tx, subscriber_id, key)}
    for each in keys:
        suppress(tx, each, kind="left-all", source=METHOD)
    removed |= _cut_deliveries(tx, [row.id for row in deliveries], sorted({row.issue_id for row in deliveries}))
    removed |= _remove_rows(tx, subscriber_id, keys)
    # The acts of the withdrawal carry no details; those before are all in the history.
    removed["consent_details"] = tx.execute(
        "DELETE FROM consent_details WHERE record_id = ANY(CAST(:ids AS bigint[]))", ids=[act.record_id for act in acts]
    ).rowcount
    return _certify(tx, keys, method, removed, len(acts))


def _former(tx: Transaction, subscriber_id: int, keys: set[bytes]) -> list[bytes]:
    """Keys of the reader's earlier addresses, but for those that are another reader's now."""
    return [bytes(k) for k in tx.execute(_FORMER, keys=sorted(keys), id=subscriber_id).scalars()]


def _withdraw(tx: Transaction, subscriber_id: int, key: bytes) -> int:
    """Withdraw whatever is in force; how many subscriptions there were."""
    answers = tx.execute(_ANSWERS, id=subscriber_id).all()
    for answer in answers:
        for purpose in ("tracking", "export"):
            if getattr(answer, purpose):
                record(
                    tx, "withdrawn", email_key=key, newsletter_id=answer.newsletter_id, purpose=purpose, method=METHOD
                )
    subscriptions = tx.execute("SELECT id FROM subscriptions WHERE subscriber_id = :id ORDER BY id", id=subscriber_id)
    for subscription_id in list(subscriptions.scalars()):
        withdraw(tx, subscription_id, method=METHOD)
    return len(answers)


def _cut_deliveries(tx: Transaction, ids: list[int], issues: list[int]) -> dict[str, int]:
    """Deliveries keep what became of the copy, so that every ledger adds up, and forget whose it was."""
    return {
        "deliveries_cut_off": tx.execute(_CUT, ids=ids).rowcount,
        "events": tx.execute(_EVENTS, ids=ids, issues=issues).rowcount,
    }


def _remove_rows(tx: Transaction, subscriber_id: int, keys: list[bytes]) -> dict[str, int]:
    removed = {"leave_reasons_cut_off": tx.execute(_REASONS, id=subscriber_id).rowcount, **_remove_by_key(tx, keys)}
    # Mails go with what they point to.
    for table in _BY_SUBSCRIBER:
        removed[table] = tx.execute(f"DELETE FROM {table} WHERE subscriber_id = :id", id=subscriber_id).rowcount
    removed["subscribers"] = tx.execute("DELETE FROM subscribers WHERE id = :id", id=subscriber_id).rowcount
    return removed


def _remove_by_key(tx: Transaction, keys: list[bytes]) -> dict[str, int]:
    return {
        table: tx.execute(f"DELETE FROM {table} WHERE email_key = ANY(:keys)", keys=keys).rowcount for table in _BY_KEY
    }


def _certify(tx: Transaction, keys: list[bytes], method: str, removed: dict[str, int], acts: int) -> Certificate:
    key, *former = keys
    at: datetime = tx.execute("SELECT clock_timestamp()").scalar_one()
    text = json.dumps(
        {
            "format": 1,
            "kind": "erasure",
            "at": moment(at),
            "keyed_hash": key.hex(),
            "keyed_hashes_of_former_addresses": [one.hex() for one in former],
            "asked_for_by": method,
            "removed": removed,
            "stays": _stays(acts),
            "public_key": seals.public_key(),
        },
        indent=1,
    )
    signature = seals.seal(text.encode())
    number: int = tx.execute(
        "INSERT INTO erasures (email_key, at, certificate, signature) VALUES (:key, :at, :text, :signature) RETURNING id",
        key=key,
        at=at,
        text=text,
        signature=signature,
    ).scalar_one()
    return Certificate(number, text, signature)


def _stays(acts: int) -> dict[str, str]:
    days = current().keep_consent_days
    return {
        "keyed hash of the address in consent records": f"{acts} acts and the withdrawals just made, without their details, for {days} days: to prove what was agreed to",
        "keyed hash of the address in the suppression and in this certificate": "so that no file or form brings the person back without their own confirmation",
        "what became of each copy, with the keyed hash": "so that the numbers of an issue add up, and nobody gets the same issue twice",
        "events as SendGrid sent them": f"up to {current().keep_payloads_days} days, then deleted by the day: they cannot be searched by person",
        "SendGrid's own copies": "mail under way, its activity feed and its suppression lists: ask SendGrid, which processes them for us",
        "backups": "until they are replaced; after restoring one, the reader is erased again by this certificate",
    }


def erase_address(address: str, *, reason: str, actor: str) -> Certificate:
    """Erase the reader of this address, or whoever signed up with it and never confirmed, because a person asks for it. Raises
    Invalid and NotFound."""
    if not reason.strip():
        raise Invalid('Say why: the reason is kept. Example: --reason "asked by letter of 3 March"')
    key = key_of(address)
    with transaction() as tx:
        # Whoever is confirming at this moment is a reader once this has waited for them.
        tx.execute("SELECT FROM signups WHERE email_key = :key ORDER BY id FOR UPDATE", key=key)
        subscriber_id = tx.execute("SELECT id FROM subscribers WHERE email_key = :key", key=key).scalar_one_or_none()
        if subscriber_id is None:
            certificate = _erase_unconfirmed(tx, key)
        else:
            certificate = erase(tx, subscriber_id, method="operator")
        audit(tx, actor, "erase", f"erasure {certificate.number}", reason=reason)
    keep_at_once(certificate.number)
    return certificate


def _erase_unconfirmed(tx: Transaction, key: bytes) -> Certificate:
    removed = _remove_by_key(tx, [key])
    if not any(removed.values()):
        raise NotFound(
            "Nobody of that address is stored. Look at the spelling; `consent proof` shows what was recorded."
        )
    suppress(tx, key, kind="left-all", source=METHOD)
    return _certify(tx, [key], "operator", removed, len(proving.history(tx, key)))


def key_of(address: str) -> bytes:
    """The keyed hash of an address that a person typed. Raises Invalid."""
    try:
        return email_key(normalise(address).normalised)
    except AddressError as error:
        raise Invalid(str(error)) from None
