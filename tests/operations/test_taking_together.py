"""Payloads are taken in together, a set in one transaction: none harms another, two workers do not get in each other's way, and what
is told again costs no row."""

import json
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from service import queue
from service.db import transaction
from service.operations import sweeping, tracking
from service.operations.suppressing import Due, suppress_all
from service.settings import Settings
from tests.conftest import Sandbox
from tests.operations.test_sending import Drain, Sql, scheduled
from tests.operations.test_tracking import NOW, an_event, rows

BROKEN = b"no zlib"


@pytest.fixture
def copies(drain: Drain, sandbox: Sandbox, sql: Sql, bells: list[Any]) -> list[tuple[int, uuid.UUID]]:
    """Twenty deliveries that were sent, each with its attempt; nothing waits and nothing rings."""
    scheduled(20, drain)
    drain()
    bells.clear()
    sql("DELETE FROM payloads")
    return rows(sql)


def waits(*events: dict[str, Any], body: bytes | None = None) -> None:
    """Store a payload as `receive` does."""
    with transaction() as tx:
        tx.execute(
            "INSERT INTO payloads (body, events, rung_at) VALUES (:body, :events, clock_timestamp())",
            body=zlib.compress(json.dumps(events).encode()) if body is None else body,
            events=len(events),
        )


def states(sql: Sql) -> list[tuple[str, int]]:
    return [(state, tries) for state, tries in sql("SELECT state, tries FROM payloads ORDER BY id")]


def test_a_hundred_payloads_are_one_transaction_of_a_few_statements(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, statements: list[str]
) -> None:
    for number in range(100):
        delivery, attempt = copies[number % 20]
        waits(an_event("open", delivery, attempt, NOW + number % 50))
    statements.clear()
    tracking.ingest()
    assert len(statements) < 12
    assert sql("SELECT count(*), sum(fresh), max(fresh) FROM payloads WHERE state = 'ingested'") == [(100, 100, 1)]


def test_the_same_event_in_several_payloads_of_a_set_counts_for_the_first(
    copies: list[tuple[int, uuid.UUID]], sql: Sql
) -> None:
    told = an_event("delivered", *copies[0])
    for again in (told, told, an_event("delivered", copies[0][0])):
        waits(again, again, an_event("delivered", 10**15))
    tracking.ingest()
    assert sql("SELECT fresh, strays FROM payloads ORDER BY id") == [(1, 1), (0, 1), (0, 1)]


def test_the_same_event_of_two_attempts_proves_both(copies: list[tuple[int, uuid.UUID]], sql: Sql) -> None:
    delivery, attempt = copies[0]
    other = uuid.uuid4()
    sql(
        "INSERT INTO attempts (id, issue_id, batch_id, number, state, provider, readers, lease_until, claimed_at)"
        " SELECT %s, issue_id, batch_id, 9, 'accepted', provider, readers, lease_until, claimed_at FROM attempts WHERE id = %s",
        other,
        attempt,
    )
    sql("UPDATE attempts SET evidence_at = NULL")
    waits(an_event("processed", delivery, attempt), an_event("processed", delivery, other))
    tracking.ingest()
    proved = sql("SELECT id FROM attempts WHERE evidence_at IS NOT NULL")
    assert {row[0] for row in proved} == {attempt, other}
    assert sql("SELECT fresh FROM payloads") == [(1,)]


def test_what_is_told_again_writes_no_delivery_anew(copies: list[tuple[int, uuid.UUID]], sql: Sql) -> None:
    shot = "SELECT xmin::text, ctid::text, xmax::text FROM deliveries ORDER BY id"
    told = [an_event(kind, *copy) for copy in copies for kind in ("processed", "delivered")]
    waits(*told)
    tracking.ingest()
    known = sql(shot)
    waits(*told)
    tracking.ingest()
    assert sql(shot) == known
    assert sql("SELECT fresh FROM payloads ORDER BY id") == [(40,), (0,)]


