"""A reader is answered in time whatever the database does, and the page says what is true: not done, or not certain."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from service import deadline
from service.settings import Settings
from service.tokens import Purpose, Signer
from service.web import faults
from tests.builders import a_newsletter, readers
from tests.web.browsing import Person

Sql = Callable[..., list[Any]]


@pytest.fixture
def leaver(database: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A subscription, under a patience of a second."""
    monkeypatch.setattr(faults, "PATIENCE", 1.0)
    (subscription,) = readers(a_newsletter(), ["mei@readers.example"])
    yield subscription
    deadline.note_answer()


def owner(database: Settings) -> "psycopg.Connection[Any]":
    address = make_url(database.database_owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address)


@contextmanager
def locked(database: Settings, subscription: int) -> Iterator[None]:
    """Somebody else holds the reader."""
    with owner(database) as connection:
        connection.execute("SELECT FROM subscribers FOR UPDATE")
        connection.execute("SELECT FROM subscriptions WHERE id = %s FOR UPDATE", [subscription])
        yield


def left(sql: Sql, subscription: int) -> bool:
    return bool(sql("SELECT 1 FROM subscriptions WHERE id = %s AND state = 'unsubscribed'", subscription))


def test_a_statement_that_hangs_is_given_up_and_nothing_was_changed(
    web: str, database: Settings, leaver: int, sql: Sql
) -> None:
    token = Signer(Purpose.LEAVE).sign(leaver)
    with locked(database, leaver):
        started = time.monotonic()
        answer = Person().post(f"{web}/u/{token}")
        assert 0.9 < time.monotonic() - started < 3
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
        assert "Nothing was changed" in answer.said
    time.sleep(0.5)
    assert not left(sql, leaver)
    assert Person().post(f"{web}/u/{token}").status == 200
    assert left(sql, leaver)


def test_a_click_that_hangs_is_said_not_to_be_certain(web: str, database: Settings, leaver: int, sql: Sql) -> None:
    """It is one statement, which the server may have done when nobody waits for it any more."""
    with locked(database, leaver):
        answer = Person().post(f"{web}/u/{Signer(Purpose.LEAVE).sign(leaver)}", {"List-Unsubscribe": "One-Click"})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
        assert "It is not certain whether this was done" in answer.said
    assert (
        Person().post(f"{web}/u/{Signer(Purpose.LEAVE).sign(leaver)}", {"List-Unsubscribe": "One-Click"}).status == 200
    )
    assert left(sql, leaver)


def test_a_count_that_hangs_keeps_nobody_from_leaving(web: str, database: Settings, leaver: int, sql: Sql) -> None:
    with owner(database) as connection:
        connection.execute("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE")
        answer = Person().post(f"{web}/u/{Signer(Purpose.LEAVE).sign(leaver)}", {"List-Unsubscribe": "One-Click"})
    assert answer.status == 200
    assert left(sql, leaver)


def test_a_commit_without_an_answer_is_said_not_to_be_certain(web: str, leaver: int, sql: Sql) -> None:
    sql(
        """CREATE OR REPLACE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN PERFORM pg_sleep(2); RETURN NULL; END $$"""
    )
    sql(
        """CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON subscriptions DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION slow_commit()"""
    )
    try:
        answer = Person().post(f"{web}/u/{Signer(Purpose.LEAVE).sign(leaver)}")
        assert answer.status == 503
        assert "It is not certain whether this was done" in answer.said
        assert "Nothing was changed" not in answer.said
        time.sleep(2.5)
        assert left(sql, leaver), "the server did it all the same"
    finally:
        sql("DROP TRIGGER slow ON subscriptions")
        sql("DROP FUNCTION slow_commit()")


def test_who_comes_while_the_server_is_silent_waits_less(
    web: str, database: Settings, leaver: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "SILENT", 0.6)
    token = Signer(Purpose.LEAVE).sign(leaver)
    with locked(database, leaver):
        Person().post(f"{web}/u/{token}")
        started = time.monotonic()
        assert Person().post(f"{web}/u/{token}").status == 503
        assert time.monotonic() - started < 0.9
    assert Person().post(f"{web}/u/{token}").status == 200


def test_nobody_else_has_a_deadline(database: Settings) -> None:
    found: list[float | None] = []
    deadline.begin(5)
    thread = threading.Thread(target=lambda: found.append(deadline.left()))
    thread.start()
    thread.join()
    deadline.end()
    assert found == [None]
    assert deadline.left() is None
