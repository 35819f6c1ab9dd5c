"""Duties that keep the installation in order: partitions, the ledgers' arithmetic, signs of life."""

from datetime import date, datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError

from service.db import transaction
from service.errors import BroadsheetError
from service.operations.duties import duty
from service.operations.reporting import check_ledger
from service.settings import current

log = structlog.get_logger(__name__)

DAYS_AHEAD = 7


def heartbeat(name: str) -> None:
    """A worker's sign of life."""
    duty(name, lambda: None)


def check_ledgers() -> None:
    """Compare the batches' counts with a count of rows, for every issue on its way or sent within two days."""
    duty("check ledgers", _check_ledgers)


def _check_ledgers() -> None:
    with transaction() as tx:
        recent = (
            tx.execute(
                "SELECT id FROM issues WHERE prepared_at IS NOT NULL AND (sent_at IS NULL OR sent_at > clock_timestamp() - interval '2 days')"
            )
            .scalars()
            .all()
        )
    faults: list[str] = []
    for issue_id in recent:
        with transaction() as tx:
            # A count over two tables must see one moment: batches change while an issue is being sent.
            tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            faults += check_ledger(tx, issue_id)
    for fault in faults:
        log.error("ledger does not add up", fault=fault)
    if faults:
        raise BroadsheetError(f"{len(faults)} ledgers do not add up")


def keep_partitions() -> None:
    """Make the payloads' partitions of the coming week, and drop those whose period has ended, whole."""
    duty("keep partitions", _keep_partitions)


def _keep_partitions() -> None:
    with transaction() as tx:
        today: date = tx.execute("SELECT current_date").scalar_one()
        present = set(
            tx.execute(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'payloads'::regclass"
            ).scalars()
        )
    steps = [_make_day(today + timedelta(days=n), present) for n in range(1, DAYS_AHEAD + 1)]
    oldest = today - timedelta(days=current().keep_payloads_days)
    steps += [_drop(name) for name in sorted(present) if name[9:].isdigit() and name < f"payloads_{oldest:%Y%m%d}"]
    with transaction() as tx:
        tx.execute("DELETE FROM payloads_default WHERE received_on < :oldest AND state = 'ingested'", oldest=oldest)
    if problems := [problem for problem in steps if problem]:
        raise BroadsheetError("; ".join(problems))


def _make_day(day: date, present: set[str]) -> str | None:
    """Each day on its own: one that cannot be made must not keep the others from it."""
    if (name := f"payloads_{day:%Y%m%d}") in present:
        return None
    try:
        with transaction() as tx:
            tx.execute("SET LOCAL lock_timeout = '5s'")
            tx.execute("SELECT make_payload_partition(:day)", day=day)
    except DBAPIError as error:
        return f"{name} could not be made: {type(error.orig).__name__}"
    return None


def _drop(name: str) -> str | None:
    """Old payloads go whole; but what was never taken in may hold somebody's leaving."""
    try:
        with transaction() as tx:
            tx.execute("SET LOCAL lock_timeout = '5s'")
            day = datetime.strptime(name, "payloads_%Y%m%d").date()  # noqa: DTZ007 - a day's name, no moment
            if waiting := tx.execute("SELECT drop_payload_partition(:day)", day=day).scalar_one():
                return f"{name} is kept: {waiting} payloads in it were never taken in"
    except DBAPIError as error:
        return f"{name} could not be dropped: {type(error.orig).__name__}"
    return None
