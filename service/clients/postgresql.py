"""PostgreSQL's own programs, and what is asked of the server as a whole: dump, load, make, rename and drop databases. Never shows a
password on a command line, nor a row in an error."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from service.errors import BroadsheetError

_STOCK = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Programs:
    """`pg_dump` and `pg_restore` of the server's own version."""

    dump: Path
    restore: Path


def conninfo(url: str, database: str | None = None) -> str:
    """The address as libpq reads it, of this or another database of the same server."""
    made = make_url(url).set(drivername="postgresql")
    return (made.set(database=database) if database else made).render_as_string(hide_password=False)


def with_database(url: str, database: str) -> str:
    """The same address, of another database."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def name_of(url: str) -> str:
    """The database that the address names."""
    return make_url(url).database or ""


def server_major(url: str) -> int:
    """15, 18 …"""
    with _connected(url, None) as connection:
        return connection.info.server_version // 10000


def programs(url: str, bundled: Path | None) -> Programs:
    """Those that go with the server: the bundled ones where the server is, else those of the same version on this machine. Raises
    BroadsheetError, naming what to install."""
    major = server_major(url)
    found = shutil.which("pg_dump")
    folders = [bundled, _STOCK / str(major) / "bin", Path(found).resolve().parent if found else None]
    for folder in filter(None, [*folders, Path(found).parent if found else None]):
        dump, restore = folder / "pg_dump", folder / "pg_restore"
        if dump.exists() and restore.exists() and _major_of(dump) == major:
            return Programs(dump, restore)
    raise BroadsheetError(
        f"pg_dump and pg_restore of PostgreSQL {major}, as the server is, are not on this machine. Install them "
        f"(on Debian: postgresql-client-{major}), and see that they are on the PATH. Nothing was done."
    )


def _major_of(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"(\d+)(?:\.|\s|$)", said.partition(")")[2])
    return int(found[1]) if found else 0


def dump(url: str, used: Programs, *, snapshot: str, into: IO[bytes]) -> None:
    """Everything in the database as of that snapshot, in pg_dump's custom format. Raises BroadsheetError."""
    options = ["--format=custom", "--no-owner", "--no-privileges", "--no-comments", "--no-password"]
    _run([str(used.dump), *options, f"--snapshot={snapshot}"], url, None, stdout=into)


def load(url: str, database: str, used: Programs, dumped: IO[bytes]) -> None:
    """Load a dump into an empty database; all of it, or an error. Raises BroadsheetError."""
    options = ["--exit-on-error", "--no-owner", "--no-privileges", "--no-comments", "--no-password"]
    dumped.seek(0)
    _run([str(used.restore), *options, f"--dbname={database}"], url, database, stdin=dumped)


def create(url: str, database: str) -> None:
    """Make an empty database. Raises BroadsheetError, saying what right is missing."""
    try:
        with _maintaining(url) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(database))
            )
    except psycopg.errors.InsufficientPrivilege:
        role = make_url(url).username
        raise BroadsheetError(
            f"The database role {role} may not make databases, and a backup is looked through in a new one: run "
            f"ALTER ROLE {role} CREATEDB as the server's administrator. Nothing was changed."
        ) from None


def drop(url: str, database: str) -> None:
    """Drop a database, if it is there."""
    with _maintaining(url) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def swap(url: str, *, fresh: str, into: str, old: str) -> None:
    """Rename `into` to `old` and `fresh` to `into`, both or neither. Raises BroadsheetError while somebody uses either."""
    try:
        with _maintaining(url) as connection, connection.transaction():
            for before, after in ((into, old), (fresh, into)):
                connection.execute(
                    sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(before), sql.Identifier(after))
                )
    except psycopg.errors.ObjectInUse:
        raise BroadsheetError(
            "Something still uses the database: stop every process of Broadsheet, and what else is connected. The database is as it was."
        ) from None


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Nobody else backs up or restores this database until leaving, on whatever machine. The lock dies with the process. Raises
    BroadsheetError while somebody does."""
    with _maintaining(url) as connection:
        row = connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (f"broadsheet backup of {name_of(url)}",)
        ).fetchone()
        if not (row and row[0]):
            raise BroadsheetError(
                "Another backup of this database is being made, or one is being restored. Wait until it has ended, then run this again; nothing was done."
            )
        yield


def databases(url: str, beginning: str) -> list[str]:
    """Those of the server whose names begin so."""
    with _maintaining(url) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1", (beginning,)
        )
        return [str(row[0]) for row in rows]


def number_of(url: str, database: str) -> int:
    """By which the server knows the database, whatever its name is; 0 where there is none of that name."""
    with _maintaining(url) as connection:
        row = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = %s", (database,)).fetchone()
        return int(row[0]) if row else 0


def users_of(url: str, database: str) -> int:
    """How many connections others have to the database."""
    with _maintaining(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (database,)).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def snapshot(url: str) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """A connection that sees one moment, and that moment's name for pg_dump."""
    with psycopg.connect(conninfo(url), connect_timeout=10) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        yield connection, str(row[0]) if row else ""


def counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Rows of every table."""
    tables = connection.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1"
    ).fetchall()
    found = {}
    for (name,) in tables:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
        found[str(name)] = int(row[0]) if row else 0
    return found


def counts_of(url: str, database: str) -> dict[str, int]:
    """Rows of every table of that database, now."""
    with psycopg.connect(conninfo(url, database), connect_timeout=10) as connection:
        return counts(connection)


def _maintaining(url: str) -> "psycopg.Connection[Any]":
    """A connection to none of our databases: none can be renamed or dropped by who is in it."""
    try:
        return _connected(url, "postgres")
    except psycopg.OperationalError:
        return _connected(url, "template1")


def _connected(url: str, database: str | None) -> "psycopg.Connection[Any]":
    return psycopg.connect(conninfo(url, database), connect_timeout=10, autocommit=True)


def _run(
    command: list[str],
    url: str,
    database: str | None,
    *,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> None:
    """The address goes by the environment: command lines are for all to see."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    known = {one.keyword.decode(): one.envvar for one in psycopg.pq.Conninfo.get_defaults()}
    for name, value in psycopg.conninfo.conninfo_to_dict(conninfo(url, database)).items():
        if variable := known.get(name):
            environment[variable.decode()] = str(value)
    process = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, no shell
        command, env=environment, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, check=False
    )
    if process.returncode != 0:
        raise BroadsheetError(f"{Path(command[0]).name} failed: {_told(process.stderr.decode(errors='replace'))}")


def _told(said: str) -> str:
    """What went wrong, without what an error quotes of a row."""
    if "No space left" in said or "could not extend file" in said:
        return "no space is left on the disk. Make room, and run it again."
    if "unsupported version" in said:
        return "the backup was made by a newer PostgreSQL. Restore it into a server of that version, or a newer one."
    lines = [line for line in said.splitlines() if "error" in line.lower()] or said.splitlines() or ["it said nothing"]
    return re.sub(r"\"[^\"]*\"|'[^']*'|\([^)]*\)", "…", lines[0])[:300]
