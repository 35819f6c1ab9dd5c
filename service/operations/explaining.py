"""Tells a reader why they get what they get: each act of their consent as it was recorded. Reads only."""

from service.db import transaction
from service.domain.consent import Act
from service.operations import proving


def explain(email_key: bytes) -> list[Act]:
    """Every act, oldest first, with the exact words that were shown."""
    with transaction() as tx:
        return proving.history(tx, email_key)