def test_a_payload_that_fails_harms_none_of_its_set_and_is_tried_again_by_itself(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, statements: list[str], bells: list[Any]
) -> None:
    for number, copy in enumerate(copies):
        waits(an_event("delivered", *copy), body=BROKEN if number == 7 else None)
    with pytest.raises(zlib.error):
        tracking.ingest()
    expected = [("pending", 1) if number == 7 else ("ingested", 0) for number in range(20)]
    assert states(sql) == expected
    waits(an_event("open", *copies[0]))
    tracking.ingest()
    assert states(sql) == [*expected, ("ingested", 0)], "it is not tried again with each set that comes"
    for tries in (2, 3, 4, 5):
        sweeping.sweep_tracking()
        assert bells == []
        sql("UPDATE payloads SET rung_at = rung_at - interval '61 seconds' WHERE state = 'pending'")
        sweeping.sweep_tracking()
        assert bells == [(queue.INGEST_PAYLOADS, ())]
        bells.clear()
        waits(an_event("click", *copies[tries]))
        statements.clear()
        with pytest.raises(zlib.error):
            tracking.ingest()
        assert states(sql)[7] == ("set-aside" if tries == 5 else "pending", tries)
        assert {state for state, tried in states(sql) if not tried} == {"ingested"}


def test_a_set_is_no_larger_than_its_memory(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "A_SET", 10)
    for number in range(6):
        waits(*(an_event("open", *copy, NOW + number) for copy in copies[:4]))
    failures: list[Exception] = []
    ahead = tracking._Ahead()
    assert [tracking._take_in(None, failures, ahead) for _ in range(3)] == [3, 3, 0]
    assert failures == []
    waits(*(an_event("open", *copy, NOW + 9) for copy in copies))
    assert tracking._take_in(None, failures, ahead) == 1, "one that is larger alone is a set by itself"


