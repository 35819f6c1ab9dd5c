"""An issue sent at each reader's own hour: each batch waits for the hour of its readers, everybody gets it once, and a long wait
between two zones is no reason to hold it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.db import transaction
from service.errors import Invalid
from service.operations import bells, scheduling, send_room, sweeping
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]
HOUR = datetime.fromisoformat("2030-01-15T09:00")
"""As a clock on a wall shows it."""
ZONES = {
    "kiri@r.example": "Pacific/Kiritimati",
    "bo@r.example": "Europe/Berlin",
    "ny@r.example": "America/New_York",
    "odd@r.example": "Mars/Olympus",
    "none@r.example": "",
}


@pytest.fixture
def issue(web: str, sql: Sql) -> int:
    newsletter = a_newsletter()
    sql("UPDATE newsletters SET time_zone = 'Asia/Tokyo'")
    readers(newsletter, list(ZONES))
    for address, zone in ZONES.items():
        if zone:
            sql(
                "UPDATE subscribers SET attributes = jsonb_build_object('time_zone', %s::text) WHERE address = %s",
                zone,
                address,
            )
    return an_issue(newsletter)


def frozen(issue: int, drain: Drain, sql: Sql, local: datetime) -> None:
    scheduling.schedule(issue, local=local, actor="test")
    assert sql("SELECT scheduled_at, local_at FROM issues") == [
        ((local - timedelta(hours=14)).replace(tzinfo=UTC), local)
    ]
    sql("UPDATE issues SET scheduled_at = now()")
    drain()


def test_each_batch_waits_for_the_hour_of_its_readers(issue: int, sql: Sql, drain: Drain, sandbox: Sandbox) -> None:
    frozen(issue, drain, sql, HOUR)
    waits = dict(
        sql(
            "SELECT s.address, b.not_before FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id JOIN batches b ON b.id = d.batch_id"
        )
    )
    assert waits == {
        "kiri@r.example": datetime(2030, 1, 14, 19, tzinfo=UTC),
        "bo@r.example": datetime(2030, 1, 15, 8, tzinfo=UTC),
        "ny@r.example": datetime(2030, 1, 15, 14, tzinfo=UTC),
        "odd@r.example": datetime(2030, 1, 15, 0, tzinfo=UTC),
        "none@r.example": datetime(2030, 1, 15, 0, tzinfo=UTC),
    }
    assert sql("SELECT count(*) FROM attempts") == [(0,)], "nobody's hour has come"
    assert send_room.progress(issue, actor="console")["ledger"]["pending"] == 5
    for due, address in enumerate(("kiri@r.example", "none@r.example", "bo@r.example", "ny@r.example"), 1):
        sql(
            "UPDATE batches SET not_before = now() - interval '1 second' WHERE id = (SELECT d.batch_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE s.address = %s)",
            address,
        )
        sweeping.sweep_sending()
        drain()
        assert sql("SELECT count(*) FROM batches WHERE state = 'accepted'") == [(due,)]
    assert sql("SELECT state FROM issues") == [("sent",)]
    assert {address: len(sandbox.messages(address)) for address in ZONES} == dict.fromkeys(ZONES, 1)


def held(sql: Sql) -> bool:
    with transaction() as tx:
        bells.hold_stale(tx)
    return bool(sql("SELECT state = 'held' FROM issues")[0][0])


def test_a_long_wait_is_no_reason_to_hold_it_and_a_missed_hour_is(
    issue: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    frozen(issue, drain, sql, HOUR)
    sql("UPDATE issues SET prepared_at = now() - interval '9 hours'")
    assert not held(sql), "nothing is due"
    sql("UPDATE batches SET not_before = now() - interval '5 minutes' WHERE id = (SELECT min(id) FROM batches)")
    assert not held(sql), "due for five minutes"
    sweeping.sweep_sending()
    drain()
    assert sql("SELECT count(*) FROM batches WHERE state = 'accepted'") == [(1,)]
    sql("UPDATE attempts SET claimed_at = now() - interval '5 hours'")
    sql(
        "UPDATE batches SET not_before = now() - interval '3 hours' WHERE not_before < now() + interval '1 day' OR id = (SELECT max(id) FROM batches)"
    )
    assert held(sql), "its hour passed three hours ago, and nobody sent it"


def test_an_hour_that_is_over_somewhere_is_refused(issue: int, sql: Sql) -> None:
    for local in (HOUR.replace(year=2020), datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=13)):
        with pytest.raises(Invalid, match="later than that already"):
            scheduling.schedule(issue, local=local, actor="test")
    assert sql("SELECT state FROM issues") == [("draft",)]
    scheduling.schedule(
        issue, local=datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(hours=15), actor="test"
    )
    scheduling.unschedule(issue, actor="test")
    assert sql("SELECT state, local_at, scheduled_at FROM issues") == [("draft", None, None)]
