"""Valkey forgets everything, or hangs: bells are lost, which costs time, and nothing else."""

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from service.lab.faults.issues import Sending
from service.lab.faults.machine import Machine
from service.lab.faults.sizes import Size, chosen
from service.tokens import Purpose, Signer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]


def test_a_queue_that_was_emptied_in_the_middle_costs_nothing_but_time(
    machine: Machine, send: Callable[[], Sending], report: Callable[..., None]
) -> None:
    sending = send()
    sending.wait_for_share(1 / 3)
    with machine.redis() as client:
        client.flushall()
    sending.hurry()
    ledger = sending.wait_until_sent()["ledger"]
    assert sending.faults() == []
    assert ledger["unknown"] == ledger["accepted_by_decision"] == 0
    assert ledger["accepted"] == len(sending.books().copies)
    report(readers=ledger["candidates"], accepted=ledger["accepted"], unknown=0, duplicates=0)


def test_bells_that_ring_three_times_send_nobody_twice(machine: Machine, send: Callable[[], Sending]) -> None:
    sending = send()
    sending.wait_for_share(1 / 5)
    for _ in range(3):
        for (batch,) in machine.sql("SELECT id FROM batches WHERE issue_id = %s ORDER BY id", sending.issue):
            machine.ring(batch)
    sending.wait_until_sent()
    assert sending.faults() == []


def test_a_frozen_queue_keeps_nobody_from_leaving_and_sending_goes_on_after(
    machine: Machine, send: Callable[[], Sending], size: Size, report: Callable[..., None]
) -> None:
    sending = send()
    sending.wait_for_share(1 / 5)
    signer = Signer(Purpose.LEAVE)
    leavers = machine.sql(
        "SELECT subscription_id FROM deliveries WHERE issue_id = %s ORDER BY id DESC LIMIT 5", sending.issue
    )
    os.kill(machine.servers.broker(), signal.SIGSTOP)
    thaw = threading.Timer(size.frozen_seconds, os.kill, (machine.servers.broker(), signal.SIGCONT))
    thaw.start()
    try:
        slowest = 0.0
        for (subscription,) in leavers:
            started = time.monotonic()
            assert machine.leave(signer.sign(subscription)) == 200
            slowest = max(slowest, time.monotonic() - started)
        assert slowest < 10
    finally:
        thaw.join()
    sending.hurry()
    ledger = sending.wait_until_settled()["ledger"]
    assert ledger["unknown"] == 0
    assert sending.faults() == []
    report(frozen_for=size.frozen_seconds, slowest_leave=round(slowest, 2), accepted=ledger["accepted"])
