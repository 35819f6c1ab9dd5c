"""Recurring duties."""

from service import queue
from service.operations import checking, counting, digesting, looking_up, retaining, upkeep, uploading, watching
from tasks.app import app


@app.task(name=queue.CHECK_LEDGERS)
def check_ledgers() -> None:
    upkeep.check_ledgers()


@app.task(name=queue.KEEP_PARTITIONS)
def keep_partitions() -> None:
    upkeep.keep_partitions()


@app.task(name=queue.MAKE_DIGEST)
def make_digest() -> None:
    digesting.make_digest()


@app.task(name=queue.KEEP_RETENTION)
def keep_retention() -> None:
    retaining.keep()


@app.task(name=queue.COUNT_ISSUES)
def count_issues() -> None:
    counting.count_issues()


@app.task(name=queue.CHECK_SURROUNDINGS)
def check_surroundings() -> None:
    checking.look_daily()


@app.task(name=queue.WATCH)
def watch() -> None:
    watching.watch()


@app.task(name=queue.LOOK_UP_UNKNOWN)
def look_up_unknown() -> None:
    looking_up.look_up()


# An import of a million rows takes minutes; its lease is renewed meanwhile.
@app.task(name=queue.LOOK_AT_UPLOAD, soft_time_limit=3500, time_limit=3600)
def look_at_upload(upload_id: int) -> None:
    uploading.work(upload_id)
