"""Migrations beside a service that goes on working."""

import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, text

from service.migrations import runner

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'subscribers'::regclass"


def _until(is_so: Callable[[], Any]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_whoever_leaves_while_a_migration_waits_for_a_long_statement_waits_in_no_circle(scratch: Engine) -> None:
    runner.upgrade(scratch, "0030")
    errors: list[Exception] = []

    def within(work: Callable[[], None]) -> threading.Thread:
        def done() -> None:
            try:
                work()
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=done)
        thread.start()
        return thread

    with scratch.connect() as reading, scratch.connect() as leaving, scratch.connect() as looking:
        reading.execute(text("SELECT count(*) FROM subscribers"))
        migrating = within(lambda: runner.upgrade(scratch))

        def is_waiting() -> bool:
            looking.rollback()
            return bool(looking.execute(text(WAITING)).scalar_one())

        _until(is_waiting)
        leaving.execute(text("UPDATE subscriptions SET state = 'unsubscribed' WHERE id = 1"))
        left = within(lambda: leaving.execute(text("SELECT count(*) FROM subscribers")).close())
        time.sleep(0.5)
        reading.rollback()
        left.join(30)
        leaving.rollback()
        migrating.join(60)
    assert errors == []
    assert runner.is_current(scratch)
