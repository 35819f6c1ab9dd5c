"""The answer to a request is lost, though the request was taken: nobody sends it again, and events settle it alone."""

from collections.abc import Callable

import pytest

from service.lab.faults.issues import Sending
from service.lab.faults.machine import Machine, wait_until
from service.lab.faults.sizes import chosen

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(20 * chosen().patience)]


def test_lost_answers_are_settled_by_events_alone(
    machine: Machine, send: Callable[[], Sending], report: Callable[..., None]
) -> None:
    well = {"bounce": 0, "blocked": 0, "deferred": 0, "complaint": 0, "open": 0, "machine_open": 0, "click": 0}
    lost = [
        {"when": {"nth": 2}, "do": "drop-after-accept"},
        {"when": {"nth": 5}, "do": "500-after-accept"},
        {"when": {"nth": 7}, "do": "garbage-202"},
        {"when": {"nth": 8}, "do": "drop-after-accept"},
    ]
    machine.script(rules=lost, events={"enabled": True, "delay_ms": 2000, **well})
    sending = send()
    unknown: set[int] = set()

    def sent() -> bool:
        found = sending.show()
        unknown.update(one["batch"] for one in found["unknown_batches"])
        return bool(found["issue"]["state"] == "sent")

    wait_until(sent, machine.size.patience, "the events", 0.05)
    found = sending.wait_until_sent()
    assert sending.faults() == []
    assert len(unknown) >= 3
    assert found["ledger"]["accepted_by_decision"] == 0
    report(readers=found["ledger"]["candidates"], unknown_batches_settled_by_events=len(unknown), duplicates=0)
