"""PostgreSQL ends every connection in the middle of an issue: claims, answers and bells are cut off wherever they were."""

import time
from collections.abc import Callable

import pytest

from tests.faults.issues import Sending
from tests.faults.machine import Machine
from tests.faults.sizes import Size, chosen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]

STORM = 40


def test_connections_that_are_ended_in_the_middle_double_nothing(
    machine: Machine, send: Callable[[], Sending], size: Size, report: Callable[..., None]
) -> None:
    sending = send()
    sending.wait_for_share(1 / 5)
    ended = 0
    # So often, and at odd moments, that transactions are hit too, not only connections that wait in a pool.
    for n in range(STORM):
        time.sleep(0.01 * (n % 7))
        ((number,),) = machine.sql(
            """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
        )
        ended += number
    # The requests that were under way come to their end first; nobody will record those whose process gave up.
    last = sending.now()
    time.sleep(3 * size.latency_ms / 1000)
    sending.hurry(dead_before=last)
    found = sending.wait_until_settled()
    assert sending.faults() == []
    unknown = found["unknown_batches"]
    assert sum(one["readers"] for one in unknown) == found["ledger"]["unknown"]
    sent, not_sent = sending.decide()
    ledger = sending.wait_until_sent()["ledger"]
    assert sending.faults() == []
    assert ledger["accepted"] == len(sending.books().copies)
    report(connections_ended=ended, unknown_batches=len(unknown), of_them_sent=sent, not_sent=not_sent, duplicates=0)
