"""F12: a backup of yesterday is put back, of a database in which an issue waited or was on its way."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service import db
from service.lab.faults import issues
from service.lab.faults.crowds import leave_in_turn
from service.lab.faults.issues import Sending
from service.lab.faults.run import Run, UnprovedError, patiently

SWEEPS = 12
"""How many of them the restored installation is watched for: each could send what must not be sent."""


def put_back(run: Run) -> None:
    """The issue of the backup went out since, and some readers left or were erased. Nothing is sent by itself from what is put back;
    when a person says so, a new issue reaches everybody but them. Even seeds: the backup is made in the middle of the issue,
    odd ones: while it waits for its time."""
    machine = run.machine
    run.script(latency_ms=1000)
    newsletter = issues.a_newsletter(machine, f"restored-{run.seed}-{time.time_ns() % 10**9}", machine.size.readers)
    waits = bool(run.seed % 2)
    sending = run.send(newsletter, at=datetime.now(UTC) + timedelta(seconds=8) if waits else None)
    if not waits:
        sending.wait_for_share(0.1)
    backup = machine.command("backup", machine.home.parent, "--no-trial", "--json")["file"]
    sending.wait_until_sent()
    rows = machine.sql(
        """SELECT lower(s.address), d.subscription_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
           WHERE d.issue_id = %s AND d.batch_id IS NOT NULL ORDER BY d.id""",
        sending.issue,
    )
    leave_in_turn(sending, run.rng.sample(rows, 12))
    found = sending.faults()  # of the issue as it was: the database that knows of it goes now
    run.issues.remove(sending)
    taken = len(sending.books().copies)
    run.killed(machine.kill_everything())
    _restore(run, Path(backup))
    time.sleep(SWEEPS * 5 * run.pace)
    found += _nothing_was_sent(run, sending, taken)
    machine.command("epoch", "accept", "--reason", "the fault suite's backup")
    time.sleep(SWEEPS * 5 * run.pace)
    found += _nothing_was_sent(run, sending, taken)
    after = run.send(newsletter)
    after.left, after.erased = sending.left, sending.erased
    after.checks.append(lambda _: found)
    run.notes |= {"backup": "of a waiting issue" if waits else "in the middle", "left": len(sending.left)}


def _restore(run: Run, backup: Path) -> None:
    machine = run.machine
    db.engine().dispose()  # this process is wired to it, too, and a stock server outlives the product
    machine.command("restore", backup, "--replace", "--json")
    machine.command("restore", "--drop-old")
    machine.start()
    machine.script()


def _nothing_was_sent(run: Run, sending: Sending, taken: int) -> list[str]:
    ((state,),) = patiently(lambda: run.machine.sql("SELECT state FROM issues WHERE id = %s", sending.issue))
    if state == "sent":
        raise UnprovedError("the backup was made when the issue was over")
    more = len(sending.books().copies) - taken
    return [
        *([f"I1: {more} copies were sent from the restored database"] if more else []),
        *([f"I1: the issue is {state} in the restored database"] if state != "held" else []),
    ]
