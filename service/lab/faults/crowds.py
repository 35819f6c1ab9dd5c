"""F9: two clocks, several workers, buttons pressed twice, a pause and a resume at once, a cancelling and an edit in the middle.
F10: readers leave, are imported and erased while the issue goes out."""

import csv
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from service.errors import BroadsheetError, Conflict, Invalid
from service.lab.faults import issues
from service.lab.faults.issues import Sending
from service.lab.faults.run import ACTOR, Run, patiently
from service.operations import editing, erasing, importing, scheduling, suppressing
from service.tokens import Purpose, Signer

KINDS = ("two-beats", "three-workers", "pressed-twice", "resumed-while-paused", "cancelled", "edited")


def pulled_about(run: Run) -> None:
    """F9: the kinds go round with the seed."""
    kind = KINDS[run.seed % len(KINDS)]
    run.notes["kind"] = kind
    run.killed(0)
    run.script()
    act = {
        "two-beats": _two_beats, "three-workers": _three_workers, "pressed-twice": _pressed_twice,
        "resumed-while-paused": _resumed_while_paused, "cancelled": _cancelled, "edited": _edited,
    }[kind]  # fmt: skip
    act(run)


def _two_beats(run: Run) -> None:
    with run.machine.another_process("beat", "--schedule", str(run.machine.home / "second-beat")):
        run.send().wait_until_done()


def _three_workers(run: Run) -> None:
    worker = ("worker", "--queues", "sending,default", "--concurrency", "2", "--without-gossip", "--without-mingle")
    with (
        run.machine.another_process(*worker, "--hostname", "second@%h"),
        run.machine.another_process(*worker, "--hostname", "third@%h"),
    ):
        sending = run.send()
        run.somewhere(sending)
        for (batch,) in run.machine.sql("SELECT id FROM batches WHERE issue_id = %s ORDER BY id", sending.issue):
            run.machine.ring(batch)
        sending.wait_until_done()


def _pressed_twice(run: Run) -> None:
    """Eight people press Send at once, some while it goes out already."""
    sending = run.send()
    _together([lambda: scheduling.schedule(sending.issue, actor=ACTOR)] * 8)
    run.somewhere(sending)
    _together([lambda: scheduling.schedule(sending.issue, actor=ACTOR)] * 4)


def _resumed_while_paused(run: Run) -> None:
    sending = run.send()
    run.somewhere(sending, 0.3)
    for _ in range(6):
        acts: list[Callable[[], Any]] = [
            lambda: scheduling.pause(sending.issue, actor=ACTOR),
            lambda: scheduling.resume(sending.issue, actor=ACTOR),
        ]
        _together(acts * 2)
        time.sleep(run.rng.uniform(0, 0.3))


def _cancelled(run: Run) -> None:
    """Whoever had it has it; nobody else gets it, and each of the others is recorded as such."""
    sending = run.send()
    run.somewhere(sending)
    scheduling.cancel(sending.issue, actor=ACTOR)
    moment = sending.now()
    sending.checks.append(
        lambda books: [
            f"I6: {copy.address} got a copy that was claimed after the cancelling"
            for copy in books.copies
            if books.attempts[copy.attempt].claimed_at > moment
        ]
    )


def _edited(run: Run) -> None:
    """What is under way cannot be changed any more; everybody gets the same."""
    sending = run.send()
    run.somewhere(sending)
    before = run.machine.sql("SELECT content_hash FROM issues WHERE id = %s", sending.issue)
    with suppress(BroadsheetError, Invalid):
        editing.save(sending.issue, "# Another letter\n\nof other words.\n", base=1, actor=ACTOR)
    after = run.machine.sql("SELECT content_hash FROM issues WHERE id = %s", sending.issue)
    sending.checks.append(lambda _: [] if before == after else ["I9: the content changed under way"])


def _together(acts: Sequence[Callable[[], Any]]) -> None:
    """All at once; whoever comes too late is told so."""

    def one(act: Callable[[], Any]) -> None:
        with suppress(Conflict):
            act()

    threads = [threading.Thread(target=one, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stormed(run: Run) -> None:
    """F10: on a newsletter of its own, since few of its readers stay."""
    machine = run.machine
    run.script()
    slug = f"storm-{run.seed}-{time.time_ns() % 10**9}"
    newsletter = issues.a_newsletter(machine, slug, machine.size.readers)
    sending = run.send(newsletter)
    run.somewhere(sending, 0.1)
    rows = machine.sql(
        """SELECT lower(s.address), d.subscription_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
           WHERE d.issue_id = %s AND d.batch_id IS NOT NULL ORDER BY d.batch_id DESC, d.id""",
        sending.issue,
    )
    run.killed(0)
    chosen = run.rng.sample(rows, len(rows) // 3)
    third = len(chosen) // 3
    told = _Told(sending)
    signer = Signer(Purpose.LEAVE)
    threads = [
        threading.Thread(
            target=told.each, args=(chosen[:third], lambda one: machine.leave(signer.sign(one[1])) == 200)
        ),
        threading.Thread(target=told.each, args=(chosen[third : 2 * third], _suppress)),
        threading.Thread(target=told.each, args=(chosen[2 * third :][:10], _erase)),
        threading.Thread(target=_import, args=(run, newsletter, [address for address, _ in chosen], slug)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.notes |= {"left": len(sending.left)}
    sending.erased = told.erased


def leave_in_turn(sending: Sending, rows: Sequence[tuple[str, int]]) -> None:
    """A third of the readers leave, a third are suppressed, a third erased."""
    told, signer, third = _Told(sending), Signer(Purpose.LEAVE), len(rows) // 3
    told.each(rows[:third], lambda one: sending.machine.leave(signer.sign(one[1])) == 200)
    told.each(rows[third : 2 * third], _suppress)
    told.each(rows[2 * third :], _erase)
    sending.erased = told.erased


class _Told:
    """When each was told, by the database's clock, that it is done."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self.erased: set[str] = set()

    def each(self, rows: Sequence[tuple[str, int]], act: Callable[[tuple[str, int]], bool]) -> None:
        with self._sending.machine.connect() as connection:
            for row in rows:
                with suppress(OSError, DBAPIError, psycopg.OperationalError):
                    if act(row):
                        ((now,),) = connection.execute("SELECT clock_timestamp()").fetchall()
                        self._sending.left[row[0]] = now
                        if act is _erase:
                            self.erased.add(row[0])


def _suppress(row: tuple[str, int]) -> bool:
    suppressing.suppress_addresses([row[0]], reason="asked by letter", actor=ACTOR)
    return True


def _erase(row: tuple[str, int]) -> bool:
    erasing.erase_address(row[0], reason="asked by letter", actor=ACTOR)
    return True


def _import(run: Run, newsletter: int, addresses: Sequence[str], slug: str) -> None:
    """An import of the very people who are leaving, and of new ones, brings nobody back and adds nobody to what goes out."""
    file = run.machine.home / f"{slug}-again.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["email"])
        writer.writerows([address] for address in [*addresses, *(f"new-{slug}-{n}@readers.example" for n in range(50))])
    patiently(
        lambda: importing.import_subscribers(file, newsletter_id=newsletter, consent="signed up at the reception")
    )
