"""Duties: partitions made ahead and dropped whole, ledgers compared with their rows, and a failure that shows."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from service import db, queue
from service.db import transaction
from service.errors import BroadsheetError
from service.operations import duties, upkeep
from service.settings import Settings
from tests.builders import a_newsletter
from tests.conftest import Sandbox, free_port
from tests.operations.test_sending import Drain, Sql, scheduled

Change = Callable[..., Settings]


@pytest.fixture
def partitions(database: Settings, sql: Sql) -> Callable[[], set[str]]:
    """The payloads' partitions; those that a test made are gone after it."""

    def names() -> set[str]:
        return {
            row[0]
            for row in sql(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'payloads'::regclass"
            )
        }

    for name in names() - {"payloads_default"}:
        sql(f"DROP TABLE {name}")
    return names


def test_the_coming_weeks_partitions_are_made_and_old_ones_dropped_whole(
    partitions: Callable[[], set[str]], sql: Sql
) -> None:
    today: date = sql("SELECT current_date")[0][0]
    old = today - timedelta(days=15)
    sql(
        f"CREATE TABLE payloads_{old:%Y%m%d} PARTITION OF payloads FOR VALUES FROM ('{old}') TO ('{old + timedelta(days=1)}')"
    )
    sql(
        "INSERT INTO payloads (received_on, body, state) VALUES (%s, '', 'ingested'), (%s, '', 'ingested')",
        old,
        today - timedelta(days=30),
    )
    for _ in range(2):
        upkeep.keep_partitions()
    assert partitions() == {"payloads_default"} | {f"payloads_{today + timedelta(days=n):%Y%m%d}" for n in range(1, 8)}
    assert sql("SELECT count(*) FROM payloads") == [(0,)]
    assert sql("SELECT last_ok_at IS NOT NULL FROM duties WHERE name = 'keep partitions'") == [(True,)]


def test_how_long_payloads_are_kept_is_a_setting(
    partitions: Callable[[], set[str]], sql: Sql, other_settings: Change
) -> None:
    old = sql("SELECT current_date - 15")[0][0]
    sql(
        f"CREATE TABLE payloads_{old:%Y%m%d} PARTITION OF payloads FOR VALUES FROM ('{old}') TO ('{old + timedelta(days=1)}')"
    )
    other_settings(keep_payloads_days=16)
    upkeep.keep_partitions()
    assert f"payloads_{old:%Y%m%d}" in partitions()
    other_settings(keep_payloads_days=14)
    upkeep.keep_partitions()
    assert f"payloads_{old:%Y%m%d}" not in partitions()


def test_old_payloads_that_were_never_taken_in_are_kept_and_said(partitions: Callable[[], set[str]], sql: Sql) -> None:
    """Somebody's leaving may be in them."""
    today: date = sql("SELECT current_date")[0][0]
    old = today - timedelta(days=20)
    sql(
        f"CREATE TABLE payloads_{old:%Y%m%d} PARTITION OF payloads FOR VALUES FROM ('{old}') TO ('{old + timedelta(days=1)}')"
    )
    sql(
        "INSERT INTO payloads (received_on, body, state) VALUES (%s, '', 'set-aside'), (%s, '', 'pending')",
        old,
        today - timedelta(days=30),
    )
    with pytest.raises(BroadsheetError, match="were never taken in"):
        upkeep.keep_partitions()
    assert sql("SELECT count(*) FROM payloads") == [(2,)]
    assert len(partitions()) == 9, "the coming days were made all the same"


def test_a_payload_finds_a_place_on_any_day(partitions: Callable[[], set[str]], sql: Sql) -> None:
    upkeep.keep_partitions()
    for ahead in (0, 1, 8, 400):
        sql("INSERT INTO payloads (received_on, body) VALUES (current_date + %s, '')", ahead)
    assert sql("SELECT count(*) FROM payloads") == [(4,)]


@pytest.mark.parametrize("column", ["size", "excluded", "failed"])
def test_a_ledger_that_does_not_match_its_rows_is_found(
    drain: Drain, sandbox: Sandbox, sql: Sql, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    scheduled(3, drain)
    drain()
    upkeep.check_ledgers()
    assert "does not add up" not in caplog.text
    sql(f"UPDATE batches SET {column} = {column} + 1")
    with pytest.raises(BroadsheetError, match="add up"):
        upkeep.check_ledgers()
    assert "does not add up" in caplog.text


def test_a_duty_that_fails_is_loud_and_shows(database: Settings, sql: Sql) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        duties.duty("test", fail)
    assert sql("SELECT last_ok_at, last_error FROM duties WHERE name = 'test'") == [(None, "ValueError")]
    duties.duty("test", lambda: None)
    assert sql("SELECT last_ok_at IS NOT NULL, last_error FROM duties WHERE name = 'test'") == [(True, None)]


def test_a_bell_that_nobody_hears_costs_seconds_and_no_work(database: Settings, sql: Sql) -> None:
    """Redis is down: what was to be done stays done, and the caller does not wait."""
    queue.configure(replace(database, redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    started = time.monotonic()
    with transaction() as tx:
        tx.execute("INSERT INTO duties (name) VALUES ('kept')")
        tx.enqueue(queue.SWEEP_SENDING)
    assert time.monotonic() - started < 10
    assert sql("SELECT name FROM duties") == [("kept",)]


def test_nothing_is_rung_for_work_that_was_rolled_back(database: Settings, bells: list[Any]) -> None:
    def change_my_mind() -> None:
        with transaction() as tx:
            tx.enqueue(queue.SWEEP_SENDING)
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        change_my_mind()
    assert bells == []


def test_transactions_do_not_nest(database: Settings) -> None:
    with pytest.raises(RuntimeError, match="do not nest"), transaction(), transaction():
        pass
    with transaction() as tx:
        assert tx.execute("SELECT 1").scalar_one() == 1


def test_no_value_reaches_the_text_of_a_database_error(database: Settings) -> None:
    a_newsletter()
    with pytest.raises(Exception, match="duplicate key") as error, transaction() as tx:
        tx.execute(
            "INSERT INTO newsletters (slug, name, sender_name, sender_address, postal_address) VALUES ('monthly', :name, 'n', 'n', 'p')",
            name="secret-of-a-reader",
        )
    assert "secret-of-a-reader" not in str(error.value)
    assert db.engine()
