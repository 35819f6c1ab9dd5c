"""An import beside readers who decide something at this moment: nobody waits in a circle, and the reader's word counts."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.db import Transaction, transaction
from service.operations.importing import ImportReport, import_subscribers
from service.operations.importing_undo import undo
from service.operations.leaving import lock_reader_of
from service.operations.suppressing import lock_readers, withdraw
from service.operations.verifying import verify
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter, people, readers

Sql = Callable[..., list[Any]]
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_SUBSCRIPTIONS = """
    SELECT n.id FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id WHERE n.newsletter_id = %s ORDER BY s.id
"""


class Beside:
    """An import that runs while the test holds something that it waits for."""

    def __init__(self, folder: Path, sql: Sql) -> None:
        self._folder, self._sql = folder, sql
        self.newsletter = a_newsletter()
        self.reports: list[ImportReport] = []
        self.errors: list[Exception] = []
        self._thread = threading.Thread()

    def begin(self, work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                work()
            except Exception as error:
                self.errors.append(error)

        self._thread = threading.Thread(target=run)
        self._thread.start()
        until = time.monotonic() + 30
        while not self._sql(_WAITING)[0][0]:
            assert time.monotonic() < until
            assert self._thread.is_alive(), self.errors
            time.sleep(0.02)

    def take(self, addresses: list[str], tracking: str = "") -> ImportReport:
        path = self._folder / "readers.csv"
        path.write_text("email,tracking\n" + "".join(f"{address},{tracking}\n" for address in addresses))
        self.reports.append(import_subscribers(path, newsletter_id=self.newsletter, consent="The form of 2026"))
        return self.reports[-1]

    def end(self) -> None:
        self._thread.join(60)
        assert (self._thread.is_alive(), self.errors) == (False, [])


@pytest.fixture
def beside(database: Settings, tmp_path: Path, sql: Sql) -> Beside:
    return Beside(tmp_path, sql)


def _leave(tx: Transaction, subscription_id: int) -> None:
    assert withdraw(tx, subscription_id, method="page")


def test_a_reader_who_leaves_while_an_import_waits_for_them_has_left(beside: Beside, sql: Sql) -> None:
    addresses = people(20)
    readers(beside.newsletter, addresses)
    sql("UPDATE subscriptions SET state = 'pending'")
    ids = [row[0] for row in sql(_SUBSCRIPTIONS, beside.newsletter)]
    with transaction() as tx:
        lock_reader_of(tx, ids[7])
        beside.begin(lambda: beside.take(addresses))
        _leave(tx, ids[7])
    beside.end()
    assert (beside.reports[0].updated, beside.reports[0].sendable, beside.reports[0].left) == (19, 19, 1)
    assert sql("SELECT state FROM subscriptions WHERE id = %s", ids[7]) == [("unsubscribed",)]
    assert verify().findings == []


def test_an_objection_from_a_file_waits_for_a_reader_who_leaves(beside: Beside, sql: Sql) -> None:
    addresses = people(5)
    readers(beside.newsletter, addresses)
    ids = [row[0] for row in sql(_SUBSCRIPTIONS, beside.newsletter)]
    with transaction() as tx:
        lock_reader_of(tx, ids[2])
        beside.begin(lambda: beside.take(addresses, tracking="no"))
        _leave(tx, ids[2])
    beside.end()
    assert sql("SELECT state, tracking, count(*) FROM subscriptions GROUP BY 1, 2 ORDER BY 1") == [
        ("active", "objected", 4),
        ("unsubscribed", "objected", 1),
    ]
    assert [finding for finding in verify().findings if finding.record_id is not None] == []


def test_readers_who_are_told_to_have_left_at_once_and_an_import_wait_in_one_line(beside: Beside, sql: Sql) -> None:
    """As SendGrid tells of them, in any order."""
    addresses = people(50)
    readers(beside.newsletter, addresses)
    sql("UPDATE subscriptions SET state = 'pending'")
    ids = [row[0] for row in sql(_SUBSCRIPTIONS, beside.newsletter)]
    with transaction() as tx:
        lock_readers(tx, [ids[30], ids[3]])
        beside.begin(lambda: beside.take(addresses))
        _leave(tx, ids[30])
        _leave(tx, ids[3])
    beside.end()
    assert (beside.reports[0].updated, beside.reports[0].left) == (48, 2)
    assert verify().findings == []


def test_whoever_ends_a_subscription_waits_for_the_reader_first(beside: Beside, sql: Sql) -> None:
    (one,) = readers(beside.newsletter, people(1))

    def end() -> None:
        with transaction() as tx:
            _leave(tx, one)

    with transaction() as tx:
        lock_reader_of(tx, one)
        beside.begin(end)
        tx.execute("UPDATE subscriptions SET tracking = 'objected' WHERE id = :id", id=one)
    beside.end()
    assert sql("SELECT state, tracking FROM subscriptions") == [("unsubscribed", "objected")]


def test_an_import_is_taken_back_while_one_of_its_readers_leaves(beside: Beside, sql: Sql) -> None:
    addresses = people(10)
    beside.take(addresses)
    ids = [row[0] for row in sql(_SUBSCRIPTIONS, beside.newsletter)]
    with transaction() as tx:
        lock_reader_of(tx, ids[4])
        beside.begin(lambda: undo(beside.reports[0].import_id, actor="command line"))
        _leave(tx, ids[4])
    beside.end()
    assert sql("SELECT id, state FROM subscriptions") == [(ids[4], "unsubscribed")]
    assert verify().findings == []


def test_a_reader_who_signs_up_at_this_moment_is_found(beside: Beside, sql: Sql) -> None:
    addresses = people(3)
    with transaction() as tx:
        # The same as a sign-up leaves before it is confirmed.
        tx.execute(
            """WITH s AS (INSERT INTO subscribers (address, normalised_address, email_key) VALUES (:address, :address, :key) RETURNING id)
               INSERT INTO subscriptions (subscriber_id, newsletter_id, state) SELECT id, :newsletter, 'pending' FROM s""",
            address=addresses[1],
            key=email_key(addresses[1]),
            newsletter=beside.newsletter,
        )
        beside.begin(lambda: beside.take(addresses, tracking="no"))
    beside.end()
    assert (beside.reports[0].added, beside.reports[0].updated) == (2, 1)
    assert sql("SELECT state, tracking, count(*) FROM subscriptions GROUP BY 1, 2") == [("active", "objected", 3)]
    assert sql("SELECT count(*), max(number) FROM consent_records WHERE purpose = 'tracking'") == [(3, 2)]
    assert verify().findings == []


def test_an_import_goes_on_from_what_was_recorded_before(beside: Beside, sql: Sql) -> None:
    addresses = people(40)
    other = a_newsletter("weekly")
    readers(other, addresses[:20])
    with transaction() as tx:
        for row in sql(_SUBSCRIPTIONS, other)[:10]:
            _leave(tx, row[0])
    before = dict(sql("SELECT email_key, max(number) FROM consent_records GROUP BY 1"))
    beside.take(addresses, tracking="no")
    after = dict(sql("SELECT email_key, max(number) FROM consent_records GROUP BY 1"))
    assert after == {key: before.get(key, 0) + 2 for key in after}
    assert len(after) == 40
    assert [finding for finding in verify().findings if finding.record_id is not None] == []
