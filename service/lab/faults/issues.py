"""Issues on a machine under fault: sent as a team sends them, watched until only a person can go on, decided as a person
who knows what the sandbox has, and checked."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from service import queue
from service.errors import Conflict
from service.lab import readers as lab_readers
from service.lab.faults import checking
from service.lab.faults.machine import Machine, wait_until
from service.operations import authoring, importing, newsletter_making, reporting, scheduling, suppressing
from service.operations.authoring import Source

LETTER = '# Letter {title}\n\nDear {{{{ first_name | default: "reader" }}}},\n\nread [our guide](https://www.example.com/guide).\n'


def a_newsletter(machine: Machine, slug: str, number: int) -> int:
    """A newsletter with so many imported readers: some agree to tracking, some do not, a few are suppressed."""
    newsletter = newsletter_making.create_newsletter(
        slug,
        name=slug.capitalize(),
        sender_address="letter@harbour-lane.example",
        postal_address="3 Grain Quay, Northmere",
        actor="test",
    )
    people = machine.home / f"{slug}.csv"
    lab_readers.write(people, number)
    importing.import_subscribers(
        people, newsletter_id=newsletter, consent="signed up at the reception", tracking_consent="ticked the second box"
    )
    addresses = [row["email"] for row in lab_readers.synthetic(number)]
    suppressing.suppress_addresses(addresses[7::200], reason="asked by letter", actor="test")
    return newsletter


class TooLateError(AssertionError):
    """The issue was over before it was hurt: that proves nothing, and accuses nobody."""


class Sending:
    """One issue on its way."""

    def __init__(self, machine: Machine, newsletter: int, *, at: datetime | None = None) -> None:
        self.machine = machine
        title = f"of {time.time_ns()}"
        source = Source(LETTER.format(title=title), Path("/nonexistent"))
        self.meant = {
            address
            for (address,) in machine.sql(
                """SELECT lower(s.address) FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
                   WHERE n.newsletter_id = %s AND n.state = 'active'""",
                newsletter,
            )
        }
        self.issue, _ = authoring.create_issue(source, newsletter_id=newsletter, actor="test")
        self.left: dict[str, datetime] = {}
        self.erased: set[str] = set()
        self.checks: list[Callable[[checking.Books], Iterable[str]]] = []
        """What else must hold, each in words that begin as the checker's do."""
        scheduling.schedule(self.issue, at=at, actor="test")

    def count(self, *states: str) -> int:
        """Batches in any of the states."""
        ((number,),) = self.machine.sql(
            "SELECT count(*) FROM batches WHERE issue_id = %s AND state = ANY(%s)", self.issue, list(states)
        )
        return int(number)

    def wait_for_share(self, share: float) -> None:
        """Wait until so much of the issue is accepted, and something is left to be done. Raises TooLateError."""
        wait_until(lambda: self._is_accepted(share), self.machine.size.patience, f"{share:.0%} accepted", 0.02)
        if not self.count("pending", "claimed", "sending"):
            raise TooLateError("the fault came too late to be in the middle")

    def _is_accepted(self, share: float) -> bool:
        """Of the batches that there are: fewer readers, who have left in runs before, have fewer."""
        ((accepted, all_),) = self.machine.sql(
            "SELECT count(*) FILTER (WHERE state = 'accepted'), count(*) FROM batches WHERE issue_id = %s", self.issue
        )
        return bool(all_) and int(accepted) >= share * int(all_)

    def hurry(self, dead_before: datetime | None = None) -> None:
        """Age what a fault left behind, unless the size has patience: bells that nobody will answer, and the leases of who
        had claimed, or was at a duty, `dead_before` this moment of the database's clock."""
        if not self.machine.size.hurry:
            return
        self.machine.sql(
            """UPDATE attempts SET lease_until = clock_timestamp() - interval '1 second'
               WHERE issue_id = %s AND state IN ('claimed', 'sending') AND claimed_at < %s""",
            self.issue,
            dead_before,
        )
        self.machine.sql(
            "UPDATE duties SET lease_until = clock_timestamp() WHERE lease_until > clock_timestamp() AND started_at < %s",
            dead_before,
        )
        self.machine.sql(
            "UPDATE batches SET rung_at = rung_at - interval '61 seconds' WHERE issue_id = %s AND state = 'pending'",
            self.issue,
        )
        queue.publish(queue.SWEEP_SENDING)

    def now(self) -> datetime:
        """By the database's clock, as all that is compared with its moments."""
        ((moment,),) = self.machine.sql("SELECT clock_timestamp()")
        assert isinstance(moment, datetime)
        return moment

    def show(self) -> dict[str, Any]:
        return reporting.show(self.issue)

    def wait_until_settled(self) -> dict[str, Any]:
        """Wait until nothing goes on by itself: all is accounted for, or unknown."""

        def settled() -> bool:
            found = self.show()
            return bool(found["issue"]["state"] == "sent") or (
                found["ledger"]["candidates"] > 0 and found["ledger"]["pending"] == 0 and found["ledger"]["unknown"] > 0
            )

        wait_until(settled, self.machine.size.patience, "the issue to be settled", 0.2)
        return self.show()

    def wait_until_done(self) -> None:
        """Wait until no request is to be made or under way."""

        def done() -> bool:
            found = self.show()
            return found["ledger"]["candidates"] > 0 and not self.count("pending", "claimed", "sending")

        wait_until(done, self.machine.size.patience, "the last request", 0.1)

    def wait_until_settled_or_held(self) -> None:
        """Wait until nothing goes on by itself, for whatever reason."""

        def rests() -> bool:
            found = self.show()
            state, ledger = found["issue"]["state"], found["ledger"]
            return state in ("sent", "held", "paused") or (ledger["candidates"] > 0 and ledger["pending"] == 0)

        wait_until(rests, self.machine.size.patience, "the issue to come to rest", 0.1)

    def wait_until_sent(self) -> dict[str, Any]:
        wait_until(
            lambda: self.show()["issue"]["state"] == "sent", self.machine.size.patience, "the ledger to close", 0.2
        )
        found = self.show()
        assert found["ledger"]["closed"]
        return found

    def books(self) -> checking.Books:
        with self.machine.connect() as connection:
            return checking.read(connection, self.machine.home / "sandbox", self.issue)

    def faults(self) -> list[str]:
        """The checker's findings; also what the product's own count of rows says."""
        books = self.books()
        erased = {name for name in books.fates if name.startswith(checking.ERASED)} | (self.erased & books.fates.keys())
        found = checking.faults(books, (self.meant - self.erased) | erased, self.left)
        found += [words for check in self.checks for words in check(books)]
        return found + reporting.ledger_faults(self.issue)

    def listed(self) -> dict[int, Mapping[str, Any]]:
        """The unknown batches as `issue show` lists them for a person."""
        shown = self.machine.command("issue", "show", self.issue, "--json")
        return {batch["batch"]: batch for batch in shown["unknown_batches"]}

    def decide(self) -> tuple[int, int]:
        """Settle what is unknown, as a person who has looked into the sandbox. Returns how many were sent, and were not, of those
        that nothing else had settled by then."""
        taken = {copy.attempt for copy in self.books().copies}
        decisions = [(one["batch"], one["attempt"] in taken) for one in self.show()["unknown_batches"]]
        made = []
        for batch, sent in decisions:
            with suppress(Conflict):  # an event settled it meanwhile
                scheduling.resolve(batch, sent=sent, reason="looked it up at the sandbox", actor="test")
                made.append(sent)
        return sum(made), len(made) - sum(made)
