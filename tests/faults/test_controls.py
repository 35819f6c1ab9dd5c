"""Controls: what a worker without its guards does must be found out by the checker, else the checker would prove nothing."""

import signal
from collections.abc import Callable, Iterator

import pytest

from service.lab.faults import program
from service.lab.faults.issues import Sending
from service.lab.faults.machine import Machine, wait_until
from service.lab.faults.sizes import chosen
from tests.faults.test_leaving_in_the_middle import leave_from_threads

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]


@pytest.fixture(scope="module")
def careless_worker(one_machine: Machine) -> Iterator[None]:
    """Alone at the queue, for all controls: each of them provokes what one guard would have prevented."""
    one_machine.wire()
    with one_machine.another_worker([program.__name__, "celery"], {program.WITHOUT: "R3,R6,consent"}):
        yield


@pytest.fixture
def careless(machine: Machine, careless_worker: None) -> Machine:
    return machine


def test_control_a_naive_retry_is_found_out(
    careless: Machine, small_newsletter: int, report: Callable[..., None]
) -> None:
    careless.script(rules=[{"when": {"nth": 2}, "do": "drop-after-accept"}])
    sending = Sending(careless, small_newsletter)
    sending.wait_until_sent()
    found = sending.faults()
    assert {fault[:2] for fault in found} == {"I1"}
    assert len(found) >= careless.size.batch_size / 2
    report(duplicates_found=len(found))


def test_control_a_claim_that_trusts_the_freeze_is_found_out(
    careless: Machine, small_newsletter: int, report: Callable[..., None]
) -> None:
    careless.script(latency_ms=2 * careless.size.latency_ms)
    sending = Sending(careless, small_newsletter)
    wait_until(lambda: sending.count("sending"), careless.size.patience, "the first request", 0.02)
    leave_from_threads(careless, sending, everyone=20)
    sending.wait_until_sent()
    found = sending.faults()
    assert {fault[:2] for fault in found} == {"I3"}
    report(sent_after_leaving=len(found))


def _ring_again(sending: Sending) -> Sending:
    """Ring for batches that were accepted, while most of the issue is still to come."""
    machine = sending.machine
    sending.wait_for_share(1 / 10)
    accepted = "SELECT id FROM batches WHERE issue_id = %s AND state = 'accepted'"
    for (batch,) in machine.sql(accepted, sending.issue):
        machine.ring(batch)
    state = "SELECT state = 'sent' FROM issues WHERE id = %s"
    wait_until(lambda: machine.sql(state, sending.issue)[0][0], machine.size.patience, "the issue's end")
    wait_until(lambda: not sending.count("claimed", "sending"), machine.size.patience, "the last requests' end")
    return sending


def test_a_worker_that_takes_a_bell_for_a_permission_is_refused_by_the_database(
    careless: Machine, send: Callable[[], Sending]
) -> None:
    sending = _ring_again(send())
    assert sending.faults() == []
    assert "batches must not go from " in careless.log_of_another_worker()


def test_control_a_bell_that_is_a_permission_is_found_out(
    careless: Machine, send: Callable[[], Sending], report: Callable[..., None]
) -> None:
    careless.sql("ALTER TABLE batches DISABLE TRIGGER moves")
    try:
        found = _ring_again(send()).faults()
    finally:
        careless.sql("ALTER TABLE batches ENABLE TRIGGER moves")
    assert "I1" in {fault[:2] for fault in found}
    report(duplicates_found=sum(fault.startswith("I1") for fault in found))


def test_a_process_that_is_not_there_is_not_taken_for_all(machine: Machine) -> None:
    """Number 0 is every process of the group: the suite has killed itself by it."""
    with pytest.raises(ProcessLookupError, match="there is no nobody"):
        machine.send_signal("nobody", signal.SIGKILL)
