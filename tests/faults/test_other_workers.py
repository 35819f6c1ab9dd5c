"""A worker that is not of the issue's account sends nothing and says so; and, as controls, a worker that lacks one guard is
found out by the checker, else the checker would prove nothing."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from service.running import environment_of
from service.settings import ROOT
from tests.faults import issues
from tests.faults.issues import Sending
from tests.faults.machine import Machine, wait_until
from tests.faults.sizes import chosen
from tests.faults.test_leaving_in_the_middle import leave_from_threads

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]

FEW = 400


@pytest.fixture(scope="module")
def small_newsletter(one_machine: Machine) -> int:
    one_machine.wire()
    return issues.a_newsletter(one_machine, "small", FEW)


def test_a_worker_of_another_account_refuses_and_says_so(machine: Machine, small_newsletter: int) -> None:
    other = {
        "SENDGRID_API_KEY": "SG.another.account",
        "SENDGRID_URL": f"http://127.0.0.1:{machine.settings.sandbox_port}",
        "SENDGRID_WEBHOOK_KEYS": machine.settings.webhook_keys[0],
        "PUBLIC_URL": "https://news.example.com",
    }
    with machine.another_worker(changed=other) as log:
        sending = Sending(machine, small_newsletter)
        wait_until(lambda: sending.show()["issue"]["state_reason"], machine.size.patience, "a word of the refusal")
        shown = machine.command("issue", "show", sending.issue, "--json")
        assert "refused to send it" in shown["issue"]["state_reason"]
        assert shown["ledger"]["accepted"] == shown["ledger"]["unknown"] == 0
        assert "refused: another provider" in log.read_text()
        assert "SG.another.account" not in log.read_text() + json.dumps(shown)
        assert sending.books().copies == []
        assert not machine.sql("SELECT FROM attempts WHERE issue_id = %s", sending.issue)
    sending.hurry()
    sending.wait_until_sent()
    assert sending.faults() == []


def test_a_worker_without_any_account_does_not_start(machine: Machine) -> None:
    environment = environment_of(machine.settings)
    environment.pop("BROADSHEET_EMBEDDED")
    command = [sys.executable, "-m", "celery", "--app", "tasks", "worker", "--queues", "sending", "--concurrency", "1"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "SENDGRID_API_KEY is required" in done.stdout + done.stderr


def _careless(guard: str) -> tuple[str, ...]:
    return ("tests.faults.careless", guard)


def test_control_a_naive_retry_is_found_out(
    machine: Machine, small_newsletter: int, report: Callable[..., None]
) -> None:
    machine.script(rules=[{"when": {"nth": 2}, "do": "drop-after-accept"}])
    with machine.another_worker(_careless("retries_what_is_unknown")):
        sending = Sending(machine, small_newsletter)
        sending.wait_until_sent()
    found = sending.faults()
    assert {fault[:2] for fault in found} == {"I1"}
    assert len(found) >= machine.size.batch_size / 2
    report(duplicates_found=len(found))


def test_control_a_claim_that_trusts_the_freeze_is_found_out(
    machine: Machine, small_newsletter: int, report: Callable[..., None]
) -> None:
    machine.script(latency_ms=2 * machine.size.latency_ms)
    with machine.another_worker(_careless("trusts_the_freeze")):
        sending = Sending(machine, small_newsletter)
        wait_until(lambda: sending.count("sending"), machine.size.patience, "the first request", 0.02)
        leave_from_threads(machine, sending, everyone=20)
        sending.wait_until_sent()
    found = sending.faults()
    assert {fault[:2] for fault in found} == {"I3"}
    report(sent_after_leaving=len(found))


def test_control_a_bell_that_is_a_permission_is_found_out(
    machine: Machine, small_newsletter: int, report: Callable[..., None]
) -> None:
    machine.script(latency_ms=2 * machine.size.latency_ms)
    with machine.another_worker(_careless("claims_what_was_claimed")):
        sending = Sending(machine, small_newsletter)
        wait_until(lambda: sending.count("accepted"), machine.size.patience, "the first batch", 0.02)
        ((batch,),) = machine.sql(
            "SELECT min(id) FROM batches WHERE issue_id = %s AND state = 'accepted'", sending.issue
        )
        machine.ring(batch)
        sending.wait_until_sent()
    found = sending.faults()
    assert "I1" in {fault[:2] for fault in found}
    report(duplicates_found=len(found))
