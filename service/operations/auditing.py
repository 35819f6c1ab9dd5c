"""Writes down who decided what. Never an address."""

import json

from service.db import Transaction


def audit(tx: Transaction, actor: str, action: str, subject: str, **details: object) -> None:
    """Add an audit entry; the table is append-only."""
    tx.execute(
        "INSERT INTO audit_entries (actor, action, subject, details) VALUES (:actor, :action, :subject, CAST(:details AS jsonb))",
        actor=actor,
        action=action,
        subject=subject,
        details=json.dumps(details),
    )