def test_the_next_set_is_read_while_the_database_is_at_the_last(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each payload is read once, all but the first set's by another thread; one that cannot be read harms none of them."""
    monkeypatch.setattr(tracking, "A_SET", 3)
    readers: list[str] = []
    parse = tracking._parse

    def noted(body: bytes) -> Any:
        readers.append("worker" if threading.current_thread() is threading.main_thread() else "ahead")
        return parse(body)

    monkeypatch.setattr(tracking, "_parse", noted)
    for number, copy in enumerate(copies[:9]):
        waits(an_event("open", *copy), body=BROKEN if number == 7 else None)
    with pytest.raises(zlib.error):
        tracking.ingest()
    assert [state for state, _ in states(sql)] == [*["ingested"] * 7, "pending", "ingested"]
    assert readers[:3] == ["worker"] * 3
    assert readers.count("ahead") == 6, "the second set and the third"
    assert sql("SELECT count(*) FROM events WHERE type = 'opened'") == [(8,)]


def test_what_was_read_and_is_somebody_elses_now_is_left_to_them(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "A_SET", 2)
    for copy in copies[:4]:
        waits(an_event("open", *copy))
    ahead = tracking._Ahead()
    assert tracking._take_in(None, [], ahead) == 2
    sql("UPDATE payloads SET state = 'set-aside' WHERE id = (SELECT max(id) FROM payloads)")
    assert tracking._take_in(None, [], ahead) == 1
    assert [state for state, _ in states(sql)] == [*["ingested"] * 3, "set-aside"]


def test_a_reading_ahead_that_hangs_is_waited_for_a_little_and_then_done_again(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(tracking, "A_SET", 2)
    monkeypatch.setattr(tracking, "PATIENCE", 0.05)
    monkeypatch.setattr(tracking, "_read_beyond", lambda _: goes_on.wait(30) and {})
    for copy in copies[:6]:
        waits(an_event("open", *copy))
    begun = time.monotonic()
    tracking.ingest()
    assert time.monotonic() - begun < 15
    goes_on.set()
    assert {state for state, _ in states(sql)} == {"ingested"}


def test_nothing_is_read_ahead_while_an_issue_is_being_sent(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "A_SET", 1)
    monkeypatch.setattr(tracking, "YIELD", 0.0)
    monkeypatch.setattr(tracking, "_BEING_SENT", "SELECT true")
    read: list[int] = []

    def noted(last: int) -> dict[int, Any]:
        read.append(last)
        return {}

    monkeypatch.setattr(tracking, "_read_beyond", noted)
    for copy in copies[:4]:
        waits(an_event("open", *copy))
    tracking.ingest()
    assert {state for state, _ in states(sql)} == {"ingested"}
    assert len(read) <= 1, "the first set does not know yet"


def test_a_worker_that_was_busy_for_its_stint_rings_for_the_rest(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, bells: list[Any], drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "A_SET", 1)
    monkeypatch.setattr(tracking, "STINT", 0.0)
    for copy in copies[:3]:
        waits(an_event("open", *copy))
    tracking.ingest()
    assert [state for state, _ in states(sql)] == ["ingested", "pending", "pending"]
    assert bells == [(queue.INGEST_PAYLOADS, ())]
    drain()
    assert {state for state, _ in states(sql)} == {"ingested"}


def test_a_worker_passes_over_what_another_has_taken(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, database: Settings
) -> None:
    for copy in copies[:3]:
        waits(an_event("open", *copy))
    with psycopg.connect(database.database_url.replace("+psycopg", "")) as other:
        other.execute("SELECT FROM payloads ORDER BY id LIMIT 1 FOR UPDATE")
        tracking.ingest()
        assert [state for state, _ in states(sql)] == ["pending", "ingested", "ingested"]
    tracking.ingest()
    assert {state for state, _ in states(sql)} == {"ingested"}


def at_once(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_workers_with_events_about_the_same_readers_do_not_wait_for_each_other(
    copies: list[tuple[int, uuid.UUID]], sql: Sql
) -> None:
    """Two that lock in opposite orders end in a deadlock, which makes one of them fail."""
    kinds = ("processed", "delivered", "bounce", "spamreport", "unsubscribe", "open")
    for number in range(24):
        moments = range(NOW + number // 4 * 20, NOW + number // 4 * 20 + 20)
        told = [an_event(kind, *copy, at, type="bounce") for at in moments for copy in copies for kind in kinds]
        waits(*told if number % 2 else told[::-1])
    ids = [row[0] for row in sql("SELECT id FROM payloads ORDER BY id")]
    failures: list[Exception] = []

    def work(first: int) -> None:
        for payload_id in ids[first::3]:
            tracking._take_in([payload_id], failures, tracking._Ahead())

    at_once(*(partial(work, first) for first in range(3)))
    assert failures == []
    assert {state for state, _ in states(sql)} == {"ingested"}
    assert sql("SELECT count(*) FROM events") == [(6 * 20 * 20 * len(kinds),)]
    assert sql("SELECT kind, count(*) FROM suppressions GROUP BY 1 ORDER BY 1") == [
        ("complaint", 20),
        ("hard-bounce", 20),
        ("provider", 20),
    ]


def test_two_who_suppress_the_same_addresses_at_once_do_not_wait_for_each_other(database: Settings, sql: Sql) -> None:
    due = [Due(bytes([number]) * 32, kind, "test") for number in range(200) for kind in ("complaint", "hard-bounce")]
    failures: list[Exception] = []

    def suppress(some: list[Due]) -> None:
        try:
            for _ in range(20):
                with transaction() as tx:
                    suppress_all(tx, some)
                    tx.execute("DELETE FROM suppressions")
        except DBAPIError as failure:
            failures.append(failure)

    at_once(lambda: suppress(due), lambda: suppress(due[::-1]))
    assert failures == []


def test_who_left_is_heard_as_soon_as_what_came_before(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set in the middle of a flood: what comes later does not push in."""
    monkeypatch.setattr(tracking, "A_SET", 40)
    flood = [an_event("open", *copy, NOW + later) for later in range(10) for copy in copies]
    for n in range(0, 60, 20):
        waits(*flood[n : n + 20])
    waits(an_event("unsubscribe", *copies[3]))
    for n in range(60, 200, 20):
        waits(*flood[n : n + 20])
    for _ in range(3):
        tracking._take_in(None, [], tracking._Ahead())
    assert sql("SELECT count(*) FROM subscriptions WHERE state = 'unsubscribed'") == [(1,)]
    assert ("pending", 0) in states(sql)


def test_many_who_bounce_in_one_set_are_suppressed_by_one_statement(
    copies: list[tuple[int, uuid.UUID]], sql: Sql, statements: list[str]
) -> None:
    waits(*(an_event("bounce", *copy, type="bounce") for copy in copies))
    statements.clear()
    tracking.ingest()
    assert sum("INTO suppressions" in one for one in statements) == 1
    assert sql("SELECT kind, source, count(*) FROM suppressions GROUP BY 1, 2") == [
        ("hard-bounce", "event: bounced", 20)
    ]
