"""The mails that a reader waits for have a queue and a worker of their own."""

from service import queue
from service.operations import upkeep
from tasks.app import app


@app.task(name=queue.HEARTBEAT_MAIL)
def heartbeat() -> None:
    upkeep.heartbeat("mail worker")
