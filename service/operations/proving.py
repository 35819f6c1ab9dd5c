"""What was recorded about one reader's consent, in its order, with the exact words shown. Reads only."""

from dataclasses import replace

from service.db import Transaction
from service.domain.consent import Act, facts

ADDRESS_CHANGE = "address-change"

_ACTS = """
    SELECT r.id, r.email_key, r.number, r.newsletter_id, n.slug, n.name, r.purpose, r.action, r.at, r.method, w.wording, r.wording_sha256,
        i.file_name, i.file_sha256, r.hash, r.act_hash, r.origin_hash, a.details AS act, o.details AS origin
    FROM consent_records r
    LEFT JOIN newsletters n ON n.id = r.newsletter_id
    LEFT JOIN consent_wordings w ON w.sha256 = r.wording_sha256
    LEFT JOIN imports i ON i.id = r.import_id
    LEFT JOIN consent_details a ON a.record_id = r.id AND a.part = 'act'
    LEFT JOIN consent_details o ON o.record_id = r.id AND o.part = 'origin'
    WHERE r.email_key = :key ORDER BY r.number
"""


def history(tx: Transaction, email_key: bytes) -> list[Act]:
    """Every act of the reader, oldest first, those under former addresses before those under this one. Empty for an address
    that nothing was ever recorded of."""
    found = _acts(tx, email_key)
    known = {email_key}
    newest = found
    while (former := _former(tx, newest)) is not None and former[0] not in known:
        known.add(former[0])
        newest = _until(_acts(tx, former[0]), former[1])
        found = [replace(act, former=True) for act in newest] + found
    return found


def _acts(tx: Transaction, email_key: bytes) -> list[Act]:
    return [
        Act(
            record_id=row.id,
            email_key=bytes(row.email_key),
            number=row.number,
            newsletter_id=row.newsletter_id,
            newsletter=row.slug,
            newsletter_name=row.name,
            purpose=row.purpose,
            action=row.action,
            at=row.at,
            method=row.method,
            wording=row.wording,
            wording_sha256=row.wording_sha256,
            file_name=row.file_name,
            file_sha256=row.file_sha256,
            details=facts(row.act, row.act_hash),
            origin=facts(row.origin, row.origin_hash),
            hash=bytes(row.hash),
        )
        for row in tx.execute(_ACTS, key=email_key)
    ]


def _former(tx: Transaction, acts: list[Act]) -> tuple[bytes, int] | None:
    """The key of the address before, and the number of the last act that was taken over from it."""
    named = [act.details["from_record"] for act in acts if act.details and "from_record" in act.details]
    if not named:
        return None
    row = tx.execute(
        "SELECT email_key, number FROM consent_records WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY number DESC LIMIT 1",
        ids=named,
    ).one_or_none()
    return None if row is None else (bytes(row.email_key), row.number)


def _until(acts: list[Act], number: int) -> list[Act]:
    """The acts before the address was changed, and those of the change itself: later ones are somebody else's, or begin anew."""
    kept = [act for act in acts if act.number <= number]
    for act in acts[len(kept) :]:
        if act.method != ADDRESS_CHANGE:
            break
        kept.append(act)
    return kept
