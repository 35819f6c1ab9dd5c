"""Loads a backup into a new database and looks whether it is what was backed up: the same rows in every table, and evidence of
consent that still holds. What is tried out is dropped again, whatever happens."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg

from service import db, settings
from service.clients import postgresql
from service.clients.postgresql import Programs
from service.errors import BroadsheetError
from service.migrations import runner
from service.operations import verifying
from service.operations.backup_archive import Unpacked
from service.operations.verifying import Verification
from service.settings import current


def try_out(found: Unpacked, programs: Programs) -> Verification:
    """Load it, compare and verify. Raises BroadsheetError where it is not what was backed up; what verifying found is for the
    caller to judge: it may have been so before."""
    owner = current().database_owner_url
    with new_database("trial") as name:
        load(found, programs, name)
        with using(postgresql.with_database(owner, name), home=found.folder):
            # As restoring does: what is backed up may be of the version before.
            runner.upgrade(db.owner_engine())
            return verifying.verify()


def load(found: Unpacked, programs: Programs, name: str) -> None:
    """Load the dump into that empty database, and count. Raises BroadsheetError."""
    owner = current().database_owner_url
    postgresql.load(owner, name, programs, found.dump)
    counted = postgresql.counts_of(owner, name)
    expected = found.manifest.tables
    wrong = sorted(table for table in counted.keys() | expected.keys() if counted.get(table) != expected.get(table))
    if wrong:
        raise BroadsheetError(
            f"The table {wrong[0]} has {counted.get(wrong[0], 0):,} rows once loaded, and {expected.get(wrong[0], 0):,} were backed up."
        )


@contextmanager
def new_database(what: str) -> Iterator[str]:
    """An empty database on the same server, dropped on leaving, unless it has another name by then. Those that a killed process
    left are dropped first."""
    owner = current().database_owner_url
    beginning = f"{postgresql.name_of(owner)}_{what}_"
    for left in postgresql.databases(owner, beginning):
        if not postgresql.users_of(owner, left):
            postgresql.drop(owner, left)
    name = beginning + secrets.token_hex(4)
    postgresql.create(owner, name)
    try:
        yield name
    finally:
        # Where the server is away the next one drops it; what went wrong must not be hidden by that.
        with suppress(psycopg.OperationalError):
            postgresql.drop(owner, name)


@contextmanager
def using(owner_url: str, service_url: str | None = None, home: Path | None = None) -> Iterator[None]:
    """This process on another database, and where given another home's files, until leaving."""
    before = current()
    chosen = before.connected(service_url or owner_url, before.redis_url, owner_url)
    try:
        settings.configure(replace(chosen, home=home) if home else chosen)
        db.configure(chosen.database_url, chosen.database_owner_url)
        yield
    finally:
        db.engine().dispose()
        settings.configure(before)
        db.configure(before.database_url, before.database_owner_url)
