"""A worker that is not of the issue's account sends nothing and says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.lab.faults.issues import Sending
from service.lab.faults.machine import Machine, wait_until
from service.lab.faults.sizes import chosen
from service.running import environment_of
from service.settings import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]


def test_a_worker_of_another_account_refuses_and_says_so(
    machine: Machine, small_newsletter: int, tmp_path: Path
) -> None:
    """Its own home, and so its own account at the sandbox."""
    with machine.another_worker(changed={"BROADSHEET_HOME": str(tmp_path)}):
        sending = Sending(machine, small_newsletter)
        wait_until(lambda: sending.show()["issue"]["state_reason"], machine.size.patience, "a word of the refusal")
        shown = sending.show()
        assert "refused to send it" in shown["issue"]["state_reason"]
        assert shown["ledger"]["accepted"] == shown["ledger"]["unknown"] == 0
        log = machine.log_of_another_worker()
        assert "refused: another provider" in log
        assert "SG.sandbox" not in log + json.dumps(shown)
        assert sending.books().copies == []
        assert not machine.sql("SELECT 1 FROM attempts WHERE issue_id = %s", sending.issue)
    sending.hurry()
    sending.wait_until_sent()
    assert sending.faults() == []


def a_worker(machine: Machine, **changed: str) -> str:
    """What a worker with a changed environment says before it ends by itself."""
    command = [sys.executable, "-m", "celery", "--app", "tasks", "worker", "--queues", "nobody", "--concurrency", "1"]
    environment = environment_of(machine.settings) | changed
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_a_worker_without_any_account_does_not_start(machine: Machine) -> None:
    assert "SENDGRID_API_KEY is required" in a_worker(machine, BROADSHEET_EMBEDDED="", BROADSHEET_SANDBOX="0")


def test_a_worker_for_real_mail_does_not_start_in_a_trial(machine: Machine, small_newsletter: int) -> None:
    Sending(machine, small_newsletter).wait_until_sent()
    real = {
        "SENDGRID_API_KEY": "SG.another.account",
        "SENDGRID_WEBHOOK_KEYS": machine.settings.webhook_keys[0],
        "PUBLIC_URL": "https://news.example.com",
        "BROADSHEET_SANDBOX": "0",
    }
    said = a_worker(machine, **real)
    assert "has been sending to the sandbox" in said
    assert "SG.another.account" not in said


def test_a_worker_with_another_address_key_does_not_start(machine: Machine) -> None:
    assert "ADDRESS_KEY is not the key" in a_worker(machine, ADDRESS_KEY="another-address-key-of-32-characters!")
