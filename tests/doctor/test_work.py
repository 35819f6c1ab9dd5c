"""Workers, duties, and what the service itself says of its work."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from service import queue, running
from service.db import transaction
from service.domain.duties import DUTIES
from service.operations import duties
from service.operations.diagnosing import Surroundings
from service.operations.duties import duty
from service.settings import ROOT, Settings
from tests.doctor.looking import is_well, looked, told

Sql = Callable[..., list[Any]]


@contextmanager
def _working_on(chosen: Settings, *queues: str) -> Iterator[None]:
    """A Celery worker on these queues, as the Procfile starts it."""
    log = (chosen.home / "worker.log").open("wb")
    command = ["-m", "celery", "--app", "tasks", "worker", "--queues", ",".join(queues), "--concurrency", "1"]
    quiet = ["--hostname", f"{queues[0]}@%h", "--without-gossip", "--without-mingle"]
    worker = subprocess.Popen(
        [sys.executable, *command, *quiet], cwd=ROOT, env=running.environment_of(chosen), stdout=log, stderr=log
    )
    try:
        deadline = time.monotonic() + 60
        while not queue.attended(chosen, 0.5)[queues[0]]:
            assert worker.poll() is None, (chosen.home / "worker.log").read_text()
            assert time.monotonic() < deadline
        yield
    finally:
        worker.terminate()
        worker.wait(30)
        log.close()


def test_no_worker_is_there(database: Settings) -> None:
    found = looked("workers", Surroundings(database))
    for name in queue.QUEUES:
        told(found, "fault", f"nobody works on the queue “{name}”", f"process “{name}”")


def test_nobody_works_on_sending(database: Settings) -> None:
    with redis.Redis.from_url(database.redis_url) as client:
        client.lpush(queue.key_of("sending"), "a task")
        before = sorted(client.scan_iter())
        try:
            with _working_on(database, "mail", "tracking", "default"):
                found = looked("workers", Surroundings(database))
                assert len(found) == 1
                told(
                    found,
                    "fault",
                    "“sending”, where 1 task waits",
                    "If the process “sending” does not run, start `broadsheet up`",
                )
        finally:
            client.delete(queue.key_of("sending"))
        assert [one for one in client.scan_iter() if b"reply" in one and one not in before] == [], (
            "no answer is left lying"
        )


def test_every_queue_is_worked_on(database: Settings) -> None:
    with _working_on(database, *queue.QUEUES):
        is_well(looked("workers", Surroundings(database)))


def _all_ran(sql: Sql, **ago: timedelta) -> None:
    """Every duty succeeded just now, or so long ago."""
    for name in DUTIES:
        sql(
            "INSERT INTO duties (name, last_ok_at) VALUES (%s, now() - %s)",
            name,
            ago.get(name.replace(" ", "_"), timedelta(0)),
        )


def test_all_duties_are_well(database: Settings, sql: Sql) -> None:
    is_well(looked("duties", Surroundings(database)))
    sql("UPDATE installation SET created_at = now() - interval '1 year'")
    _all_ran(sql)
    is_well(looked("duties", Surroundings(database)))
    is_well(looked("retention", Surroundings(database)))


def test_a_sweep_is_stale(database: Settings, sql: Sql) -> None:
    _all_ran(sql, sweep_sending=timedelta(minutes=25))
    found = looked("duties", Surroundings(database))
    told(found, "fault", "“sweep sending” has not succeeded for 25 minutes", "“beat”")
    assert len(found) == 1


def test_a_duty_never_ran(database: Settings, sql: Sql) -> None:
    _all_ran(sql)
    sql("DELETE FROM duties WHERE name = 'check ledgers'")
    found = looked("duties", Surroundings(database))
    is_well(found)
    assert found[0].text == "none is late", "not that all have succeeded: one never did"
    sql("UPDATE installation SET created_at = now() - interval '3 hours'")
    told(looked("duties", Surroundings(database)), "fault", "“check ledgers” has never succeeded", "log/default.log")


def test_what_is_late_is_told_as_pages_and_monitors_are_told(database: Settings, sql: Sql) -> None:
    _all_ran(sql, sweep_mail=timedelta(hours=1), keep_retention=timedelta(hours=31), count_issues=timedelta(minutes=14))
    with transaction() as tx:
        late = [duties.fault(one) for one in duties.states(tx) if one["late"]]
    found = [*looked("duties", Surroundings(database)), *looked("retention", Surroundings(database))]
    assert [one.level for one in found] == ["fault", "fault"]
    assert all(any(text.rstrip(".")[1:] in one.text for one in found) for text in late)
    # After a night without beat nothing is late until it has been rung for.
    sql(
        "INSERT INTO workers (name, kind, queues, pid, host, version, started_at, last_seen_at) VALUES ('b', 'beat', '{}', 1, 'h', '1', now(), now())"
    )
    is_well(looked("retention", Surroundings(database)))


def test_remedies_name_what_runs_the_processes(database: Settings, sql: Sql) -> None:
    own = replace(database, embedded=False)
    sql("UPDATE installation SET created_at = now() - interval '1 year'")
    for name, there in (("workers", "sending"), ("duties", "default")):
        for way in (
            f"systemctl start broadsheet{'@sending' if name == 'workers' else '.target'}",
            "docker compose up -d",
        ):
            told(looked(name, Surroundings(own)), "fault", "", way)
        told(looked(name, Surroundings(own)), "fault", "", f"journalctl -u broadsheet@{there}")
        told(looked(name, Surroundings(own)), "fault", "", "`broadsheet up`")
        assert not any("systemctl" in one.remedy for one in looked(name, Surroundings(database)))


def test_a_restored_database_waits_for_a_decision(database: Settings, sql: Sql) -> None:
    is_well(looked("restored", Surroundings(database)))
    before = sql("SELECT mark FROM installation")[0][0]
    sql("UPDATE installation SET mark = 0")
    told(
        looked("restored", Surroundings(database)), "fault", "was restored: it is as it was", "broadsheet epoch accept"
    )
    sql(
        "UPDATE installation SET mark = %s, restored_at = now(), restored_because = 'from the backup of Sunday'", before
    )
    told(looked("restored", Surroundings(database)), "fault", "from the backup of Sunday", "broadsheet epoch accept")
    sql("UPDATE installation SET restored_at = NULL, epoch = 'another'")
    told(looked("restored", Surroundings(database)), "fault", "another database", "broadsheet epoch join")
    content = database.epoch_file.read_text()
    database.epoch_file.write_text("{")
    try:
        told(looked("restored", Surroundings(database)), "fault", "cannot be read", "broadsheet epoch accept")
    finally:
        database.epoch_file.write_text(content)


def test_a_restore_that_was_broken_off_is_told(database: Settings) -> None:
    folder = database.home / "digests" / ".restoring"
    folder.mkdir(parents=True)
    told(looked("restored", Surroundings(database)), "fault", "broken off", "broadsheet restore --finish")


def test_a_duty_fails(database: Settings, sql: Sql) -> None:
    _all_ran(sql, watch=timedelta(hours=3))

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        duty("watch", fail)
    told(looked("duties", Surroundings(database)), "fault", "3 hours. It failed with ZeroDivisionError", "log/")


def test_retention_does_not_run(database: Settings, sql: Sql) -> None:
    _all_ran(sql, keep_retention=timedelta(days=2, hours=2))
    told(looked("retention", Surroundings(database)), "fault", "not succeeded for 2 days", "broadsheet retention run")
    sql("DELETE FROM duties WHERE name = 'keep retention'")
    is_well(looked("retention", Surroundings(database)))
    sql("UPDATE installation SET created_at = now() - interval '9 days'")
    told(looked("retention", Surroundings(database)), "fault", "has never succeeded", "broadsheet retention run")


def test_sending_is_stopped(database: Settings, sql: Sql) -> None:
    is_well(looked("sending", Surroundings(database)))
    sql("UPDATE installation SET stopped_at = now(), stopped_because = 'x'")
    told(looked("sending", Surroundings(database)), "warning", "stopped all sending", "broadsheet unhalt")


@pytest.mark.parametrize(
    ("state", "level", "text", "remedy"),
    [("refused", "fault", "refused the key", "alarms ack"), ("open", "warning", "rests for a while", "by itself")],
)
def test_a_breaker_is_open(database: Settings, sql: Sql, state: str, level: str, text: str, remedy: str) -> None:
    sql("INSERT INTO breakers (provider, state) VALUES (%s, %s)", database.provider, state)
    told(looked("sending", Surroundings(database)), level, text, remedy)


def test_an_alarm_waits(database: Settings, sql: Sql) -> None:
    sql("INSERT INTO alarms (kind, subject, told, figures) VALUES ('late', 'x', 'x', '{}')")
    told(looked("sending", Surroundings(database)), "warning", "1 alarm waits", "alarms list")


def test_events_are_not_taken_in(database: Settings, sql: Sql) -> None:
    is_well(looked("events", Surroundings(database)))
    sql(
        "INSERT INTO payloads (body, state, received_at) VALUES ('[]', 'pending', now() - interval '20 minutes'), ('[]', 'set-aside', now())"
    )
    found = looked("events", Surroundings(database))
    told(found, "fault", "1 payloads of events wait", "“tracking”")
    told(found, "warning", "set aside", "broadsheet replay")
