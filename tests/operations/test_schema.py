"""The migrations make what the models say, go up and down, and refuse what no state allows."""

import hashlib
import itertools
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text

from service import db
from service.domain import states
from service.domain.events import Event, EventType
from service.migrations import runner
from service.settings import Settings
from tests.operations.test_roles import KEPT


def test_migrations_go_up_down_and_up_again_and_leave_nothing(scratch) -> None:  # type: ignore[no-untyped-def]
    runner.upgrade(scratch)
    assert runner.is_current(scratch)
    runner.downgrade(scratch, "base")
    with scratch.connect() as connection:
        left = connection.execute(
            text(
                "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public' AND relname NOT LIKE 'alembic%'"
            )
        ).all()
    assert left == []
    runner.upgrade(scratch)
    assert runner.is_current(scratch)


def test_an_event_of_before_its_key_was_shortened_is_known_when_it_is_told_again(scratch) -> None:  # type: ignore[no-untyped-def]
    told = Event(EventType.CLICKED, 7, None, datetime(2026, 11, 1, tzinfo=UTC), url="https://www.example.com/")
    parts = (str(told.delivery_id), told.type, "", str(int(told.at.timestamp())), told.url, "", "")
    key = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()[:16]
    runner.upgrade(scratch)
    runner.downgrade(scratch, "0027-1")
    with scratch.begin() as connection:
        connection.execute(text("SELECT make_event_partition(1)"))
        connection.execute(
            text("INSERT INTO events (issue_id, key, delivery_id, type, at) VALUES (1, :key, 7, 'clicked', now())"),
            {"key": key},
        )
    runner.upgrade(scratch)
    with scratch.connect() as connection:
        assert connection.execute(text("SELECT key FROM events")).scalars().all() == [told.key]


def test_models_match_migrations(scratch) -> None:  # type: ignore[no-untyped-def]
    runner.upgrade(scratch)
    assert runner.differences(scratch) == []


@pytest.mark.parametrize("kind", states.MOVES)
def test_the_database_allows_exactly_the_moves_of_the_domain(database: Settings, kind: str) -> None:
    table = states.MOVES[kind]
    with db.engine().connect() as connection:
        moves = {
            tuple(row)
            for row in connection.execute(text("SELECT before, after FROM moves WHERE kind = :kind"), {"kind": kind})
        }
    assert moves == {(before, after) for before, afters in table.items() for after in afters}


def _an_issue(sql) -> None:  # type: ignore[no-untyped-def]
    sql(
        "INSERT INTO newsletters (slug, name, sender_name, sender_address, postal_address) VALUES ('n', 'N', 'N', 'n@n.example', 'x')"
    )
    sql(
        "INSERT INTO issues (newsletter_id, subject, source, content_hash, audience_hash, sender_name, sender_address, tracking_policy, marker)"
        " SELECT id, 's', 's', '', '', 'n', 'n', 'none', 'm' FROM newsletters"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO deliveries (issue_id, email_key) SELECT id + n, decode('0' || n, 'hex') FROM issues, generate_series(0, 1) n",
        "UPDATE deliveries SET issue_id = issue_id + 1",
        "DELETE FROM issues",
        "UPDATE issues SET id = id + 1",
    ],
)
def test_a_delivery_is_always_of_an_issue_that_is_there(database: Settings, sql, statement: str) -> None:  # type: ignore[no-untyped-def]
    _an_issue(sql)
    sql("INSERT INTO deliveries (issue_id, email_key) SELECT id, '\\x09' FROM issues")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        sql(statement)


_REFERRING = {
    "consent_records": "INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, import_id, wording_sha256) VALUES ('\\x01', {newsletter}, 'newsletter', 'given', 'import', {imported}, {wording})",
    "subscriptions": "INSERT INTO subscriptions (subscriber_id, newsletter_id) SELECT id, {newsletter} FROM subscribers",
    "import_changes": "INSERT INTO import_changes (import_id, subscriber_id, what) SELECT {imported}, id, 'added' FROM subscribers",
    "imported_rows": "INSERT INTO imported_rows (import_id, subscriber_id) SELECT {imported}, id FROM subscribers",
}
_THERE = {
    "newsletter": "(SELECT id FROM newsletters)",
    "imported": "(SELECT id FROM imports)",
    "wording": "(SELECT sha256 FROM consent_wordings)",
}


