"""Takes along who left: when a backup is put in the place of a database that is newer and can still be read, whoever left or was
suppressed since is left out of the restored one, too. Only ever takes away, never brings anybody back."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg
import structlog

from service.clients import postgresql
from service.db import transaction
from service.operations.backup_archive import Manifest
from service.operations.suppressing import lock_readers, suppress, withdraw

log = structlog.get_logger(__name__)

_STEP = 1000
_LEFT = """
    SELECT s.email_key, n.newsletter_id, s.id FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
    WHERE n.state = 'unsubscribed'
"""
_SUPPRESSED = """
    SELECT p.email_key, p.kind, s.id FROM suppressions p LEFT JOIN subscribers s ON s.email_key = p.email_key WHERE p.lifted_at IS NULL
"""
# By the number too, which is the same in a database that grew from the backup: who changed their address and left is known by
# another key now.
_THEIRS = """
    SELECT DISTINCT n.id FROM unnest(CAST(:keys AS bytea[]), CAST(:newsletters AS bigint[]), CAST(:ids AS bigint[])) AS x (key, newsletter, id)
    JOIN subscribers s ON s.email_key = x.key OR s.id = x.id JOIN subscriptions n ON n.subscriber_id = s.id AND n.newsletter_id = x.newsletter
    WHERE n.state <> 'unsubscribed' ORDER BY n.id
"""


@dataclass(frozen=True)
class Carried:
    """How many subscriptions were ended and addresses suppressed; `known` is False where the old database could not tell."""

    left: int = 0
    suppressed: int = 0
    known: bool = False


def carry_over(owner_url: str, old: str, manifest: Manifest) -> Carried:
    """From the database of that name, which must be the same installation and newer than the backup, into the one that this process
    is on. A database that cannot be read, or is another's, tells nothing."""
    try:
        with psycopg.connect(postgresql.conninfo(owner_url, old), connect_timeout=10) as connection:
            row = connection.execute("SELECT epoch, mark FROM installation").fetchone()
            if row is None or not row[0] or row[0] != manifest.installation or row[1] < manifest.mark:
                return Carried()
            left = sum(_end(rows) for rows in _in_steps(connection, _LEFT))
            suppressed = sum(_suppress(rows) for rows in _in_steps(connection, _SUPPRESSED))
    except psycopg.Error as error:
        log.warning("the old database tells nothing of who left", error=type(error).__name__)
        return Carried()
    return Carried(left, suppressed, known=True)


def _in_steps(connection: "psycopg.Connection[Any]", statement: str) -> Iterator[list[Any]]:
    with connection.cursor(name="carried") as cursor:
        cursor.execute(statement.encode())
        rows = iter(cursor)
        while step := list(islice(rows, _STEP)):
            yield step


def _end(rows: list[Any]) -> int:
    with transaction() as tx:
        ids = list(
            tx.execute(
                _THEIRS,
                keys=[bytes(row[0]) for row in rows],
                newsletters=[int(row[1]) for row in rows],
                ids=[int(row[2]) for row in rows],
            ).scalars()
        )
        lock_readers(tx, ids)
        return sum(withdraw(tx, subscription_id, method="restore") for subscription_id in ids)


def _suppress(rows: list[Any]) -> int:
    with transaction() as tx:
        before = {
            row.id: bytes(row.email_key)
            for row in tx.execute(
                "SELECT id, email_key FROM subscribers WHERE id = ANY(:ids)",
                ids=[number for _, _, number in rows if number is not None],
            )
        }
        found = {(key, kind) for now, kind, number in rows for key in (bytes(now), before.get(number)) if key}
        return sum(
            suppress(tx, key, kind=kind, source="carried over when a backup was restored")
            for key, kind in sorted(found)
        )
