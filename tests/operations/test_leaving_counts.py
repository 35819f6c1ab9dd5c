"""Leavings are counted on the latest issue that a reader was sent: each once, in sets, and none that was taken back."""

import threading
import time
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from service import deadline
from service.db import single, transaction
from service.operations import leaving, leaving_counts, scheduling, sweeping, undoing
from service.settings import Settings
from service.tokens import Purpose, Signer
from tests.builders import LETTER, an_issue
from tests.conftest import Sandbox
from tests.operations.test_sending import Drain, Sql, scheduled, small
from tests.web.test_deadline import owner

__all__ = ["small"]

COUNTED = "SELECT issue_id, subscription_id FROM deliveries WHERE unsubscribed_at IS NOT NULL ORDER BY 1, 2"


def leave(subscription: int, method: str = "one-click") -> leaving.Left:
    return leaving.leave(Signer(Purpose.LEAVE).sign(subscription), method=method)


def waiting(sql: Sql) -> int:
    return int(sql("SELECT count(*) FROM uncounted_leavings")[0][0])


def test_leavings_are_counted_once_on_the_latest_issue_sent_before_them(
    drain: Drain, sandbox: Sandbox, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving_counts, "AT_ONCE", 2)
    first, subscriptions = scheduled(5, drain)
    drain()
    newsletter = sql("SELECT newsletter_id FROM issues WHERE id = %s", first)[0][0]
    second = an_issue(newsletter, LETTER.replace("month", "next month"))
    scheduling.schedule(second, actor="test")
    drain()
    early, *others = subscriptions[:4]
    for subscription in (early, *others):
        assert leave(subscription, "page" if subscription == others[0] else "one-click").fresh
        assert not leave(subscription).fresh, "twice is once"
    # As if the second issue had been sent after they had left.
    sql("UPDATE uncounted_leavings SET left_at = (SELECT prepared_at FROM issues WHERE id = %s) WHERE subscription_id = %s", second, early)  # fmt: skip
    assert sql(COUNTED) == []
    sweeping.sweep_tracking()
    assert sql(COUNTED) == [(first, early), *((second, one) for one in sorted(others))]
    assert waiting(sql) == 0
    moments = sql("SELECT min(d.unsubscribed_at) >= min(n.changed_at), max(d.unsubscribed_at) < max(n.changed_at) + interval '1 second' FROM deliveries d JOIN subscriptions n ON n.id = d.subscription_id WHERE d.unsubscribed_at IS NOT NULL AND d.subscription_id <> %s AND n.state = 'unsubscribed'", early)  # fmt: skip
    assert moments == [(True, True)], "the moment is that of leaving, not that of counting"


def test_who_was_sent_nothing_yet_is_counted_nowhere(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    _, subscriptions = scheduled(2, drain)
    leave(subscriptions[0])
    sql("DELETE FROM deliveries WHERE subscription_id = %s", subscriptions[1])
    leave(subscriptions[1])
    assert leaving_counts.count_leavings() == 2
    assert (sql(COUNTED), waiting(sql)) == ([], 0)


@pytest.mark.parametrize("counted", [False, True])
def test_what_was_taken_back_is_not_counted(drain: Drain, sandbox: Sandbox, sql: Sql, counted: bool) -> None:
    _, subscriptions = scheduled(2, drain)
    drain()
    left = leave(subscriptions[0], "page")
    if counted:
        leaving_counts.count_leavings()
        assert len(sql(COUNTED)) == 1
    assert left.withdrawn_id is not None
    assert undoing.undo([(subscriptions[0], left.withdrawn_id)]) == 1
    assert leaving_counts.count_leavings() == 0
    assert sql(COUNTED) == []


def test_taking_back_waits_for_whoever_counts_and_is_the_last_word(
    drain: Drain, sandbox: Sandbox, sql: Sql, database: Settings
) -> None:
    _, subscriptions = scheduled(2, drain)
    drain()
    left = leave(subscriptions[0], "page")
    assert left.withdrawn_id is not None
    with owner(database) as connection:
        connection.execute("SELECT FROM deliveries FOR UPDATE")
        counting = threading.Thread(target=leaving_counts.count_leavings)
        counting.start()
        until_waiting(connection, 1)
        taking_back = threading.Thread(target=undoing.undo, args=([(subscriptions[0], left.withdrawn_id)],))
        taking_back.start()
        until_waiting(connection, 2)
        connection.rollback()
        counting.join(10)
        taking_back.join(10)
    assert sql("SELECT state FROM subscriptions WHERE id = %s", subscriptions[0]) == [("active",)]
    assert (sql(COUNTED), waiting(sql)) == ([], 0)


def until_waiting(connection: psycopg.Connection[Any], number: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        rows = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
        if rows is not None and rows[0] >= number:
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


def test_a_reason_names_the_issue_though_nothing_was_counted_yet(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    issue, subscriptions = scheduled(2, drain)
    drain()
    leave(subscriptions[0], "page")
    leaving.say_why(subscriptions[0], reason="other", words="")
    assert sql("SELECT issue_id FROM leave_reasons") == [(issue,)]
    assert sql(COUNTED) == [(issue, subscriptions[0])]


def test_a_transaction_of_one_statement_takes_no_second_and_rings_for_nothing(database: Settings, sql: Sql) -> None:
    deadline.begin(None)
    with single() as tx:
        assert tx.execute("SELECT 1").scalar() == 1
        with pytest.raises(RuntimeError, match="is over"):
            tx.execute("SELECT 2")
        with pytest.raises(RuntimeError, match="rings for nothing"):
            tx.enqueue("mail.send", 1)
        with pytest.raises(RuntimeError, match="do not nest"), transaction():
            pass
    assert not deadline.may_have_changed()
    with single() as tx:
        tx.execute("INSERT INTO uncounted_leavings (subscription_id) VALUES (1)")
        assert waiting(sql) == 1, "in force once it was answered"
    assert deadline.may_have_changed()


def test_what_comes_after_a_transaction_of_one_statement_is_one_whole_again(database: Settings, sql: Sql) -> None:
    with single() as tx:
        backend = tx.execute("SELECT pg_backend_pid()").scalar()
    with suppress(ZeroDivisionError), transaction() as tx:
        assert tx.execute("SELECT pg_backend_pid()").scalar() == backend
        tx.execute("INSERT INTO uncounted_leavings (subscription_id) VALUES (1)")
        raise ZeroDivisionError
    assert waiting(sql) == 0


def test_a_statement_by_itself_that_lost_its_connection_may_have_been_done(database: Settings, sql: Sql) -> None:
    deadline.begin(None)
    with pytest.raises(Exception, match="terminat"), single() as tx:
        tx.execute("WITH x AS (DELETE FROM uncounted_leavings) SELECT pg_terminate_backend(pg_backend_pid())")
    assert deadline.may_have_changed()
    deadline.begin(None)
    with pytest.raises(Exception, match="division"), single() as tx:
        tx.execute("WITH x AS (DELETE FROM uncounted_leavings) SELECT 1 / 0")
    assert not deadline.may_have_changed(), "it was refused"
    with suppress(ZeroDivisionError), transaction() as tx:
        tx.execute("INSERT INTO uncounted_leavings (subscription_id) VALUES (1)")
        raise ZeroDivisionError
    assert waiting(sql) == 0, "a whole transaction again"
