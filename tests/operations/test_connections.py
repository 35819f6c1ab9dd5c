"""Connections are kept and used again: one that the server has ended meanwhile is replaced before anybody asks for something on it."""

import time
from typing import Any

import pytest
from sqlalchemy import event

from service import db
from service.db import transaction
from service.settings import Settings

END_THE_OTHERS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def _backend() -> int:
    with transaction() as tx:
        found: int = tx.execute("SELECT pg_backend_pid()").scalar_one()
    return found


def test_a_connection_that_was_ended_while_it_rested_is_replaced(database: Settings) -> None:
    before = _backend()
    with transaction(as_owner=True) as tx:
        assert tx.execute(END_THE_OTHERS).scalar_one() >= 1
    time.sleep(0.2)
    assert _backend() != before


def test_a_connection_is_asked_only_after_a_long_rest(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    ping = db.engine().dialect.do_ping

    def noted(connection: Any) -> bool:
        asked.append(connection)
        return ping(connection)

    monkeypatch.setattr(db.engine().dialect, "do_ping", noted)
    before = _backend()
    assert (_backend(), len(asked)) == (before, 0)
    monkeypatch.setattr(db, "RESTED", 0.0)
    assert (_backend(), len(asked)) == (before, 1)


def test_one_that_does_not_answer_after_a_long_rest_is_replaced(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _backend()
    monkeypatch.setattr(db, "RESTED", 0.0)

    @event.listens_for(db.engine(), "checkout", insert=True)
    def forgotten(connection: Any, _record: object, _proxy: object) -> None:
        """As by a firewall: nothing arrives any more."""
        if left.pop():
            connection.close()

    left = [False, True]
    try:
        assert _backend() != before
    finally:
        event.remove(db.engine(), "checkout", forgotten)


def test_temporary_tables_take_little_memory_of_a_connection_even_after_an_import(database: Settings) -> None:
    """So that the process of PostgreSQL that freezes takes for a million readers what it takes for ten thousand."""
    with transaction() as tx:
        tx.execute("CREATE TEMPORARY TABLE many ON COMMIT DROP AS SELECT FROM generate_series(1, 1000)")
    with transaction() as tx:
        assert tx.execute("SHOW temp_buffers").scalar_one() == "800kB"
