"""Says what SendGrid was asked about an attempt, and what it answered: the evidence that a person decides by. Asks nobody."""

import uuid
from datetime import UTC, datetime
from typing import Any

from service.db import Transaction


def of_attempts(tx: Transaction, attempts: list[uuid.UUID]) -> dict[uuid.UUID, list[dict[str, Any]]]:
    """For each attempt what SendGrid was asked last, of each source, in words."""
    rows = tx.execute(
        """SELECT DISTINCT ON (attempt_id, source) attempt_id, source, asked_at, found, fault, closed_until > clock_timestamp() AS closed,
               count(*) OVER (PARTITION BY attempt_id, source) AS times
           FROM lookups WHERE attempt_id = ANY(:ids) ORDER BY attempt_id, source, asked_at DESC""",
        ids=attempts,
    ).mappings()
    told: dict[uuid.UUID, list[dict[str, Any]]] = {}
    for row in rows:
        told.setdefault(row["attempt_id"], []).append(
            {
                "source": row["source"],
                "asked_at": row["asked_at"].isoformat(),
                "found": row["found"],
                "times": row["times"],
                "told": _told(row["source"], clock(row["asked_at"]), row["found"], row["fault"]),
            }
        )
    return told


def clock(moment: datetime) -> str:
    """A time of day, in UTC."""
    return f"{moment.astimezone(UTC):%H:%M} UTC"


def _told(source: str, at: str, found: int | None, fault: str | None) -> str:
    name = (
        "Email Activity"
        if source == "activity"
        else "SendGrid's lists of bounces, blocks, complaints and bad addresses"
    )
    if fault is not None and fault.startswith("not offered"):
        what = (
            "is not part of this SendGrid account or key" if source == "activity" else "may not be read with this key"
        )
        return f"{name} {what} (asked at {at}; asked again after a day)."
    if found is None:
        return f"{name} gave no answer that counts at {at} ({fault or 'it is being asked'})."
    if source == "activity":
        if found:
            return f"Email Activity had {found:,} {'message' if found == 1 else 'messages'} of this batch at {at}: SendGrid took it."
        return f"Email Activity had no message of this batch at {at}. That proves nothing: it may come late, or not at all."
    if found:
        return (
            f"{found:,} of its readers came onto SendGrid's lists since ({at}). Perhaps by this batch, perhaps by another mail:"
            " look them up in SendGrid before you decide."
        )
    return f"None of its readers came onto SendGrid's lists since ({at}). That proves nothing."
