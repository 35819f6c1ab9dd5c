"""Tracking: one task takes in whatever waits."""

from service import queue
from service.operations import sweeping, tracking
from tasks.app import app


@app.task(name=queue.INGEST_PAYLOADS)
def ingest_payloads() -> None:
    tracking.ingest()


@app.task(name=queue.SWEEP_TRACKING)
def sweep_tracking() -> None:
    sweeping.sweep_tracking()
