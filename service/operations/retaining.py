"""Deletes what has been kept for as long as the settings say, a few thousand rows at a time, so that sending goes on. Consent
records of readers who left long ago go only as the owner of the tables, and leave a sealed note."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from service import seals
from service.db import Transaction, transaction
from service.domain.consent import Sum
from service.operations import uploading
from service.operations.digesting import moment
from service.operations.duties import duty
from service.settings import current

AT_ONCE = 10_000
"""Rows a transaction: short enough that nobody waits for it."""
READERS_AT_ONCE = 1_000
MAILS_KEPT = timedelta(days=31)
"""The limits on mails to one address look back a month."""

# What is due, as the rows' ids, and what becomes of them. `:before` is the moment, `:limit` how many at once.
_DUE = {
    "unconfirmed_signups": (
        "SELECT id FROM signups WHERE state <> 'confirmed' AND created_at < :before LIMIT :limit",
        "DELETE FROM signups WHERE id = ANY(:ids)",
    ),
    # What was agreed to is in the consent records; the form itself has served.
    "confirmed_signups": (
        "SELECT id FROM signups WHERE state = 'confirmed' AND confirmed_at < :before LIMIT :limit",
        "DELETE FROM signups WHERE id = ANY(:ids)",
    ),
    "link_requests": (
        "SELECT id FROM link_requests WHERE created_at < :before LIMIT :limit",
        "DELETE FROM link_requests WHERE id = ANY(:ids)",
    ),
    "links": (
        "SELECT id FROM links WHERE expires_at < :before LIMIT :limit",
        "DELETE FROM links WHERE id = ANY(:ids)",
    ),
    "address_changes": (
        "SELECT id FROM address_changes WHERE expires_at < :before LIMIT :limit",
        "DELETE FROM address_changes WHERE id = ANY(:ids)",
    ),
    "mails": (
        "SELECT id FROM mails WHERE created_at < :before AND state NOT IN ('pending', 'sending') LIMIT :limit",
        "DELETE FROM mails WHERE id = ANY(:ids)",
    ),
    "origins": (
        "SELECT d.record_id AS id FROM consent_details d JOIN consent_records r ON r.id = d.record_id WHERE d.part = 'origin' AND r.at < :before LIMIT :limit",
        "DELETE FROM consent_details WHERE part = 'origin' AND record_id = ANY(:ids)",
    ),
    # The first-only moments on the deliveries stay, and with them the counts of the report.
    "opens_and_clicks": (
        "SELECT DISTINCT delivery_id AS id FROM events WHERE type IN ('opened', 'opened_by_machine', 'clicked') AND at < :before LIMIT :limit",
        "DELETE FROM events WHERE type IN ('opened', 'opened_by_machine', 'clicked') AND at < :before AND delivery_id = ANY(:ids)",
    ),
    "deliveries_cut_off": (
        """SELECT d.id FROM issues i JOIN deliveries d ON d.issue_id = i.id
           WHERE i.prepared_at < :before AND i.state IN ('sent', 'cancelled') AND d.subscriber_id IS NOT NULL LIMIT :limit""",
        "UPDATE deliveries SET subscriber_id = NULL, subscription_id = NULL, values = NULL WHERE id = ANY(:ids)",
    ),
    # The reason itself is counted; the words may name somebody.
    "leave_reasons_cut_off": (
        "SELECT id FROM leave_reasons WHERE at < :before AND (subscription_id IS NOT NULL OR words <> '') LIMIT :limit",
        "UPDATE leave_reasons SET subscription_id = NULL, words = '' WHERE id = ANY(:ids)",
    ),
}
# Whole chains only, of readers who get nothing and whose last act is long ago; and none under a former address, as long as
# the chain under the later one stays: what was agreed to there began in this one.
_LEFT_LONG_AGO = """
    WITH RECURSIVE quiet AS (
        SELECT email_key FROM consent_records GROUP BY email_key HAVING max(at) < :before AND NOT EXISTS (
            SELECT FROM subscribers s JOIN subscriptions n ON n.subscriber_id = s.id
            WHERE s.email_key = consent_records.email_key AND n.state <> 'unsubscribed'
        )
    ), carried AS MATERIALIZED (
        SELECT DISTINCT f.email_key AS former, r.email_key AS later FROM consent_records r
        JOIN consent_details d ON d.record_id = r.id AND d.part = 'act'
        JOIN consent_records f ON f.id = CAST(CAST(d.details AS jsonb) ->> 'from_record' AS bigint)
        WHERE r.method = 'address-change' AND f.email_key <> r.email_key
    ), held AS (
        SELECT former FROM carried WHERE later NOT IN (SELECT email_key FROM quiet)
        UNION SELECT c.former FROM carried c JOIN held h ON h.former = c.later
    )
    SELECT email_key FROM quiet WHERE email_key NOT IN (SELECT former FROM held) LIMIT :limit
