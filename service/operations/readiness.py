"""Whether the installation can do its work, as somebody outside must learn it: the alarms are rung by beat and done by a worker, so
neither can tell of its own end."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import DBAPIError

from service.db import Transaction, glance
from service.migrations import runner
from service.operations import duties, watching, workers

OLDEST_PAYLOAD = timedelta(minutes=10)
"""A payload is taken in within seconds; one that waits for so long is stuck."""

Found = Callable[[str, bool, str], None]


def look(found: Found) -> None:
    """Look at everything that the database knows, and tell each finding as it is made: `database`, `migrations`, `workers`, `beat`,
    `watch`, `webhook`. What cannot be looked at is told as not well."""
    try:
        with glance() as tx:
            tx.execute("SELECT 1")
            found("database", True, "it answers")
            for name, check in _CHECKS.items():
                try:
                    found(name, *check(tx))
                except DBAPIError as error:
                    found(name, False, f"the database refused to tell: {type(error.orig).__name__}")
    except DBAPIError as error:
        found("database", False, f"it does not answer: {type(error.orig).__name__}")


def _migrations(tx: Transaction) -> tuple[bool, str]:
    current = runner.is_at_head(tx.connection)
    return current, "current" if current else "the database is of another version: run `broadsheet migrate`"


def _workers(tx: Transaction) -> tuple[bool, str]:
    if lacking := workers.without_worker(tx):
        return False, f"no live worker for: {', '.join(lacking)}"
    return True, "every queue has a live worker"


def _beat(tx: Transaction) -> tuple[bool, str]:
    alive = any(one["alive"] for one in workers.listed(tx) if one["kind"] == "beat")
    return alive, "it was seen within a minute" if alive else "no beat was seen within a minute: nothing is rung for"


def _watch(tx: Transaction) -> tuple[bool, str]:
    (watch,) = [one for one in duties.states(tx) if one["name"] == "watch"]
    if watch["late"]:
        return False, f"{duties.told(watch)} Until then nobody is told of alarms."
    return True, "alarms are looked for"


def _webhook(tx: Transaction) -> tuple[bool, str]:
    waiting: float | None = tx.execute(
        "SELECT extract(epoch FROM clock_timestamp() - min(received_at))::float FROM payloads WHERE state = 'pending'"
    ).scalar_one()
    if waiting is not None and waiting > OLDEST_PAYLOAD.total_seconds():
        return False, f"an event of SendGrid's has waited for {waiting:,.0f} seconds to be taken in"
    if tx.execute(watching.SILENT).one_or_none():
        return False, "mail was sent more than an hour ago, and no event has come since"
    return True, "what came was taken in, and nothing is missing"


_CHECKS: dict[str, Callable[[Transaction], tuple[bool, str]]] = {
    "migrations": _migrations,
    "workers": _workers,
    "beat": _beat,
    "watch": _watch,
    "webhook": _webhook,
}
NAMES = ("database", *_CHECKS)
