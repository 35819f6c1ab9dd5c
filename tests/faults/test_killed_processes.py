"""`kill -9` in the middle of an issue: nobody gets two copies, nobody is lost, and what cannot be known is listed."""

from collections.abc import Callable
from typing import Any

import pytest

from service.lab.faults.issues import Sending
from service.lab.faults.machine import Machine
from service.lab.faults.sizes import Size, chosen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]


def _accounted_for(sending: Sending) -> dict[str, Any]:
    """Hold every promise before anybody decides, decide, and hold them again. Returns the numbers of it."""
    before = sending.wait_until_settled()
    books = sending.books()
    assert sending.faults() == []
    listed = sending.listed()
    assert set(listed) == {fate.batch for fate in books.fates.values() if fate.state == "unknown"}
    assert all(one["attempt"] in books.attempts and one["armed_at"] and one["reason"] for one in listed.values())
    assert sum(one["readers"] for one in listed.values()) == before["ledger"]["unknown"]
    sent, not_sent = sending.decide()
    ledger = sending.wait_until_sent()["ledger"]
    assert sending.faults() == []
    copies = sending.books().copies
    assert len(copies) == len({copy.address for copy in copies}) == ledger["accepted"]
    return {
        "readers": ledger["candidates"],
        "accepted": ledger["accepted"],
        "excluded": sum(ledger["excluded"].values()),
        "unknown_batches": len(listed),
        "of_them_sent": sent,
        "not_sent": not_sent,
        "duplicates": len(copies) - len({copy.address for copy in copies}),
        "requests": len({copy.request for copy in copies}),
    }


def test_killed_sending_workers_send_nobody_twice_and_lose_nobody(
    machine: Machine, send: Callable[[], Sending], size: Size, report: Callable[..., None]
) -> None:
    # One request is lost before it is taken: the unknown batch that a person finds not to have been sent.
    machine.script(rules=[{"when": {"nth": 3}, "do": "drop"}])
    sending = send()
    killed = 0
    for n in range(size.kills):
        sending.wait_for_share((n + 1) / (size.kills + 3))
        killed += machine.kill_worker("sending")
        sending.hurry(dead_before=sending.now())
    numbers = _accounted_for(sending)
    assert numbers["unknown_batches"] >= 1
    assert numbers["not_sent"] >= 1
    report(kills=size.kills, processes_killed=killed, **numbers)


@pytest.mark.long
def test_a_machine_that_dies_whole_sends_nobody_twice_and_loses_nobody(
    machine: Machine, send: Callable[[], Sending], report: Callable[..., None]
) -> None:
    sending = send()
    sending.wait_for_share(1 / 3)
    last = sending.now()
    killed = machine.kill_everything()
    machine.start()
    machine.script()
    sending.hurry(dead_before=last)
    report(kills=1, processes_killed=killed, **_accounted_for(sending))
