"""F13: each guard taken away in turn, and what it guards against provoked. The checker must notice, or all its green runs would
prove nothing."""

import gzip
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from service.lab.faults import events, points
from service.lab.faults.issues import Sending
from service.lab.faults.machine import wait_until
from service.lab.faults.run import Run
from service.tokens import Purpose, Signer

QUIET = {"enabled": False}


def _a_process_dies_with_the_answer(run: Run) -> None:
    run.script(events=QUIET)
    sending = run.send()
    sending.wait_for_share(0.1)
    run.hurt("after_202_before_commit", points.KILL)
    run.wait_for_hurt("after_202_before_commit")


def _bells_ring_again(run: Run) -> None:
    """The database's own trigger refuses such a move too; it is out of the way here."""
    run.script(events=QUIET)
    run.machine.sql("ALTER TABLE batches DISABLE TRIGGER moves")
    sending = run.send()
    sending.wait_for_share(0.2)
    for (batch,) in run.machine.sql("SELECT id FROM batches WHERE issue_id = %s AND state = 'accepted'", sending.issue):
        run.machine.ring(batch)
    time.sleep(3)


def _an_answer_is_lost(run: Run) -> None:
    run.script(events=QUIET, rules=[{"when": {"nth": 2}, "do": "drop-after-accept"}])
    run.send()
    time.sleep(5)


def _readers_leave(run: Run) -> None:
    run.script(events=QUIET)
    sending = run.send()
    wait_until(lambda: sending.count("sending"), run.machine.size.patience, "the first request", 0.02)
    signer = Signer(Purpose.LEAVE)
    rows = run.machine.sql(
        """SELECT lower(s.address), d.subscription_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
           WHERE d.issue_id = %s AND d.batch_id IS NOT NULL ORDER BY d.batch_id DESC, d.id LIMIT 12""",
        sending.issue,
    )

    def leave(address: str, subscription: int) -> None:
        if run.machine.leave(signer.sign(subscription)) == 200:
            sending.left[address] = sending.now()

    threads = [threading.Thread(target=leave, args=row) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _events_come_twice(run: Run) -> None:
    run.seed = events.KINDS.index("replayed")
    events.told_in_every_way(run)


def _a_reader_is_put_in_twice(run: Run) -> None:
    """As a freeze with a mistake would; the unique index of issue and address is out of the way."""
    run.script(events=QUIET)
    for (name,) in run.machine.sql(
        "SELECT indexname FROM pg_indexes WHERE tablename = 'deliveries' AND indexdef LIKE '%%UNIQUE%%' AND indexdef NOT LIKE '%%(id)'"
    ):
        run.machine.sql(f'ALTER TABLE deliveries DROP CONSTRAINT IF EXISTS "{name}"')
        run.machine.sql(f'DROP INDEX IF EXISTS "{name}"')
    sending = run.send()
    wait_until(lambda: sending.count("pending", "accepted"), run.machine.size.patience, "the freeze", 0.02)
    run.machine.sql(
        """INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, email_key, values, batch_id)
           SELECT d.issue_id, d.subscriber_id, d.subscription_id, d.email_key, d.values, (
               SELECT max(id) FROM batches WHERE issue_id = d.issue_id AND state = 'pending')
           FROM deliveries d WHERE d.issue_id = %s AND d.batch_id IS NOT NULL ORDER BY d.id LIMIT 3""",
        sending.issue,
    )


def _a_copy_is_planted(run: Run) -> None:
    """On the sandbox's disk, as if a request had been taken twice."""
    sending = _sent(run)
    with _disk(run) as disk:
        (seq,) = disk.execute(_LAST_OF, (f'%"i-{sending.issue}"%',)).fetchone()
        disk.execute(
            """INSERT INTO request (id, at, due, subject, recipients, generated)
               SELECT id || '-again', at, due, subject, recipients, 1 FROM request WHERE seq = ?""",
            (seq,),
        )
        disk.execute(
            "INSERT INTO body SELECT (SELECT max(seq) FROM request), gzipped FROM body WHERE request = ?", (seq,)
        )


def _a_miss_is_planted(run: Run) -> None:
    """On the sandbox's disk, as if a request had never come."""
    sending = _sent(run)
    with _disk(run) as disk:
        disk.execute(f"DELETE FROM body WHERE request = ({_LAST_OF})", (f'%"i-{sending.issue}"%',))


def _sent(run: Run) -> Sending:
    run.script(events=QUIET)
    sending = run.send()
    sending.wait_until_sent()
    return sending


@contextmanager
def _disk(run: Run) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(run.machine.home / "sandbox" / "sandbox.sqlite3", timeout=60)) as disk:
        disk.create_function("gunzip", 1, lambda packed: gzip.decompress(packed).decode())
        with disk:
            yield disk


_LAST_OF = "SELECT max(request) FROM body WHERE gunzip(gzipped) LIKE ?"

GUARDS: dict[str, tuple[Callable[[Run], None], str]] = {
    "R2": (_a_process_dies_with_the_answer, "I1"),
    "R3": (_bells_ring_again, "I1"),
    "R6": (_an_answer_is_lost, "I1"),
    "quiet-period": (_an_answer_is_lost, "I1"),
    "consent": (_readers_leave, "I3"),
    "dedupe": (_events_come_twice, "I8"),
    "unique-index": (_a_reader_is_put_in_twice, "I1"),
    "planted-copy": (_a_copy_is_planted, "I1"),
    "planted-miss": (_a_miss_is_planted, "I4"),
}
"""What is provoked, and the invariant that the checker must name."""
BY_HAND = ("unique-index", "planted-copy", "planted-miss")
"""What the provocation itself takes away, or puts in."""


def is_noticed(run: Run, guard: str) -> list[str]:
    """Provoke it. Returns what the checker found, of the invariant that is meant. Raises UnprovedError."""
    provoke, invariant = GUARDS[guard]
    provoke(run)
    for sending in run.issues:
        _end(sending)
    found = [words for sending in run.issues for words in sending.faults()]
    return [words for words in found if words.startswith(invariant)]


def _end(sending: Sending) -> None:
    """Until nothing goes on; a person decides nothing, since that could hide it."""
    wait_until(
        lambda: (
            not sending.count("pending", "claimed", "sending") or sending.show()["issue"]["state"] in ("held", "paused")
        ),
        sending.machine.size.patience,
        "the issue to come to rest",
        0.2,
    )
    time.sleep(1)
