"""Sending, one batch a task."""

from service import queue
from service.operations import preparing, seeding, sending, sweeping
from tasks.app import app


@app.task(name=queue.PREPARE_ISSUE)
def prepare_issue(issue_id: int) -> None:
    preparing.prepare(issue_id)


@app.task(name=queue.SEND_BATCH)
def send_batch(batch_id: int) -> None:
    sending.send_batch(batch_id)


@app.task(name=queue.SEND_SEEDS)
def send_seeds(issue_id: int) -> None:
    seeding.send(issue_id)


@app.task(name=queue.SWEEP_SENDING)
def sweep_sending() -> None:
    sweeping.sweep_sending()
