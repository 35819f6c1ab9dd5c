"""PostgreSQL ends every connection in the middle of an issue: claims, answers and bells are cut off wherever they were."""

import time
from collections.abc import Callable

import pytest

from service.lab.faults.issues import Sending
from service.lab.faults.machine import Machine, wait_until
from service.lab.faults.sizes import Size, chosen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]

TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND pid <> %s
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
UNDER_WAY = "SELECT id::text FROM attempts WHERE issue_id = %s AND state = 'sending' FOR UPDATE"
STORM = 25


def _storm(machine: Machine) -> int:
    """End every connection again and again, at odd moments. Returns how many were ended."""
    ended = 0
    with machine.connect() as connection:
        for n in range(STORM):
            ((number,),) = connection.execute(TERMINATE, [connection.info.backend_pid]).fetchall()
            ended += number
            time.sleep(0.007 * (n % 5))
    return ended


def _cut_off_answers(machine: Machine, sending: Sending) -> set[str]:
    """Hold up the recording of requests under way, and end the connections that wait for it. Returns the attempts."""
    held: list[tuple[str]] = []
    with machine.connect() as holder, holder.transaction():

        def hold() -> bool:
            held.extend(holder.execute(UNDER_WAY, [sending.issue]).fetchall())
            return bool(held)

        wait_until(hold, machine.size.patience, "a request under way", 0.01)
        holding = holder.info.backend_pid
        wait_until(lambda: machine.sql(WAITING, holding)[0][0] >= len(held), machine.size.patience, "the answers", 0.05)
        machine.sql(TERMINATE, holding)
    return {attempt for (attempt,) in held}


def test_connections_that_are_ended_in_the_middle_double_nothing(
    machine: Machine, send: Callable[[], Sending], size: Size, report: Callable[..., None]
) -> None:
    sending = send()
    sending.wait_for_share(1 / 5)
    cut_off = _cut_off_answers(machine, sending)
    sending.wait_for_share(2 / 5)
    ended = _storm(machine)
    last = sending.now()
    # The requests that were under way come to their end first; nobody will record those whose process gave up.
    time.sleep(3 * size.latency_ms / 1000)
    sending.hurry(dead_before=last)
    found = sending.wait_until_settled()
    assert sending.faults() == []
    unknown = found["unknown_batches"]
    # An answer in hand is worth a few tries: these did not become unknown for the want of one connection.
    assert cut_off
    assert {sending.books().attempts[attempt].state for attempt in cut_off} == {"accepted"}
    assert sum(one["readers"] for one in unknown) == found["ledger"]["unknown"]
    sent, not_sent = sending.decide()
    ledger = sending.wait_until_sent()["ledger"]
    assert sending.faults() == []
    assert ledger["accepted"] == len(sending.books().copies)
    report(
        answers_cut_off=len(cut_off),
        connections_ended=ended,
        unknown_batches=len(unknown),
        of_them_sent=sent,
        not_sent=not_sent,
        duplicates=0,
    )
