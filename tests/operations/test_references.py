"""A subscription and a row of an import are always of a reader who is there, and go with them. It is looked at once a statement, so a
reader who is taken away at this very moment must be waited for."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from service import db
from service.migrations import runner
from service.settings import Settings
from tests.builders import a_newsletter, readers

Sql = Callable[..., list[Any]]
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_INTO = {
    "subscriptions": "INSERT INTO subscriptions (subscriber_id, newsletter_id) SELECT {reader}, max(id) FROM newsletters",
    "imported_rows": "INSERT INTO imported_rows (import_id, subscriber_id) SELECT id, {reader} FROM imports",
}
TABLES = pytest.mark.parametrize("table", list(_INTO))


@pytest.fixture
def reader(database: Settings, sql: Sql) -> int:
    newsletter = a_newsletter()
    readers(newsletter, ["ada@readers.example", "bo@readers.example"])
    a_newsletter("another")
    sql(
        "INSERT INTO imports (newsletter_id, file_name, file_sha256, consent, counts) VALUES (%s, 'f', '', 'c', '{}')",
        newsletter,
    )
    return int(sql("SELECT id FROM subscribers ORDER BY id")[0][0])


@pytest.fixture
def other(database: Settings) -> Iterator[psycopg.Connection[Any]]:
    with db.owner_engine().connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        yield driver
        driver.rollback()


def beside(work: Callable[[], object], sql: Sql, release: Callable[[], object]) -> list[Exception]:
    """Begin the work, let go of what it waits for, and give what it met."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            work()
        except psycopg.Error as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + 30
    while not sql(_WAITING)[0][0]:
        assert time.monotonic() < until
        assert thread.is_alive(), errors
        time.sleep(0.02)
    release()
    thread.join(30)
    return errors


@TABLES
def test_nobody_is_named_who_is_not_there(reader: int, sql: Sql, table: str) -> None:
    before = sql(f"SELECT count(*) FROM {table}")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match=f"{table}.subscriber_id names what is not there"):
        sql(_INTO[table].format(reader=reader + 100))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        sql(
            _INTO[table].format(reader=f"unnest(ARRAY[{reader}, {reader + 100}])")
            + " GROUP BY 1" * (table == "subscriptions")
        )
    assert sql(f"SELECT count(*) FROM {table}") == before


@TABLES
def test_they_go_with_their_reader(reader: int, sql: Sql, table: str) -> None:
    sql(_INTO[table].format(reader=reader))
    sql(_INTO[table].format(reader=reader + 1))
    sql("DELETE FROM subscribers WHERE id = %s", reader)
    assert set(sql(f"SELECT subscriber_id FROM {table}")) == {(reader + 1,)}


@TABLES
def test_a_reader_keeps_their_number(reader: int, sql: Sql, table: str) -> None:
    if table == "imported_rows":
        sql("DELETE FROM subscriptions")
    sql(_INTO[table].format(reader=reader))
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match=f"subscribers has {table}"):
        sql("UPDATE subscribers SET id = 900 WHERE id = %s", reader)


@TABLES
def test_whoever_takes_a_reader_away_waits_for_what_is_being_written_of_them(
    reader: int, sql: Sql, other: psycopg.Connection[Any], table: str
) -> None:
    other.execute(_INTO[table].format(reader=reader))
    errors = beside(lambda: sql("DELETE FROM subscribers WHERE id = %s", reader), sql, other.commit)
    assert errors == []
    assert sql(f"SELECT count(*) FROM {table} WHERE subscriber_id = %s", reader) == [(0,)], "went with them"


@TABLES
def test_whoever_writes_of_a_reader_who_is_being_taken_away_is_refused(
    reader: int, sql: Sql, other: psycopg.Connection[Any], table: str
) -> None:
    other.execute("DELETE FROM subscribers WHERE id = %s", (reader,))
    errors = beside(lambda: sql(_INTO[table].format(reader=reader)), sql, other.commit)
    assert [type(error) for error in errors] == [psycopg.errors.ForeignKeyViolation]


def test_what_an_import_began_is_known_after_going_back(scratch: Engine) -> None:
    runner.upgrade(scratch)
    with scratch.begin() as connection:
        for statement in (
            "INSERT INTO newsletters (slug, name, sender_name, sender_address, postal_address) VALUES ('n', 'N', 'N', 'n@n.example', 'x')",
            "INSERT INTO imports (newsletter_id, file_name, file_sha256, consent, counts) SELECT id, 'f', '', 'c', '{}' FROM newsletters",
            "INSERT INTO subscribers (address, normalised_address, email_key) SELECT n, n, CAST(n AS bytea) FROM (VALUES ('a'), ('b'), ('c')) v (n)",
            "INSERT INTO imported_rows (import_id, subscriber_id, began) SELECT i.id, s.id, s.address <> 'b' FROM imports i, subscribers s",
        ):
            connection.execute(text(statement))
    runner.downgrade(scratch, "0030")
    with scratch.begin() as connection:
        told = "SELECT s.address FROM import_changes c JOIN subscribers s ON s.id = c.subscriber_id ORDER BY 1"
        assert connection.execute(text(told)).scalars().all() == ["a", "c"]
        connection.execute(text("DELETE FROM subscribers WHERE address = 'a'"))
        assert connection.execute(text("SELECT count(*) FROM imported_rows")).scalar_one() == 2, (
            "by a foreign key again"
        )
    runner.upgrade(scratch)
