"""What the database can say in numbers, for /metrics: no address, no subject, nothing of a reader."""

from typing import Any

from service.db import Transaction, glance
from service.operations import duties, workers
from service.settings import current

Gauge = tuple[str, dict[str, str], float]
"""Name, labels, value."""

_BATCHES = """
    SELECT b.state, count(*) AS batches, coalesce(sum(b.size - b.excluded - b.failed), 0) AS deliveries
    FROM batches b JOIN issues i ON i.id = b.issue_id
    WHERE i.state IN ('preparing', 'sending', 'paused', 'held') AND b.state <> 'split' GROUP BY b.state
"""
_STATES = ("pending", "claimed", "sending", "accepted", "failed", "unknown")
_SINGLE = {
    "broadsheet_batches_unknown": "SELECT count(*) FROM batches WHERE state = 'unknown'",
    "broadsheet_payloads_pending": "SELECT count(*) FROM payloads WHERE state = 'pending'",
    "broadsheet_payloads_set_aside": "SELECT count(*) FROM payloads WHERE state = 'set-aside'",
    "broadsheet_oldest_payload_seconds": "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0) FROM payloads WHERE state = 'pending'",
    "broadsheet_alarms_open": "SELECT count(*) FROM alarms WHERE closed_at IS NULL",
    "broadsheet_halted": "SELECT count(*) FROM installation WHERE stopped_at IS NOT NULL",
}


def gauges() -> list[Gauge]:
    """All of it, read at once. Raises DBAPIError when the database does not answer in time."""
    with glance() as tx:
        found: list[Gauge] = [(name, {}, float(tx.execute(sql).scalar_one())) for name, sql in _SINGLE.items()]
        return [*found, *_sending(tx), *_clock(tx)]


def _sending(tx: Transaction) -> list[Gauge]:
    rows: dict[str, Any] = {row.state: row for row in tx.execute(_BATCHES)}
    found: list[Gauge] = []
    for state in _STATES:
        row = rows.get(state)
        found.append(("broadsheet_open_batches", {"state": state}, float(row.batches) if row else 0.0))
        found.append(("broadsheet_open_deliveries", {"state": state}, float(row.deliveries) if row else 0.0))
    present = tx.execute("SELECT state FROM breakers WHERE provider = :provider", provider=current().provider)
    breaker = present.scalar_one_or_none() or "closed"
    found += [
        ("broadsheet_breaker", {"state": state}, float(state == breaker)) for state in ("closed", "open", "refused")
    ]
    return found


def _clock(tx: Transaction) -> list[Gauge]:
    found: list[Gauge] = []
    for one in duties.states(tx):
        label = {"duty": one["name"]}
        found.append(("broadsheet_duty_late", label, float(one["late"])))
        if one["seconds_ago"] is not None:
            found.append(("broadsheet_duty_success_age_seconds", label, float(one["seconds_ago"])))
    for one in workers.listed(tx):
        found.append(("broadsheet_worker_seen_age_seconds", {"process": one["name"]}, one["seconds_ago"]))
    lacking = workers.without_worker(tx)
    found += [("broadsheet_queue_without_worker", {"queue": name}, 1.0) for name in lacking]
    return found