@pytest.fixture
def an_import(database: Settings, sql) -> None:  # type: ignore[no-untyped-def]
    sql(
        "INSERT INTO newsletters (slug, name, sender_name, sender_address, postal_address) VALUES ('n', 'N', 'N', 'n@n.example', 'x')"
    )
    sql(
        "INSERT INTO imports (newsletter_id, file_name, file_sha256, consent, counts) SELECT id, 'f', '', 'c', '{}' FROM newsletters"
    )
    sql("INSERT INTO consent_wordings (sha256, wording) VALUES ('\\x02', 'w')")
    sql(
        "INSERT INTO subscribers (address, normalised_address, email_key) VALUES ('a@x.example', 'a@x.example', '\\x01')"
    )


@pytest.mark.parametrize(
    ("table", "missing"),
    [(table, name) for table, statement in _REFERRING.items() for name in _THERE if f"{{{name}}}" in statement],
)
def test_evidence_and_imports_refer_to_what_is_there(an_import: None, sql, table: str, missing: str) -> None:  # type: ignore[no-untyped-def]
    absent = "'\\x99'" if missing == "wording" else "0"
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        sql(_REFERRING[table].format_map(_THERE | {missing: absent}))
    sql(_REFERRING[table].format_map(_THERE))
    assert sql(f"SELECT count(*) FROM {table}") == [(1,)]


@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET id = id + 1"])
@pytest.mark.parametrize(
    ("table", "there"),
    [
        ("consent_records", "imports"),
        ("imported_rows", "imports"),
        ("import_changes", "imports"),
        ("consent_records", "newsletters"),
        ("subscriptions", "newsletters"),
    ],
)
def test_what_is_referred_to_stays(an_import: None, sql, table: str, there: str, statement: str) -> None:  # type: ignore[no-untyped-def]
    if there == "newsletters":
        # An import keeps its newsletter by a foreign key.
        sql("DELETE FROM imports")
    sql(_REFERRING[table].format_map(_THERE))
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match=f"{there} has {table}"):
        sql(statement.format(there))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE subscriptions SET newsletter_id = 0",
        "UPDATE imported_rows SET import_id = 0",
        "UPDATE subscriptions SET subscriber_id = 0",
        "UPDATE imported_rows SET subscriber_id = 0",
        "UPDATE import_changes SET import_id = 0",
    ],
)
def test_a_reference_never_changes(an_import: None, sql, statement: str) -> None:  # type: ignore[no-untyped-def]
    for one in _REFERRING.values():
        sql(one.format_map(_THERE))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        sql(statement)


def test_the_database_refuses_every_other_move(database: Settings, sql) -> None:  # type: ignore[no-untyped-def]
    _an_issue(sql)
    for before, after in itertools.permutations(states.ISSUE, 2):
        sql(
            "SET session_replication_role = replica; UPDATE issues SET state = '"
            + before
            + "'; SET session_replication_role = origin"
        )
        if after in states.ISSUE[before]:
            sql("UPDATE issues SET state = %s", after)
        else:
            with pytest.raises(psycopg.errors.CheckViolation):
                sql("UPDATE issues SET state = %s", after)


@pytest.mark.parametrize("table", KEPT)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {column} = {column}"])
def test_what_must_be_provable_cannot_be_changed(database: Settings, sql, table: str, statement: str) -> None:  # type: ignore[no-untyped-def]
    """Not even by the owner of the tables."""
    column = sql("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 2", table)[0][0]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        sql(statement.format(table, column=column))


def test_what_runs_as_the_owner_is_not_for_everybody(sql) -> None:  # type: ignore[no-untyped-def]
    """A trigger's function neither: whoever may make a trigger of a temporary table could run code of theirs by it."""
    assert (
        sql(
            """SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace
               AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))"""
        )
        == []
    )
