"""A duty is done by one at a time, whoever dies at it; and whether it is late is one rule, for those that never succeeded too."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import clear_contextvars, get_contextvars

from service import epoch
from service.db import transaction
from service.domain.duties import DUTIES, is_late
from service.operations import duties, retaining, workers
from service.settings import ROOT, Settings
from tasks.app import TASKS, Scheduler, app
from tasks.heart import Heart
from tests.conftest import Sandbox
from tests.operations.test_sending import scheduled

Sql = Callable[..., list[Any]]
HOLD = """
import time
from service import settings, wiring
from service.operations.duties import duty
wiring.wire(settings.load())
duty("sweep sending", lambda: (print("held", flush=True), time.sleep(60)))
"""


def test_two_at_once_do_a_duty_once(database: Settings) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        assert go_on.wait(20)
        done.append("first")

    first = threading.Thread(target=lambda: duties.duty("sweep sending", slow))
    first.start()
    assert begun.wait(20)
    assert not duties.duty("sweep sending", lambda: done.append("second"))
    go_on.set()
    first.join()
    assert done == ["first"]
    assert duties.duty("sweep sending", lambda: done.append("third")), "the lease was given back"


def test_of_many_that_begin_together_one_is_taken(database: Settings) -> None:
    together, done = threading.Barrier(6), []

    def work() -> None:
        done.append(1)
        time.sleep(1)

    def begin() -> None:
        together.wait()
        duties.duty("check ledgers", work)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert done == [1]


def test_a_process_killed_at_a_duty_holds_it_up_until_its_lease_ends(database: Settings, sql: Sql) -> None:
    environ = {**os.environ, **database.to_environ(), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", HOLD], env=environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert not duties.duty("sweep sending", lambda: None)
    ((left,),) = sql("SELECT lease_until - clock_timestamp() FROM duties WHERE name = 'sweep sending'")
    assert timedelta() < left <= DUTIES["sweep sending"].lease
    sql("UPDATE duties SET lease_until = clock_timestamp()")
    assert duties.duty("sweep sending", lambda: None)
    assert sql("SELECT lease_until, holder, last_error FROM duties") == [(None, None, None)]


def test_who_outlives_their_lease_does_not_take_it_from_the_next(database: Settings, sql: Sql) -> None:
    def overrun() -> None:
        sql("UPDATE duties SET lease_until = clock_timestamp() + interval '1 hour', holder = 'another'")

    duties.duty("watch", overrun)
    assert sql("SELECT holder, lease_until > now(), last_ok_at IS NOT NULL FROM duties") == [("another", True, True)]


def test_a_duty_that_fails_gives_its_lease_back(database: Settings, sql: Sql) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        duties.duty("watch", fail)
    assert sql("SELECT lease_until, holder, last_error FROM duties") == [(None, None, "ValueError")]
    assert duties.duty("watch", lambda: None)


def test_a_daily_duty_that_two_were_rung_for_is_done_once(database: Settings, sql: Sql) -> None:
    retaining.keep()
    first = sql("SELECT last_ok_at FROM duties")
    retaining.keep()
    assert sql("SELECT last_ok_at FROM duties") == first


def test_beat_rings_for_every_duty_of_the_table() -> None:
    assert set(TASKS) == set(DUTIES)
    assert {name: one["schedule"] for name, one in app.conf.beat_schedule.items()} == {
        name: duty.every.total_seconds() for name, duty in DUTIES.items()
    }


def test_beat_rings_though_the_clock_was_set_back(tmp_path: Path) -> None:
    beat = Scheduler(app=app, schedule_filename=str(tmp_path / "beat"), lazy=True)
    beat.setup_schedule()
    try:
        for entry in beat.schedule.values():
            entry.last_run_at = entry.default_now() + timedelta(hours=2)
        assert beat.tick() <= min(duty.every for duty in DUTIES.values()).total_seconds()
    finally:
        beat.close()


@pytest.mark.parametrize("name", DUTIES)
def test_bounds_make_sense(name: str) -> None:
    duty = DUTIES[name]
    assert duty.late_after > duty.every + duty.lease
    assert duty.late_after > duty.rests + duty.every + duty.lease


NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "ok", "since", "rung", "late"),
    [
        ("sweep sending", timedelta(minutes=6), 99 * HOUR, 99 * HOUR, True),
        ("sweep sending", timedelta(minutes=4), 99 * HOUR, 99 * HOUR, False),
        ("sweep sending", None, timedelta(minutes=6), 99 * HOUR, True),
        ("sweep sending", None, timedelta(minutes=4), 99 * HOUR, False),
        ("sweep sending", 48 * HOUR, 99 * HOUR, timedelta(minutes=1), False),
        ("sweep sending", 48 * HOUR, 99 * HOUR, None, True),
        ("keep retention", 25 * HOUR, 99 * HOUR, 99 * HOUR, False),
        ("check surroundings", 31 * HOUR, 99 * HOUR, 99 * HOUR, True),
    ],
)
def test_when_a_duty_is_late(
    name: str, ok: timedelta | None, since: timedelta, rung: timedelta | None, late: bool
) -> None:
    ok_at, rung_since = (NOW - ok if ok else None), (NOW - rung if rung else None)
    assert is_late(name, now=NOW, ok_at=ok_at, since=NOW - since, rung_since=rung_since) is late


def test_a_duty_that_never_succeeded_is_told(database: Settings, sql: Sql) -> None:
    sql("UPDATE installation SET created_at = now() - interval '2 days'")
    with transaction() as tx:
        late = {one["name"]: duties.told(one) for one in duties.states(tx) if one["late"]}
    assert set(late) == set(DUTIES)
    assert "has never succeeded" in late["keep retention"]


def test_a_process_that_was_seen_and_is_silent_is_missed_and_one_that_ended_is_not(
    database: Settings, sql: Sql
) -> None:
    for name, queues in (("sending@a", ["sending"]), ("sending@b", ["sending"]), ("mail@a", ["mail"])):
        workers.seen(name, kind="worker", queues=queues)
    workers.seen("beat@a", kind="beat")
    sql("UPDATE workers SET last_seen_at = now() - interval '2 minutes' WHERE name <> 'sending@b'")
    with transaction() as tx:
        assert set(workers.missed(tx)) == {"mail", "beat"}
    workers.gone("mail@a")
    with transaction() as tx:
        assert set(workers.missed(tx)) == {"beat"}
    sql("UPDATE workers SET last_seen_at = now() - interval '2 days' WHERE name = 'beat@a'")
    workers.seen("sending@b", kind="worker", queues=["sending"])
    assert sql("SELECT name FROM workers ORDER BY name") == [("sending@a",), ("sending@b",)]


def test_a_process_that_was_away_began_anew_whatever_its_number(database: Settings, sql: Sql) -> None:
    """In a container every one is number 1 of the same host."""
    began = "SELECT started_at > now() - interval '1 minute' FROM workers"
    workers.seen("beat@a", kind="beat")
    sql("UPDATE workers SET started_at = now() - interval '1 day'")
    workers.seen("beat@a", kind="beat")
    assert sql(began) == [(False,)]
    sql("UPDATE workers SET last_seen_at = now() - interval '2 minutes'")
    workers.seen("beat@a", kind="beat")
    assert sql(began) == [(True,)]


def test_every_worker_notes_what_its_machine_has_seen(database: Settings, sql: Sql) -> None:
    """One that only sends, too: the sweep that does it besides may run elsewhere."""
    sql("UPDATE installation SET mark = mark + 4, marked_at = now()")
    (mark,) = sql("SELECT mark FROM installation")[0]
    heart = Heart("sending@a", "worker", ["sending"])
    heart.start()
    deadline = time.monotonic() + 10
    while epoch.seen().mark != mark:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    heart.stop()


def test_lines_about_a_batch_name_issue_batch_and_attempt_and_nothing_stays_bound(
    drain: Callable[..., int], sandbox: Sandbox, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    clear_contextvars()  # of what other tests have called as tasks
    issue, _ = scheduled(3, drain)
    drain()
    ((batch, attempt),) = sql("SELECT batch_id, id::text FROM attempts")
    (line,) = [one.getMessage() for one in caplog.records if "batch recorded" in one.getMessage()]
    for part in (f"'issue': {issue}", f"'batch': {batch}", f"'attempt': '{attempt}'"):
        assert part in line
    assert get_contextvars() == {}


@pytest.mark.parametrize("column", ["last_ok_at", "lease_until"])
def test_a_clock_set_back_does_not_lay_a_duty_to_rest(column: str, database: Settings, sql: Sql) -> None:
    duties.duty("sweep sending", lambda: None)
    sql("UPDATE duties SET last_ok_at = NULL")
    sql(f"UPDATE duties SET {column} = clock_timestamp() + interval '2 hours'")
    assert duties.duty("sweep sending", lambda: None)
    assert sql("SELECT last_ok_at <= clock_timestamp(), lease_until FROM duties") == [(True, None)]
