"""Looks at what the service itself says of its work: duties, retention, what stopped, what of SendGrid's events waits, and whether its
database was restored."""

from collections.abc import Iterator
from typing import Any

from service.db import transaction
from service.errors import BroadsheetError
from service.operations import epochs
from service.operations.diagnosing_findings import Finding, Surroundings, doubtful, faulty, fine
from service.operations.digesting import staged
from service.operations.duties import fault, states
from service.operations.epochs import Standing
from service.settings import current

RETENTION = "keep retention"


def duties(where: Surroundings) -> Iterator[Finding]:
    """Whether what recurs is late, by the one reckoning that pages, /readyz and /metrics have."""
    late = [one for one in _states() if one["late"] and one["name"] != RETENTION]
    for one in late:
        yield from faulty(_text(one), _remedy(where))
    if not late:
        yield from fine("none is late")


def retention(where: Surroundings) -> Iterator[Finding]:
    """Whether what is due is deleted."""
    (state,) = [one for one in _states() if one["name"] == RETENTION]
    if state["late"]:
        yield from faulty(
            f"nothing that is due has been deleted lately: {_text(state)}",
            f"{_remedy(where)} `broadsheet retention run --dry-run` counts what is due, and without --dry-run deletes it.",
        )
    else:
        yield from fine("what is due is deleted daily")


def _states() -> list[dict[str, Any]]:
    with transaction() as tx:
        return states(tx)


def _text(state: dict[str, Any]) -> str:
    """As a part of a sentence."""
    text = fault(state)
    return (text[:1].lower() + text[1:]).removesuffix(".")


def _remedy(where: Surroundings) -> str:
    return (
        f"Look whether the processes “beat”, “default” and “mail” run: if one does not, {where.start()}. "
        f"If they do, {where.log('default')} and that of “mail” say why a duty fails."
    )


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
            'Set a key that may send in SENDGRID_API_KEY and restart what runs here; then `broadsheet alarms ack ID --reason "…"` (`broadsheet alarms list` has its ID).',
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


def restored(where: Surroundings) -> Iterator[Finding]:
    """Whether the database is the newest that this machine has seen; where it is not, nothing of any issue is sent."""
    try:
        with transaction() as tx:
            found = epochs.compare(tx)
    except BroadsheetError as error:
        text, _, remedy = str(error).partition(": nothing is sent. ")
        yield from faulty(f"{text}: nothing is sent", remedy)
        return
    if found.standing is Standing.SAME:
        yield from fine("the database is the newest that this machine has seen")
    else:
        yield from faulty(found.fault.rstrip("."), found.remedy)
    if staged().exists():
        yield from faulty(
            "a restore was broken off before its digests had their place, and no digest of consent is made",
            "Stop every process of Broadsheet and run `broadsheet restore --finish`.",
        )


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
            f"Look whether the process “tracking” runs: if it does not, {where.start('tracking')}. If it does, {where.log('tracking')} says why they wait.",
        )
    if row.aside:
        yield from doubtful(f"{row.aside:,} payloads were set aside after five failures", "Run `broadsheet replay`.")
    if not (row.late or row.aside):
        yield from fine("all that came is taken in")
