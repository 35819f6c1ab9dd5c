"""Does what recurs: one turn at a time, by a lease on the database's clock, with when it last succeeded written down; and says how all
of it stands."""

import os
import socket
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from service.db import Transaction, transaction
from service.domain.duties import DUTIES, OTHER, SEEN_WITHIN, is_late

log = structlog.get_logger(__name__)

# One statement decides: of two that ask at once, the second waits for the first's row, and sees its lease. What lies ahead of the
# clock was written before the clock was set back, and binds nobody: a duty would rest for hours otherwise, and look punctual.
_TAKE = """
    INSERT INTO duties (name, lease_until, holder, started_at)
    VALUES (:name, clock_timestamp() + CAST(:lease AS interval), :holder, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET lease_until = clock_timestamp() + CAST(:lease AS interval), holder = :holder, started_at = clock_timestamp()
    WHERE (duties.lease_until IS NULL OR duties.lease_until <= clock_timestamp()
        OR duties.lease_until > clock_timestamp() + CAST(:lease AS interval))
      AND (duties.last_ok_at IS NULL OR duties.last_ok_at <= clock_timestamp() - CAST(:rests AS interval)
        OR duties.last_ok_at > clock_timestamp())
    RETURNING name
"""
# Whoever outlived their lease says how it went all the same, but leaves the lease to whoever has it now.
_GIVE_BACK = "lease_until = CASE WHEN holder = :holder THEN NULL ELSE lease_until END, holder = nullif(holder, :holder)"
_DONE = f"UPDATE duties SET last_ok_at = clock_timestamp(), last_error = NULL, {_GIVE_BACK} WHERE name = :name"
_FAILED = f"UPDATE duties SET last_error = :error, last_error_at = clock_timestamp(), {_GIVE_BACK} WHERE name = :name"
_STATES = """
    SELECT d.name, d.last_ok_at, d.last_error, d.holder, d.created_at, d.started_at FROM duties d ORDER BY d.name
"""
_SINCE = """
    SELECT clock_timestamp() AS now, i.created_at,
        (SELECT min(started_at) FROM workers WHERE kind = 'beat' AND last_seen_at > clock_timestamp() - CAST(:within AS interval)) AS rung_since
    FROM installation i
"""


def duty(name: str, work: Callable[[], None]) -> bool:
    """Do the work, unless somebody else is at it or it may rest; write down that it succeeded, or why not. The failure goes on to the
    caller. Whether it was done."""
    bounds = DUTIES.get(name, OTHER)
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    with transaction() as tx:
        taken = tx.execute(_TAKE, name=name, lease=bounds.lease, rests=bounds.rests, holder=holder).one_or_none()
    if taken is None:
        return False
    with bound_contextvars(duty=name):
        try:
            work()
        except BaseException as error:
            log.error("duty failed", error=type(error).__name__)
            with transaction() as tx:
                tx.execute(_FAILED, name=name, holder=holder, error=type(error).__name__)
            raise
        with transaction() as tx:
            tx.execute(_DONE, name=name, holder=holder)
    return True


def states(tx: Transaction) -> list[dict[str, Any]]:
    """Every duty: `name`, `seconds_ago` of its last success (None: never), `last_error`, `late`, and for how long it has been late or
    will be allowed to take, in seconds (`late_after`)."""
    since = tx.execute(_SINCE, within=SEEN_WITHIN).one()
    rows = {row.name: row for row in tx.execute(_STATES)}
    found = []
    for name in sorted({*DUTIES, *rows}):
        row = rows.get(name)
        ok_at: datetime | None = row.last_ok_at if row else None
        began = min(since.created_at, row.created_at) if row else since.created_at
        found.append(
            {
                "name": name,
                "seconds_ago": None if ok_at is None else int((since.now - ok_at).total_seconds()),
                "last_error": row.last_error if row else None,
                "late": is_late(name, now=since.now, ok_at=ok_at, since=began, rung_since=since.rung_since),
                "late_after": int(DUTIES.get(name, OTHER).late_after.total_seconds()),
            }
        )
    return found


def fault(state: dict[str, Any]) -> str:
    """A sentence about a duty that is late."""
    ago = state["seconds_ago"]
    how_long = "has never succeeded" if ago is None else f"has not succeeded for {_long(timedelta(seconds=ago))}"
    why = f" It failed with {state['last_error']}." if state["last_error"] else ""
    return f"The duty “{state['name']}” {how_long}.{why}"


def told(state: dict[str, Any]) -> str:
    """The same, and what to do."""
    return f"{fault(state)} Look whether beat and a worker of its queue are running."


def _long(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    return (
        f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours" if minutes < 2880 else f"{time.days} days"
    )
