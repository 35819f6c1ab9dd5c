"""Readers leave while the issue is being sent: whoever had the answer before the batch was claimed gets no copy."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from service.lab.faults.issues import Sending
from service.lab.faults.machine import Machine
from service.lab.faults.sizes import chosen
from service.tokens import Purpose, Signer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]

THREADS = 4


def leave_from_threads(machine: Machine, sending: Sending, everyone: int) -> None:
    """Every so-manyth reader leaves by one click, the last batches' readers first; when is told by the database's clock."""
    signer = Signer(Purpose.LEAVE)
    rows = machine.sql(
        """SELECT lower(s.address), d.subscription_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
           WHERE d.issue_id = %s AND d.batch_id IS NOT NULL ORDER BY d.batch_id DESC, d.id""",
        sending.issue,
    )[::everyone]
    refused: list[int] = []

    def leave(share: Sequence[tuple[Any, ...]]) -> None:
        with machine.connect() as connection:
            for address, subscription in share:
                if (status := machine.leave(signer.sign(subscription))) != 200:
                    refused.append(status)
                ((now,),) = connection.execute("SELECT clock_timestamp()").fetchall()
                sending.left[address] = now

    threads = [threading.Thread(target=leave, args=(rows[n::THREADS],)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not refused


def test_whoever_left_before_the_claim_gets_no_copy(
    machine: Machine, send: Callable[[], Sending], report: Callable[..., None]
) -> None:
    sending = send()
    sending.wait_for_share(1 / 30)
    leave_from_threads(machine, sending, everyone=13)
    ledger = sending.wait_until_sent()["ledger"]
    assert sending.faults() == []
    spared = set(sending.left) - {copy.address for copy in sending.books().copies}
    assert len(spared) == ledger["excluded"]["left"]
    # Some got it, since they left after the claim; else nobody left in the middle, and this proves little.
    assert 0 < len(spared) < len(sending.left)
    report(readers=ledger["candidates"], left=len(sending.left), of_them_without_a_copy=len(spared))
