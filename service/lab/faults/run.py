"""One run: one issue on a machine that one fault hurts, watched until all is accounted for, and compared with the sandbox."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError

from service.errors import Conflict, NotFound
from service.lab import bench
from service.lab.faults import points
from service.lab.faults.issues import Sending
from service.lab.faults.machine import Machine, wait_until
from service.operations import alarms, scheduling

T = TypeVar("T")
QUIET_EVENTS = {"bounce": 0, "blocked": 0, "deferred": 0, "complaint": 0, "open": 0, "machine_open": 0, "click": 0}
ACTOR = "fault"


class UnprovedError(AssertionError):
    """The run did not come to what it was for, so that it proves nothing."""


@dataclass
class Run:
    """`seed` decides everything that is drawn; `pace` what every wait is multiplied by."""

    machine: Machine
    newsletter: int
    seed: int
    form: bench.Form
    kills: int = 0
    hurt_at: float | None = None
    issues: list[Sending] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 - repeatable, not secret
        self.pace = self.machine.size.pace or 1.0

    def script(self, **words: Any) -> None:
        """The sandbox's behaviour: well, unless told otherwise; with events or without, as the seed has it."""
        events = {"enabled": self.rng.random() < 0.5, "delay_ms": 150, **QUIET_EVENTS, **words.pop("events", {})}
        self.machine.script(events=events, **words)

    def send(self, newsletter: int | None = None, *, at: datetime | None = None) -> Sending:
        """Send an issue to all readers of the newsletter, at once or later."""
        self.issues.append(Sending(self.machine, newsletter or self.newsletter, at=at))
        return self.issues[-1]

    def number(self) -> int:
        """Of a reader who has not signed up before."""
        return time.time_ns() // 1_000_000 % 10**10

    def somewhere(self, sending: Sending, latest: float = 0.6) -> None:
        """Wait until a share of the issue is accepted that the seed draws."""
        sending.wait_for_share(self.rng.uniform(0, latest))

    def hurt(self, point: str, do: str) -> None:
        """Arm a point."""
        self.hurt_at = self.hurt_at or time.monotonic()
        points.arm(self.machine.points, point, do)

    def wait_for_hurt(self, point: str) -> None:
        """Until a process came by and was killed or stopped."""
        found = points.taken(self.machine.points, point)
        try:
            wait_until(found.exists, self.machine.size.patience, f"a process to come by {point}", 0.02)
        finally:
            points.disarm(self.machine.points, point)
        self.kills += 1

    def killed(self, number: int = 1) -> None:
        self.hurt_at = self.hurt_at or time.monotonic()
        self.kills += number


@dataclass
class Outcome:
    """What came of a run, in the words of the report; `faults` is empty when every promise was kept."""

    seconds: float
    recovered: float
    kills: int
    candidates: int
    accepted: int
    in_review: int
    decided_sent: int
    decided_not_sent: int
    resumed: int
    faults: list[str]
    notes: dict[str, Any]

    def counted(self) -> dict[str, int]:
        """Broken promises by what they mean."""
        kinds = Counter(_KINDS.get(one.split(":")[0], "other") for one in self.faults)
        return {kind: kinds[kind] for kind in ("doubled", "missed", "after_leaving", "other")}


_KINDS = {"I1": "doubled", "I2": "missed", "I3": "after_leaving"}


def patiently(act: Callable[[], T], seconds: float = 60) -> T:
    """Try again while the database is away, as a person does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (DBAPIError, psycopg.OperationalError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def settle(run: Run, started: float) -> Outcome:
    """Do what a person would do until every issue of the run is over, and hold every promise before and after."""
    found: list[str] = []
    totals: Counter[str] = Counter()
    recovered = 0.0
    for sending in run.issues:
        totals["resumed"] += _wait_until_only_a_person_can_go_on(sending)
        recovered = time.monotonic() - (run.hurt_at or started)
        found += patiently(sending.faults)
        totals["in_review"] += patiently(sending.show)["ledger"]["unknown"]
        sent, not_sent = patiently(sending.decide)
        totals["sent"] += sent
        totals["not_sent"] += not_sent
        totals["resumed"] += _wait_until_over(sending)
        found += patiently(sending.faults)
        ledger = patiently(sending.show)["ledger"]
        if not ledger["closed"]:
            found.append(f"I2: the ledger does not close: {ledger}")
        totals["candidates"] += ledger["candidates"]
        totals["accepted"] += ledger["accepted"]
    return Outcome(
        seconds=round(time.monotonic() - started, 1), recovered=round(recovered, 1), kills=run.kills,
        candidates=totals["candidates"], accepted=totals["accepted"], in_review=totals["in_review"],
        decided_sent=totals["sent"], decided_not_sent=totals["not_sent"], resumed=totals["resumed"],
        faults=list(dict.fromkeys(found)), notes=run.notes,
    )  # fmt: skip


def _wait_until_only_a_person_can_go_on(sending: Sending) -> int:
    """Resumes what was held for its figures or in an outage, as often as need be. Returns how often."""
    return _wait(sending, lambda found: found["ledger"]["unknown"] > 0)


def _wait_until_over(sending: Sending) -> int:
    return _wait(sending, lambda _: False)


def _wait(sending: Sending, enough: Callable[[dict[str, Any]], bool]) -> int:
    machine, resumed = sending.machine, 0
    deadline = time.monotonic() + machine.size.patience
    while time.monotonic() < deadline:
        found = patiently(sending.show)
        state, ledger = found["issue"]["state"], found["ledger"]
        over = state in ("sent", "cancelled") and not sending.count("claimed", "sending", "pending")
        if over and (state == "sent" or not ledger["unknown"] or enough(found)):
            return resumed
        if ledger["candidates"] and not ledger["pending"] and enough(found):
            return resumed
        if state in ("paused", "held"):
            with suppress(Conflict):
                patiently(lambda: _see_to(sending))
                resumed += 1
        time.sleep(0.1)
    raise UnprovedError(
        f"issue {sending.issue} was not over after {machine.size.patience:.0f} s: {found['issue']}, {ledger}"
    )


def _see_to(sending: Sending) -> None:
    """What a person does with an issue that was held: acknowledge what is open, and go on."""
    for one in alarms.listed(actor=ACTOR):
        if one["acknowledged_at"] is None:
            with suppress(NotFound):  # closed by itself meanwhile
                alarms.acknowledge(one["id"], reason="the fault is over", actor=ACTOR)
    scheduling.resume(sending.issue, actor=ACTOR)
