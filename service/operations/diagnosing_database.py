"""Looks at PostgreSQL: whether it answers and is new enough, has this code's migrations, gives the service the rights it should have,
is the database of this installation, and agrees about the time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import DBAPIError

from service import db, wiring
from service.db import transaction
from service.migrations import runner
from service.operations.diagnosing_findings import Finding, Surroundings, doubtful, faulty, fine

_EVIDENCE = ("consent_records", "consent_wordings", "consent_digests", "erasures", "audit_entries")
TOO_FAR = timedelta(seconds=5)
"""Leases, links and limits are reckoned with both clocks."""

_ESCAPE = "In an address, write : / @ # of a password as %3A %2F %40 %23."
_REASONS: Final = (
    # What libpq says, in lower case; what is wrong; what to do. Its own words name machines and accounts.
    ("password authentication failed", "it refuses the password", f"Set the role's password in DATABASE_URL. {_ESCAPE}"),
    ("no password supplied", "it asks for a password, and DATABASE_URL has none", "Add the role's password to it."),
    ("no pg_hba.conf entry", "it lets this machine or role in by no rule", "Add a line for it to PostgreSQL's pg_hba.conf, and reload."),
    ("role", "the role in DATABASE_URL does not exist there", "Make it (CREATE ROLE … LOGIN PASSWORD …), or name another."),
    ("database", "the database in DATABASE_URL does not exist there", "Make it (createdb), or name another."),
    ("too many", "it has no connection left", "Raise max_connections, or end what holds the connections (pg_stat_activity)."),
    ("remaining connection slots", "it has no connection left", "Raise max_connections, or end what holds the connections (pg_stat_activity)."),
    ("starting up", "it is starting", "Wait; after a crash it first repeats what was not in the tables yet."),
    ("shutting down", "it is stopping", "Start it again."),
    ("refused", "nobody listens there", "Start PostgreSQL, and look whether host and port in DATABASE_URL are right."),
    ("no such file", "nobody listens there", "Start PostgreSQL, and look whether the socket in DATABASE_URL is right."),
    ("resolve", "its host's name is not known", "Look at the host in DATABASE_URL, and at this machine's name servers."),
    ("translate host name", "its host's name is not known", "Look at the host in DATABASE_URL, and at this machine's name servers."),
    ("timeout", "it does not answer", "Look whether it runs, and whether a firewall stands between."),
    ("invalid connection option", "DATABASE_URL names an option that there is not", "Look at what stands after the ? in it."),
    ("ssl", "no TLS connection with it comes about", "Look at sslmode in DATABASE_URL, and at PostgreSQL's certificate."),
)  # fmt: skip


def server(where: Surroundings) -> Iterator[Finding]:
    """Whether PostgreSQL can be worked with."""
    if where.bad_database_url:
        yield from faulty("DATABASE_URL cannot be understood", f"Write it as its example says. {_ESCAPE}")
    elif not where.settings.database_url:
        yield from faulty("the embedded PostgreSQL does not run", "Start `broadsheet up`, which starts it.")
    else:
        yield from _asked()


def _asked() -> Iterator[Finding]:
    # Whose connections they are is not the service's to see in pg_stat_activity; their number is.
    try:
        with db.engine().connect() as connection:
            row = connection.exec_driver_sql(
                """SELECT current_setting('server_version'), CAST(current_setting('server_version_num') AS integer),
                       pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on', current_setting('server_encoding'),
                       (SELECT CAST(sum(numbackends) AS integer) FROM pg_stat_database), CAST(current_setting('max_connections') AS integer)"""
            ).one()
    except DBAPIError as error:
        yield from faulty(*_reason(str(error.orig).lower()))
        return
    except TypeError:
        # There the driver answers in bytes, which SQLAlchemy cannot read even at its greeting.
        yield from _encoded("SQL_ASCII")
        return
    version, number, is_read_only, encoding, used, most = row
    if number < db.MINIMUM_VERSION:
        yield from faulty(
            f"PostgreSQL {version} is too old", "Upgrade it to 14 or newer (pg_upgrade, or dump and restore)."
        )
    elif is_read_only:
        yield from faulty(
            "it takes no changes: it is a standby, or was told to be read-only",
            "Name the primary in DATABASE_URL, or take default_transaction_read_only back.",
        )
    elif encoding != "UTF8":
        yield from _encoded(encoding)
    elif used > most * 0.85:
        yield from doubtful(
            f"{used} of {most} connections are taken",
            "Raise max_connections, or end what holds them (pg_stat_activity).",
        )
    else:
        yield from fine(f"PostgreSQL {version}, {used} of {most} connections taken")


def _encoded(encoding: str) -> Iterator[Finding]:
    yield from faulty(
        f"the database is encoded in {encoding}, which has no place for every name",
        "Dump it, make one with ENCODING 'UTF8', and restore it there.",
    )


def _reason(said: str) -> tuple[str, str]:
    for sign, text, remedy in _REASONS:
        if sign in said and (sign not in ("role", "database") or f'{sign} "' in said):
            return f"PostgreSQL cannot be used: {text}", remedy
    return "PostgreSQL cannot be used", "Try the address in DATABASE_URL with psql, which says more."


def migrations(where: Surroundings) -> Iterator[Finding]:
    """Whether the database is as this code expects it."""
    lacking = runner.lacking(db.engine())
    if lacking is None:
        yield from faulty(
            "the database was made by a newer version of Broadsheet than this code",
            "Run that version, or restore the backup that was taken before it.",
        )
    elif lacking:
        yield from faulty(
            f"the database lacks {lacking} {'migration' if lacking == 1 else 'migrations'} of this code",
            "Take a backup, and restart `broadsheet up`, which brings it up to date."
            if where.settings.embedded
            else "Take a backup, then run `broadsheet migrate` (systemd: `systemctl start broadsheet-migrate`; containers: `docker compose up -d migrate`).",
        )
    else:
        yield from fine("the database has every migration of this code")


def rights(where: Surroundings) -> Iterator[Finding]:
    """Whether the service's role may do what it must, and cannot rewrite the evidence."""
    with transaction() as tx:
        row = tx.execute(
            """SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_super, to_regclass('subscribers') IS NOT NULL AS has_tables,
                   (SELECT coalesce(array_agg(CAST(t AS text)), '{}') FROM unnest(CAST(:evidence AS text[])) t WHERE to_regclass(t) IS NOT NULL
                       AND has_table_privilege(current_user, to_regclass(t), 'UPDATE, DELETE, TRUNCATE')) AS open""",
            evidence=list(_EVIDENCE),
        ).one()
        lacks = (
            row.has_tables
            and not tx.execute(
                """SELECT has_table_privilege(current_user, 'subscribers', 'INSERT') AND has_table_privilege(current_user, 'subscribers', 'UPDATE')
                   AND has_column_privilege(current_user, 'consent_records', 'email_key', 'INSERT')"""
            ).scalar_one()
        )
    one_role = where.settings.database_url == where.settings.database_owner_url
    if lacks:
        yield from faulty(
            "the service's role may not write to its tables", "Run `broadsheet migrate`, which grants what it needs."
        )
    elif one_role and row.open:
        yield from doubtful(
            "the service works as the owner of its tables, so a fault in it could change who agreed to what",
            "Make a second role for DATABASE_URL, name the owner in DATABASE_OWNER_URL, and run `broadsheet migrate`.",
        )
    elif row.is_super or row.open:
        yield from faulty(
            "the service's role is a superuser, who may do anything" if row.is_super
            else f"the service's role may change or delete evidence ({', '.join(sorted(row.open))})",
            "As the owner: REVOKE UPDATE, DELETE, TRUNCATE on these tables from it; let it be no superuser and own no table."
            " Then run `broadsheet consent verify`.",
        )  # fmt: skip
    else:
        yield from fine("the service may do what it must, and cannot change the evidence")


def installation(_: Surroundings) -> Iterator[Finding]:
    """Whether it is the database of these settings."""
    with transaction() as tx:
        row = tx.execute("SELECT address_key_check, kind FROM installation").one_or_none()
    fault = wiring.is_another(row.address_key_check, row.kind) if row else ""
    if fault:
        text, remedy = fault.split(". ", 1)
        yield from faulty(text, remedy)
    else:
        yield from fine("the database is that of these settings")


def clock(where: Surroundings) -> Iterator[Finding]:
    """Whether this machine and the database agree about the time."""
    with transaction() as tx:
        tx.execute("SELECT 1")  # connected before the time is taken
        before = where.now()
        theirs: datetime = tx.execute("SELECT clock_timestamp()").scalar_one()
        after = where.now()
    off = max(before - theirs, theirs - after, timedelta(0))
    if off > TOO_FAR:
        yield from faulty(
            f"this machine's clock is {off.total_seconds():,.0f} s {'behind' if theirs > after else 'ahead of'} the database's",
            "Set both by NTP (timedatectl set-ntp true, or chrony), then start the service again.",
        )
    else:
        yield from fine(f"within {TOO_FAR.total_seconds():g} s of the database's")
