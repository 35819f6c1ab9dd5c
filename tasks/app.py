"""The Celery application that workers and beat run: wired with the environment's settings when a process starts."""

from typing import Any

from celery import signals

from service import db, queue, settings, wiring
from service.errors import BroadsheetError

app = queue.make_celery(settings.load())
app.conf.imports = ("tasks.sending", "tasks.tracking", "tasks.mail", "tasks.duties")
app.conf.beat_schedule = {
    "sweep sending": {"task": queue.SWEEP_SENDING, "schedule": 5.0},
    "sweep tracking": {"task": queue.SWEEP_TRACKING, "schedule": 15.0},
    "sweep mail": {"task": queue.SWEEP_MAIL, "schedule": 5.0},
    "check ledgers": {"task": queue.CHECK_LEDGERS, "schedule": 300.0},
    "keep partitions": {"task": queue.KEEP_PARTITIONS, "schedule": 3600.0},
    # These look when they last did their work: a machine that starts anew every day does it all the same.
    "make digest": {"task": queue.MAKE_DIGEST, "schedule": 300.0},
    "keep retention": {"task": queue.KEEP_RETENTION, "schedule": 300.0},
    "count issues": {"task": queue.COUNT_ISSUES, "schedule": 15.0},
    "check surroundings": {"task": queue.CHECK_SURROUNDINGS, "schedule": 900.0},
    "watch": {"task": queue.WATCH, "schedule": 15.0},
    # Asks once at most: five times a minute, where SendGrid allows six.
    "look up unknown": {"task": queue.LOOK_UP_UNKNOWN, "schedule": 12.0},
    "sweep team mails": {"task": queue.SWEEP_TEAM_MAIL, "schedule": 10.0},
    "mail heartbeat": {"task": queue.HEARTBEAT_MAIL, "schedule": 60.0},
}


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
    except BroadsheetError as error:
        # Celery goes on after an exception in a signal; only leaving keeps this worker from working.
        raise SystemExit(str(error)) from None


@signals.worker_process_init.connect
def _after_fork(**_: Any) -> None:
    db.after_fork()
