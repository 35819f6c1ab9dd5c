"""Writes acts of consent into the ledger: who decided what, how, and under which words. Refuses nothing: whoever calls has
checked that the reader may decide it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.db import Transaction


@dataclass(frozen=True)
class Agreed:
    """The last agreement before a withdrawal, or the one in force: its confirming record and the words."""

    record_id: int
    wording_sha256: bytes | None


def record(
    tx: Transaction,
    action: str,
    *,
    email_key: bytes,
    newsletter_id: int,
    purpose: str,
    method: str,
    wording_sha256: bytes | None = None,
    details: Mapping[str, Any] | None = None,
) -> int:
    """One act, at this moment. Returns its record's id."""
    record_id: int = tx.execute(
        """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, wording_sha256, details)
           VALUES (:key, :newsletter, :purpose, :action, :method, :wording, CAST(:details AS jsonb)) RETURNING id""",
        key=email_key,
        newsletter=newsletter_id,
        purpose=purpose,
        action=action,
        method=method,
        wording=wording_sha256,
        details=json.dumps(dict(details or {})),
    ).scalar_one()
    return record_id


def agree(
    tx: Transaction,
    *,
    email_key: bytes,
    newsletter_id: int,
    purpose: str,
    method: str,
    wording_sha256: bytes | None,
    details: Mapping[str, Any],
) -> None:
    """Given and confirmed at once: for readers who reached us through their own mailbox."""
    for action in ("given", "confirmed"):
        record(
            tx,
            action,
            email_key=email_key,
            newsletter_id=newsletter_id,
            purpose=purpose,
            method=method,
            wording_sha256=wording_sha256,
            details=details,
        )


def last_agreed(tx: Transaction, *, email_key: bytes, newsletter_id: int, purpose: str) -> Agreed | None:
    """The latest act by which the reader agreed, withdrawn since or not; None when none is known."""
    row = tx.execute(
        """SELECT id, wording_sha256 FROM consent_records WHERE email_key = :key AND newsletter_id = :newsletter
             AND purpose = :purpose AND action <> 'withdrawn' ORDER BY number DESC LIMIT 1""",
        key=email_key,
        newsletter=newsletter_id,
        purpose=purpose,
    ).one_or_none()
    return None if row is None else Agreed(row.id, None if row.wording_sha256 is None else bytes(row.wording_sha256))
