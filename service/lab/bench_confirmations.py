"""How long a reader waits for the confirmation mail while a large issue is being sent: from the form's arrival to SendGrid's
202, by the database's clock. Signs up over real HTTP, one reader after another, until the issue is sent."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.errors import BroadsheetError
from service.lab import bench, readers
from service.lab.demo import SAMPLE, ask_sandbox
from service.operations import authoring, importing, mailing_report, reporting, scheduling
from service.settings import Settings

LATENCY = 150
"""Milliseconds that the sandbox takes to answer, about as SendGrid does: a stand-in that answers at once ends too soon."""
FEWEST = 20
LONGEST = 900.0
_UNDER_WAY = ("scheduled", "preparing", "sending")


def run(home: Path, number: int, per_second: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure with so many readers of the issue and so many sign-ups a second. Raises BroadsheetError when a sign-up is refused
    or a confirmation is not sent."""
    machine = bench.machine()
    with bench.fresh(home, SENDGRID_BATCH_SIZE=str(min(1000, max(20, number // 100)))) as chosen:
        newsletter = bench.a_newsletter()
        people = home / "readers.csv"
        readers.write(people, number)
        importing.import_subscribers(
            people, newsletter_id=newsletter, consent="Benchmark", tracking_consent="Benchmark"
        )
        issue, _ = authoring.create_issue(authoring.read_source(SAMPLE), newsletter_id=newsletter, actor="bench")
        form = bench.form(chosen)
        ask_sandbox(chosen, "/sandbox/script", {"latency_ms": LATENCY})
        say(f"{number:,} readers are there; the issue is being sent.")
        scheduling.schedule(issue, actor="bench")
        signed_up, during, seconds = _sign_up_meanwhile(chosen, form, issue, per_second)
        answered = _wait(signed_up)
        shown = reporting.show(issue)
    if len(answered.seconds) != signed_up:
        raise BroadsheetError(
            f"{signed_up} readers signed up; {len(answered.seconds)} confirmations were sent: {answered.mails}"
        )
    return {
        "readers": number,
        "signups": signed_up,
        "during_the_issue": during,
        "p50_s": round(bench.percentile(answered.seconds, 0.5), 3),
        "p95_s": round(bench.percentile(answered.seconds, 0.95), 3),
        "max_s": round(max(answered.seconds), 3),
        "issue_seconds": round(seconds, 1),
        "issue": shown["issue"]["state"],
        "machine": machine | {"load_after": bench.load_average()},
    }


def _sign_up_meanwhile(chosen: Settings, form: bench.Form, issue: int, per_second: float) -> tuple[int, int, float]:
    """How many signed up, how many of them before the issue was sent, and the seconds that it took."""
    started = time.monotonic()
    signed_up = during = 0
    took = 0.0
    while time.monotonic() - started < LONGEST:
        under_way = reporting.show(issue)["issue"]["state"] in _UNDER_WAY
        if not under_way:
            took = took or time.monotonic() - started
            if signed_up >= FEWEST:
                break
        status = bench.sign_up(chosen, form, signed_up)
        if status != 303:
            raise BroadsheetError(f"A sign-up was answered {status}.")
        signed_up += 1
        during += under_way
        time.sleep(max(0.0, started + signed_up / per_second - time.monotonic()))
    return signed_up, during, took or LONGEST


def _wait(signed_up: int) -> mailing_report.Answered:
    """Until all are answered, for a minute at most."""
    deadline = time.monotonic() + 60
    while True:
        answered = mailing_report.answered()
        if len(answered.seconds) == signed_up or time.monotonic() > deadline:
            return answered
        time.sleep(0.2)
