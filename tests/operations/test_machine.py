"""Everything that can happen to an issue, in any order, against the real database: the sums always agree with the rows, what
the provider took is never doubted, and nobody gets two copies or one after leaving. Events come in by the real ingest."""

import tempfile
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service import queue
from service.db import transaction
from service.domain.outcomes import Answer, Verdict
from service.errors import Conflict, NotFound
from service.operations import (
    authoring,
    erasing,
    importing,
    leaving,
    preparing,
    reporting,
    scheduling,
    sending,
    suppressing,
    sweeping,
    tracking,
)
from service.operations.authoring import Source
from service.operations.sending import Claim
from service.settings import Settings, configure
from service.tokens import Purpose, Signer
from tests.builders import a_newsletter, people, readers
from tests.conftest import empty
from tests.forms import some

READERS = 12
# In German or English, for who has a last name or not: four variants, in batches of three.
TEXT = "# News\n\nEnglish{% if last_name %} for {{ last_name }}{% endif %}.\n"
GERMAN = "# Neues\n\nDeutsch{% if last_name %} für {{ last_name }}{% endif %}.\n"
REFUSALS = [
    Answer.READERS_REJECTED, Answer.UNNAMED_REJECTED, Answer.TOO_LARGE, Answer.SUBSTITUTIONS_REJECTED, Answer.THROTTLED,
    Answer.NOT_CONNECTED, Answer.UNAUTHORISED, Answer.REQUEST_REJECTED, Answer.UNKNOWN,
]  # fmt: skip


