"""Tracking, one payload a task."""

from service import queue
from service.operations import sweeping, tracking
from tasks.app import app


@app.task(name=queue.INGEST_PAYLOAD)
def ingest_payload(payload_id: int) -> None:
    tracking.ingest_in_turn(payload_id)


@app.task(name=queue.SWEEP_TRACKING)
def sweep_tracking() -> None:
    sweeping.sweep_tracking()
