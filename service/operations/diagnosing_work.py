"""Looks at what the service itself says of its work: duties, retention, what stopped, what of SendGrid's events waits."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from service.db import transaction
from service.domain.duties import DUTIES
from service.operations.diagnosing_findings import Finding, Surroundings, doubtful, faulty, fine
from service.settings import current

RETENTION = "keep retention"
_RETENTION_DAYS = timedelta(days=2)
_WHAT = "Look whether the Procfile's processes “beat”, “default” and “mail” run; log/default.log and log/mail.log say why a duty fails."


def duties(where: Surroundings) -> Iterator[Finding]:
    """Whether what recurs has succeeded lately."""
    late = list(_late(_read()))
    for text in late:
        yield from faulty(text, _WHAT)
    if not late:
        yield from fine("all have succeeded lately")


def retention(where: Surroundings) -> Iterator[Finding]:
    """Whether what is due is deleted."""
    read = _read()
    age = _age(read, RETENTION)
    if age > _RETENTION_DAYS:
        yield from faulty(
            f"nothing that is due has been deleted for {age.days} days",
            f"{_WHAT} `broadsheet retention run --dry-run` counts what is due, and without --dry-run deletes it.",
        )
    else:
        yield from fine("what is due is deleted daily")


def _late(read: dict[str, Any]) -> Iterator[str]:
    for name, duty in DUTIES.items():
        age = _age(read, name)
        if name == RETENTION or age <= duty.late_after:
            continue
        last = read["duties"].get(name)
        error = f" (it failed: {last['last_error']})" if last and last["last_error"] else ""
        ever = last is not None and last["last_ok_at"] is not None
        yield f"the duty “{name}” {f'has not succeeded for {_span(age)}' if ever else 'has never succeeded'}{error}"


def _read() -> dict[str, Any]:
    """The duties by name, when the installation was made, and what the time is for all of it."""
    with transaction() as tx:
        now: datetime = tx.execute("SELECT clock_timestamp()").scalar_one()
        since: datetime = tx.execute("SELECT created_at FROM installation").scalar_one()
        rows = tx.execute("SELECT name, last_ok_at, last_error FROM duties").mappings()
        return {"now": now, "since": since, "duties": {row["name"]: dict(row) for row in rows}}


def _age(read: dict[str, Any], name: str) -> timedelta:
    """Since it succeeded; since the installation was made, where it never did."""
    last = read["duties"].get(name, {}).get("last_ok_at")
    age: timedelta = read["now"] - (last or read["since"])
    return age


def _span(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours" if minutes < 2880 else f"{age.days} days"


def sending(where: Surroundings) -> Iterator[Finding]:
    """Whether something keeps mail from leaving: the switch that stops all, a refused key, what an alarm was opened for."""
    with transaction() as tx:
        stopped = tx.execute("SELECT stopped_at FROM installation").scalar_one()
        breaker = tx.execute(
            "SELECT state FROM breakers WHERE provider = :one", one=current().provider
        ).scalar_one_or_none()
        open_alarms = tx.execute(
            "SELECT count(*) FROM alarms WHERE closed_at IS NULL AND acknowledged_at IS NULL"
        ).scalar_one()
    if stopped:
        yield from doubtful(
            f"somebody stopped all sending at {stopped:%Y-%m-%d %H:%M} UTC", "Take it back with `broadsheet unhalt`."
        )
    if breaker == "refused":
        yield from faulty(
            "SendGrid refused the key, and sending waits for a person",
            "Set a key that may send in SENDGRID_API_KEY and start the service again; then `broadsheet alarms ack`.",
        )
    elif breaker == "open":
        yield from doubtful(
            "requests to SendGrid failed, and the key rests for a while", "Wait: it is tried again by itself."
        )
    if open_alarms:
        yield from doubtful(
            f"{open_alarms:,} {'alarm waits' if open_alarms == 1 else 'alarms wait'} for somebody",
            "See `broadsheet alarms list`.",
        )
    if not (stopped or open_alarms or breaker in ("open", "refused")):
        yield from fine("nothing keeps mail from leaving")


def events(where: Surroundings) -> Iterator[Finding]:
    """Whether what SendGrid told us has been taken in."""
    with transaction() as tx:
        row = tx.execute(
            """SELECT count(*) FILTER (WHERE state = 'pending' AND received_at < clock_timestamp() - interval '10 minutes') AS late,
                   count(*) FILTER (WHERE state = 'set-aside') AS aside FROM payloads WHERE state IN ('pending', 'set-aside')"""
        ).one()
    if row.late:
        yield from faulty(
            f"{row.late:,} payloads of events wait for more than ten minutes, and who left may be among them",
            "Look whether the Procfile's process “tracking” runs, and into log/tracking.log.",
        )
    if row.aside:
        yield from doubtful(f"{row.aside:,} payloads were set aside after five failures", "Run `broadsheet replay`.")
    if not (row.late or row.aside):
        yield from fine("all that came is taken in")
