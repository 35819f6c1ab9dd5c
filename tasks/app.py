"""The Celery application that workers and beat run: wired with the environment's settings when a process starts."""

import atexit
import gc
import socket
import time
from typing import Any

from celery import signals
from celery.beat import PersistentScheduler
from structlog.contextvars import bind_contextvars, clear_contextvars

from service import db, queue, settings, wiring
from service.domain.duties import DUTIES
from service.errors import BroadsheetError
from service.operations import epochs
from tasks.heart import Heart

app = queue.make_celery(settings.load())
app.conf.imports = ("tasks.sending", "tasks.tracking", "tasks.mail", "tasks.duties")
TASKS = {
    "sweep sending": queue.SWEEP_SENDING,
    "sweep tracking": queue.SWEEP_TRACKING,
    "sweep mail": queue.SWEEP_MAIL,
    "check ledgers": queue.CHECK_LEDGERS,
    "keep partitions": queue.KEEP_PARTITIONS,
    "make digest": queue.MAKE_DIGEST,
    "keep retention": queue.KEEP_RETENTION,
    "count issues": queue.COUNT_ISSUES,
    "check surroundings": queue.CHECK_SURROUNDINGS,
    "watch": queue.WATCH,
    "sweep team mails": queue.SWEEP_TEAM_MAIL,
    "mail worker": queue.HEARTBEAT_MAIL,
    "look up unknown": queue.LOOK_UP_UNKNOWN,
}
"""Duty → the task that does it."""
app.conf.beat_schedule = {
    name: {"task": TASKS[name], "schedule": duty.every.total_seconds()} for name, duty in DUTIES.items()
}
app.conf.beat_scheduler = "tasks.app:Scheduler"


@signals.setup_logging.connect
def _wire(**_: Any) -> None:
    """Wire the process here: the signal comes first, and answering it keeps Celery from installing log handlers of its own,
    which know nothing of masking."""
    wiring.wire(settings.load())


@signals.worker_init.connect
def _check(**_: Any) -> None:
    wiring.wire(settings.load())  # this signal comes before the one above
    try:
        db.check_server()
        wiring.check_installation()
        epochs.refuse_unless_same()
    except BroadsheetError as error:
        # Celery goes on after an exception in a signal; only leaving keeps this worker from working.
        raise SystemExit(str(error)) from None


class Scheduler(PersistentScheduler):
    """Beat's clock, which knows when it last ticked: a beat that hangs must not seem alive. One that was set back rings all the same."""

    ticked_at = time.monotonic()

    def tick(self, *arguments: Any, **words: Any) -> Any:
        Scheduler.ticked_at = time.monotonic()
        self._forget_the_future()
        return super().tick(*arguments, **words)

    def _forget_the_future(self) -> None:
        """What was rung at a time that is still to come was rung before the clock was set back: it would not be rung until then."""
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at and entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None

    @classmethod
    def is_ticking(cls) -> bool:
        return time.monotonic() - cls.ticked_at < 30


_hearts: list[Heart] = []


@signals.worker_ready.connect
def _worker_lives(sender: Any, **_: Any) -> None:
    """In the parent alone, after its children were made."""
    if not _hearts:
        _hearts.append(Heart(sender.hostname, "worker", list(sender.app.amqp.queues.consume_from)))
        _hearts[0].start()


@signals.worker_shutting_down.connect
def _worker_ends(**_: Any) -> None:
    while _hearts:
        _hearts.pop().stop()


@signals.beat_init.connect
def _beat_lives(**_: Any) -> None:
    heart = Heart(f"beat@{socket.gethostname()}", "beat", is_well=Scheduler.is_ticking)
    heart.start()
    atexit.register(heart.stop)


@signals.task_prerun.connect
def _name_task(task: Any, task_id: str, **_: Any) -> None:
    bind_contextvars(task=task.name, task_id=task_id)  # what the one before bound, it has forgotten


@signals.task_postrun.connect
def _forget_task(**_: Any) -> None:
    clear_contextvars()


@signals.worker_process_init.connect
def _after_fork(**_: Any) -> None:
    db.after_fork()
    gc.freeze()  # what was loaded before the fork stays: to look it through for garbage takes time, and memory that was shared
