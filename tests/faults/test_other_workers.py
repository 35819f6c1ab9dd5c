"""A worker that is not of the issue's account sends nothing and says so."""

import json
import subprocess
import sys

import pytest

from service.running import environment_of
from service.settings import ROOT
from tests.faults.issues import Sending
from tests.faults.machine import Machine, wait_until
from tests.faults.sizes import chosen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]


def test_a_worker_of_another_account_refuses_and_says_so(machine: Machine, small_newsletter: int) -> None:
    other = {
        "SENDGRID_API_KEY": "SG.another.account",
        "SENDGRID_URL": f"http://127.0.0.1:{machine.settings.sandbox_port}",
        "SENDGRID_WEBHOOK_KEYS": machine.settings.webhook_keys[0],
        "PUBLIC_URL": "https://news.example.com",
    }
    with machine.another_worker(changed=other):
        sending = Sending(machine, small_newsletter)
        wait_until(lambda: sending.show()["issue"]["state_reason"], machine.size.patience, "a word of the refusal")
        shown = sending.show()
        assert "refused to send it" in shown["issue"]["state_reason"]
        assert shown["ledger"]["accepted"] == shown["ledger"]["unknown"] == 0
        log = machine.log_of_another_worker()
        assert "refused: another provider" in log
        assert "SG.another.account" not in log + json.dumps(shown)
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
