"""Builds an issue's requests again from what was frozen, under attempts that never were. Posts nothing."""

import uuid

from service.clients import sendgrid
from service.db import transaction
from service.operations.requests import Reader, build, content_of
from service.operations.sending import READERS_OF_BATCH


def rebuild(issue_id: int, *, at_most: int) -> list[bytes]:
    """The encoded requests of the issue's first batches."""
    found = []
    with transaction() as tx:
        rows = tx.execute(
            "SELECT id, cohort_id FROM batches WHERE issue_id = :id ORDER BY id LIMIT :n", id=issue_id, n=at_most
        )
        for batch, cohort in rows.all():
            readers = [Reader(*row) for row in tx.execute(READERS_OF_BATCH, batch=batch)]
            found.append(sendgrid.encode(build(content_of(tx, cohort), readers, uuid.uuid4())))
    return found