class Sending(RuleBasedStateMachine):
    """`copies` is what the provider took, by delivery; `claims` are workers between two steps, dead or alive."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: list[Claim] = []
        self.armed: list[Claim] = []
        self.posted: list[Claim] = []
        self.took: dict[Any, bool] = {}
        self.copies: dict[int, int] = {}
        self.gone: set[int] = set()

    @initialize(tracked=st.integers(0, READERS), kinds=st.lists(st.integers(0, 3), min_size=READERS, max_size=READERS))
    def begin(self, tracked: int, kinds: list[int]) -> None:
        empty()
        queue.use(lambda name, arguments: None)
        self.newsletter = newsletter = a_newsletter()
        everybody = people(READERS)
        self.subscriptions = readers(newsletter, everybody[:tracked], tracking="agreed") if tracked else []
        self.subscriptions += readers(newsletter, everybody[tracked:]) if tracked < READERS else []
        with transaction() as tx:
            for subscription, kind in zip(self.subscriptions, kinds, strict=True):
                tx.execute(
                    """UPDATE subscribers SET language = :language, last_name = :name
                       WHERE id = (SELECT subscriber_id FROM subscriptions WHERE id = :id)""",
                    language="de" if kind % 2 else "",
                    name="Lin" if kind > 1 else "",
                    id=subscription,
                )
        self.kinds = dict(zip(self.subscriptions, kinds, strict=True))
        german = Source(GERMAN, Path("/nonexistent"))
        source = Source(TEXT, Path("/nonexistent"), versions={"de": german})
        self.issue, _ = authoring.create_issue(source, newsletter_id=newsletter, actor="test")
        scheduling.schedule(self.issue, actor="test")
        assert preparing.prepare(self.issue)

    def pending(self) -> list[int]:
        with transaction() as tx:
            return list(tx.execute("SELECT id FROM batches WHERE state = 'pending' ORDER BY id").scalars())

    @rule(which=st.integers(0, 9))
    def claim(self, which: int) -> None:
        if batches := self.pending():
            claim = sending._claim(batches[which % len(batches)])
            if claim is not None:
                assert not self.gone & {reader.subscription_id for reader in claim.readers}, (
                    "nobody who has left is claimed"
                )
                for reader in claim.readers:
                    kind = self.kinds[reader.subscription_id]
                    assert ("Deutsch" in claim.content.text) == bool(kind % 2), "everybody gets their own variant"
                    assert (len(claim.content.tags) > 2) == (kind > 1)
                self.claims.append(claim)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 9))
    def arm(self, which: int) -> None:
        claim = self.claims.pop(which % len(self.claims))
        if sending._arm(claim, b""):
            self.armed.append(claim)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 9))
    def find_the_request_too_large(self, which: int) -> None:
        claim = self.claims.pop(which % len(self.claims))
        sending._finish(claim, Verdict(Answer.TOO_LARGE, reason="too large"), armed=False)

    def take(self, claim: Claim) -> None:
        self.took[claim.attempt_id] = True
        self.posted.append(claim)
        for one in claim.readers:
            self.copies[one.delivery_id] = self.copies.get(one.delivery_id, 0) + 1

    @precondition(lambda self: self.armed)
    @rule(
        which=st.integers(0, 9),
        taken=st.booleans(),
        dies=st.booleans(),
        refusal=st.sampled_from(REFUSALS),
        reader=st.integers(0, 9),
    )
    def post(self, which: int, taken: bool, dies: bool, refusal: Answer, reader: int) -> None:
        claim = self.armed.pop(which % len(self.armed))
        if taken:
            self.take(claim)
        else:
            self.took[claim.attempt_id] = False
        if dies:
            return
        answer = refusal if not taken else (Answer.UNKNOWN if refusal is Answer.UNKNOWN else Answer.ACCEPTED)
        named = frozenset({reader % len(claim.readers)}) if answer is Answer.READERS_REJECTED else frozenset()
        sending._finish(claim, Verdict(answer, reason=f"said {answer}", readers=named), armed=True)

    @rule()
    def time_passes(self) -> None:
        """Leases end and waits are over; workers that wake up now are too late."""
        with transaction() as tx:
            tx.execute(
                "UPDATE attempts SET lease_until = clock_timestamp() - interval '1 second' WHERE state IN ('claimed', 'sending')"
            )
            tx.execute("UPDATE batches SET not_before = NULL, rung_at = NULL WHERE state = 'pending'")
        sweeping.sweep_sending()

    @rule(which=st.integers(0, READERS - 1))
    def change_what_is_known(self, which: int) -> None:
        """After the freeze, which decides the variant."""
        with transaction() as tx:
            tx.execute(
                """UPDATE subscribers SET language = CASE language WHEN 'de' THEN '' ELSE 'de' END, last_name = 'Other'
                   WHERE id = (SELECT subscriber_id FROM subscriptions WHERE id = :id)""",
                id=self.subscriptions[which],
            )

    @rule(which=st.integers(0, READERS - 1))
    def leave(self, which: int) -> None:
        leaving.leave(Signer(Purpose.LEAVE).sign(self.subscriptions[which]), method="page")
        self.gone.add(self.subscriptions[which])

    @rule(which=st.integers(0, READERS - 1))
    def be_suppressed(self, which: int) -> None:
        suppressing.suppress_addresses([people(READERS)[which]], reason="test", actor="test")
        self.gone.add(self.subscriptions[which])

    @rule(which=st.integers(0, READERS - 1))
    def be_erased(self, which: int) -> None:
        with suppress(NotFound):  # whom an act before this one has erased
            erasing.erase_address(people(READERS)[which], reason="test", actor="test")
        self.gone.add(self.subscriptions[which])

    @rule(first=st.integers(0, READERS - 1), new=st.integers(0, 9))
    def be_imported(self, first: int, new: int) -> None:
        """Readers of the issue, whatever they have done since, and somebody new, who is not among its candidates."""
        addresses = [*people(READERS)[first:], f"new{new}@readers.example"]
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write("\n".join(["email", *addresses]))
            file.flush()
            importing.import_subscribers(Path(file.name), newsletter_id=self.newsletter, consent="at the fair")
        with transaction() as tx:
            back = tx.execute(
                "SELECT id FROM subscriptions WHERE state = 'active' AND id = ANY(:gone) AND NOT EXISTS (SELECT 1 FROM suppressions p JOIN subscribers s ON s.email_key = p.email_key WHERE s.id = subscriber_id)",
                gone=list(self.gone),
            ).all()
        assert back == [], "nobody who left, was suppressed or erased comes back by an import"

    @rule(which=st.integers(0, READERS - 1))
    def withdraw_tracking(self, which: int) -> None:
        with transaction() as tx:
            tx.execute("UPDATE subscriptions SET tracking = 'objected' WHERE id = :id", id=self.subscriptions[which])

    @rule(
        what=st.sampled_from([scheduling.pause, scheduling.resume, scheduling.resume, scheduling.cancel]),
        really=st.integers(0, 3),
    )
    def decide(self, what: Any, really: int) -> None:
        if what is scheduling.cancel and really:
            return
        with suppress(Conflict):
            what(self.issue, actor="test")

    def tell(self, claim: Claim, position: int, kind: str) -> None:
        """What SendGrid would post about one copy, taken in as it would be."""
        event = {
            "event": kind,
            "timestamp": int(time.time()),
            "bs_delivery": str(claim.readers[position % len(claim.readers)].delivery_id),
            "bs_attempt": str(claim.attempt_id),
        }
        with transaction() as tx:
            tx.execute(
                "INSERT INTO payloads (body, events) VALUES (:body, 1)", body=zlib.compress(orjson.dumps([event]))
            )
        tracking.ingest()

    @precondition(lambda self: any(self.took.values()))
    @rule(which=st.integers(0, 9), position=st.integers(0, 9), kind=st.sampled_from(["processed", "delivered", "open"]))
    def an_event_comes_in(self, which: int, position: int, kind: str) -> None:
        """At any time after the provider took it: before our own record too, and after any decision."""
        true = [claim for claim in self.posted if self.took[claim.attempt_id]]
        self.tell(true[which % len(true)], position, kind)

    @precondition(lambda self: self.armed)
    @rule(which=st.integers(0, 9), position=st.integers(0, 9))
    def the_provider_takes_it_and_tells_before_it_answers(self, which: int, position: int) -> None:
        """The answer is lost: the events are all we shall ever learn."""
        claim = self.armed.pop(which % len(self.armed))
        self.take(claim)
        self.tell(claim, position, "processed")
        sending._finish(claim, Verdict(Answer.UNKNOWN, reason="no answer"), armed=True)

    @rule(which=st.integers(0, 9))
    def a_person_decides_rightly(self, which: int) -> None:
        with transaction() as tx:
            unknown = tx.execute(
                "SELECT b.id, a.id AS attempt FROM batches b JOIN attempts a ON a.batch_id = b.id AND a.number = b.attempts WHERE b.state = 'unknown' ORDER BY b.id"
            ).all()
        if unknown:
            batch = unknown[which % len(unknown)]
            sent = self.took.get(batch.attempt, False)
            if any(claim.attempt_id == batch.attempt for claim in self.armed):
                return  # its worker may yet wake up: this is why the quiet period exists
            scheduling.resolve(batch.id, sent=sent, reason="looked it up", actor="test")

    @invariant()
    def the_sums_agree_with_the_rows(self) -> None:
        if not hasattr(self, "issue"):
            return
        with transaction() as tx:
            assert reporting.check_ledger(tx, self.issue) == []
            ledger = reporting.ledger(tx, self.issue)
            proved = tx.execute(
                "SELECT count(*) FROM batches b JOIN attempts a ON a.batch_id = b.id WHERE b.state = 'unknown' AND a.evidence_at IS NOT NULL"
            ).scalar_one()
            doubted = (
                tx.execute(
                    "SELECT d.id FROM deliveries d JOIN batches b ON b.id = d.batch_id WHERE b.state = 'accepted' AND d.excluded IS NULL AND d.failed IS NULL"
                )
                .scalars()
                .all()
            )
        assert (
            ledger["candidates"]
            == READERS
            == (
                ledger["accepted"]
                + sum(ledger["excluded"].values())
                + sum(ledger["failed"].values())
                + ledger["pending"]
                + ledger["unknown"]
            )
        )
        assert proved == 0, "what an event has proved is not unknown"
        assert all(n == 1 for n in self.copies.values()), "nobody gets two copies"
        assert all(self.copies.get(delivery) == 1 for delivery in doubted), "accepted means that the provider took it"

    def teardown(self) -> None:
        """Bring it to its end: everything is accounted for, and every copy is in the books."""
        if not hasattr(self, "issue"):
            return
        self.claims.clear()
        self.armed.clear()
        for _ in range(60):
            self.time_passes()
            with transaction() as tx:
                state = tx.execute("SELECT state FROM issues").scalar_one()
            if state == "paused":
                scheduling.resume(self.issue, actor="test")
            self.a_person_decides_rightly(0)
            self.claim(0)
            if self.claims:
                self.arm(0)
            if self.armed:
                self.post(0, taken=True, dies=False, refusal=Answer.THROTTLED, reader=0)
            with transaction() as tx:
                ledger = reporting.ledger(tx, self.issue)
            if ledger["closed"]:
                break
        self.the_sums_agree_with_the_rows()
        assert ledger["closed"]
        assert len(self.copies) == ledger["accepted"]


@pytest.mark.timeout(300)
def test_any_order_of_anything_keeps_the_books_right_and_nobody_gets_two(database: Settings) -> None:
    configure(
        Settings(**{**{name: getattr(database, name) for name in database.__dataclass_fields__}, "batch_size": 3})
    )
    try:
        run_state_machine_as_test(
            Sending,
            settings=settings(
                max_examples=some(25),
                stateful_step_count=30,
                phases=[Phase.generate],
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        configure(database)
