"""Connections are kept and used again: one that the server has ended meanwhile is replaced before anybody asks for something on it."""

import time
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, ProgrammingError

from service import db, deadline
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


def _write_and_fail(wording: str, *, at_once: bool) -> None:
    with transaction(at_once=at_once) as tx:
        tx.execute(
            "INSERT INTO consent_wordings (sha256, wording) VALUES (convert_to(:wording, 'UTF8'), :wording)",
            wording=wording,
        )
        tx.execute("SELECT FROM nowhere")


def test_each_statement_of_a_transaction_at_once_is_committed_by_itself(database: Settings) -> None:
    """What was done stays, though what comes after fails; and the next transaction is an ordinary one."""
    for at_once, wording in ((True, "at once"), (False, "together")):
        with pytest.raises(ProgrammingError):
            _write_and_fail(wording, at_once=at_once)
    with transaction() as tx:
        assert tx.execute("SELECT wording FROM consent_wordings").scalars().all() == ["at once"]


def test_what_the_server_refuses_at_once_has_changed_nothing_and_what_it_does_not_answer_may_have(
    database: Settings,
) -> None:
    deadline.begin(None)
    with pytest.raises(DBAPIError), transaction(at_once=True) as tx:
        tx.execute("INSERT INTO consent_wordings (sha256, wording) VALUES ('a', NULL)")
    assert not deadline.may_have_changed()
    with pytest.raises(DBAPIError), transaction(at_once=True) as tx:
        tx.execute(
            "WITH ended AS (SELECT pg_terminate_backend(pg_backend_pid())) INSERT INTO consent_wordings (sha256, wording) SELECT 'a', 'a' FROM ended"
        )
    assert deadline.may_have_changed()
