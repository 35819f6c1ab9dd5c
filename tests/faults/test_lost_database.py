"""PostgreSQL ends every connection in the middle of an issue: claims, answers and bells are cut off wherever they were."""

from collections.abc import Callable

import pytest

from tests.faults.issues import Sending
from tests.faults.machine import Machine, wait_until
from tests.faults.sizes import Size, chosen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]


def test_connections_that_are_ended_in_the_middle_double_nothing(
    machine: Machine, send: Callable[[], Sending], size: Size, report: Callable[..., None]
) -> None:
    sending = send()
    ended = 0
    for n in range(3):
        sending.wait_for_share((n + 1) / 5)
        wait_until(lambda: sending.count("sending"), 10, "a request under way", 0.01)
        ((number,),) = machine.sql(
            """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
        )
        ended += number
    # The requests that were under way come to their end first; nobody will record those whose process gave up.
    ((now,),) = machine.sql("SELECT clock_timestamp() - %s * interval '1 millisecond'", 2 * size.latency_ms)
    sending.hurry(before=now)
    found = sending.wait_until_settled()
    assert sending.faults() == []
    unknown = sending.listed()
    assert sum(one["readers"] for one in unknown.values()) == found["ledger"]["unknown"]
    sent, not_sent = sending.decide()
    ledger = sending.wait_until_sent()["ledger"]
    assert sending.faults() == []
    assert ledger["accepted"] == len(sending.books().copies)
    report(connections_ended=ended, unknown_batches=len(unknown), of_them_sent=sent, not_sent=not_sent, duplicates=0)