"""


def keep() -> None:
    """The duty: once a day, what the service's own role may delete."""
    duty("keep retention", _delete_all)


def _delete_all() -> None:
    delete_what_is_due()
    uploading.forget_old()


def periods() -> list[tuple[str, int, str]]:
    """What is kept, for how many days, and the setting that says so."""
    chosen = current()
    return [
        ("Sign-ups that nobody confirmed", chosen.keep_unconfirmed_days, "KEEP_UNCONFIRMED_DAYS"),
        ("Network and browser of a consent", chosen.keep_origin_days, "KEEP_ORIGIN_DAYS"),
        ("SendGrid's events as they came in", chosen.keep_payloads_days, "KEEP_PAYLOADS_DAYS"),
        ("Who opened or followed what", chosen.keep_events_days, "KEEP_EVENTS_DAYS"),
        ("Who was sent which issue", chosen.keep_deliveries_days, "KEEP_DELIVERIES_DAYS"),
        ("Proof of consent, after somebody left", chosen.keep_consent_days, "KEEP_CONSENT_DAYS"),
    ]


def delete_what_is_due(*, dry_run: bool = False) -> dict[str, int]:
    """Delete, or only count, what its period has ended for; rows by kind."""
    work = _count if dry_run else _delete
    return {what: work(select, change, before) for what, select, change, before in _due()}


def _due() -> list[tuple[str, str, str, datetime]]:
    chosen = current()
    days = {
        "confirmed_signups": chosen.keep_origin_days,
        "origins": chosen.keep_origin_days,
        "opens_and_clicks": chosen.keep_events_days,
        "deliveries_cut_off": chosen.keep_deliveries_days,
        "leave_reasons_cut_off": chosen.keep_deliveries_days,
        "mails": MAILS_KEPT.days,
    }
    with transaction() as tx:
        now: datetime = tx.execute("SELECT clock_timestamp()").scalar_one()
    return [
        (what, select, change, now - timedelta(days=days.get(what, chosen.keep_unconfirmed_days)))
        for what, (select, change) in _DUE.items()
    ]


def _count(select: str, _change: str, before: datetime) -> int:
    with transaction() as tx:
        return len(tx.execute(select, before=before, limit=None).all())


def _delete(select: str, change: str, before: datetime) -> int:
    """Until nothing is left; each step a transaction of its own. Counts what was selected, row by row."""
    total = 0
    while True:
        with transaction() as tx:
            ids = list(tx.execute(select, before=before, limit=AT_ONCE).scalars())
            if not ids:
                return total
            tx.execute(change, {"ids": ids, "before": before} if ":before" in change else {"ids": ids})
        total += len(ids)


def remove_old_consent(*, dry_run: bool = False) -> int:
    """Remove, or only count, the consent records of readers who left before the period. As the owner of the tables."""
    days = current().keep_consent_days
    with transaction() as tx:
        before = tx.execute("SELECT clock_timestamp()").scalar_one() - timedelta(days=days)
    if dry_run:
        with transaction() as tx:
            keys = list(tx.execute(_LEFT_LONG_AGO, before=before, limit=None).scalars())
            count = "SELECT count(*) FROM consent_records WHERE email_key = ANY(:keys)"
            return int(tx.execute(count, keys=keys).scalar_one())
    total = 0
    while removed := _remove_some(before, days):
        total += removed
    return total


def _remove_some(before: datetime, days: int) -> int:
    with transaction(as_owner=True) as tx:
        # Nobody may add an act to a chain that is being removed. Readers who act wait for these few moments.
        tx.execute("SET LOCAL lock_timeout = '10s'")
        tx.execute("LOCK TABLE consent_records IN SHARE ROW EXCLUSIVE MODE")
        keys = list(tx.execute(_LEFT_LONG_AGO, before=before, limit=READERS_AT_ONCE).scalars())
        if not keys:
            return 0
        rows = tx.execute(
            "SELECT id, hash FROM consent_records WHERE email_key = ANY(:keys) ORDER BY id", keys=keys
        ).all()
        note = _note(tx, rows, len(keys), days)
        tx.execute(
            "SELECT remove_consent_records(:ids, :note, :seal)",
            ids=[row.id for row in rows],
            note=note,
            seal=seals.seal(note.encode()),
        )
    return len(rows)


def _note(tx: Transaction, rows: Sequence[Any], readers: int, days: int) -> str:
    """What is sealed of a removal: no word of a person."""
    total = Sum()
    for row in rows:
        total.add(row.id, bytes(row.hash))
    return json.dumps(
        {
            "format": 1,
            "kind": "removal",
            "at": moment(tx.execute("SELECT clock_timestamp()").scalar_one()),
            "kept_for_days": days,
            "readers": readers,
            "records": total.records,
            "first_id": rows[0].id,
            "last_id": rows[-1].id,
            "sha256": total.hex(),
        }
    )
