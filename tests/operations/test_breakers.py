"""A key that does not work is given up before every batch is unknown, tried with few readers, and trusted again; a stop is read at the
last moment before a byte is written."""

from datetime import timedelta
from typing import Any

import pytest

from service.db import transaction
from service.domain.outcomes import Answer, Verdict
from service.operations import alarms, breakers, scheduling, sweeping
from service.operations.sending import _arm, _claim
from service.settings import current
from tests.conftest import Sandbox
from tests.operations.test_sending import Change, Drain, Sql, book, due, scheduled, state


def faults(number: int, answer: Answer = Answer.UNKNOWN) -> None:
    with transaction() as tx:
        for _ in range(number):
            breakers.note(tx, 0, Verdict(answer, reason="503"))


def kinds() -> list[str]:
    return [one["kind"] for one in alarms.listed(actor="test")]


@pytest.mark.parametrize("answer", [Answer.UNKNOWN, Answer.THROTTLED])
def test_five_faults_within_a_minute_stop_all_claims(
    drain: Drain, sandbox: Sandbox, sql: Sql, bells: list[Any], answer: Answer
) -> None:
    issue, _ = scheduled(3, drain)
    faults(4, answer)
    assert sql("SELECT state FROM breakers") == [("closed",)]
    faults(1, answer)
    drain()
    assert (book(issue)["pending"], sandbox.stats["requests"], kinds()) == (3, 0, ["breaker"])
    sweeping.sweep_sending()
    assert bells == [], "nothing rings meanwhile"


def test_faults_that_are_far_between_open_nothing(drain: Drain, sql: Sql) -> None:
    for _ in range(6):
        faults(1)
        sql("UPDATE breakers SET faults = ARRAY(SELECT f - interval '20 seconds' FROM unnest(faults) f)")
    assert sql("SELECT state FROM breakers") == [("closed",)]


def test_a_claim_taken_before_it_opened_cannot_arm(drain: Drain, sandbox: Sandbox, bells: list[Any]) -> None:
    scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    faults(5)
    assert _arm(claim, b"") is False


def test_a_claim_taken_before_the_key_was_refused_cannot_arm(drain: Drain, sandbox: Sandbox, bells: list[Any]) -> None:
    scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    faults(1, Answer.UNAUTHORISED)
    assert _arm(claim, b"") is False


def test_a_claim_taken_before_everything_was_stopped_cannot_arm(
    drain: Drain, sandbox: Sandbox, bells: list[Any]
) -> None:
    scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    scheduling.halt(reason="a wrong link", actor="test")
    assert _arm(claim, b"") is False


def test_after_a_minute_few_readers_are_tried_and_three_good_answers_close_it(
    drain: Drain, sandbox: Sandbox, sql: Sql, other_settings: Change
) -> None:
    other_settings(batch_size=400)
    issue, _ = scheduled(800, drain)
    faults(5)
    drain()
    sql("UPDATE breakers SET open_until = now()")
    sweeping.sweep_sending()
    drain()
    assert sandbox.stats["duplicates"] == 0
    sizes = sql("SELECT readers FROM attempts WHERE state = 'accepted' ORDER BY recorded_at")
    assert [size for (size,) in sizes[:3]] == [50, 50, 50]
    assert (book(issue)["accepted"], state(issue), kinds()) == (800, "sent", [])
    assert sql("SELECT state FROM breakers") == [("closed",)]


def test_only_one_trial_is_under_way_at_a_time(
    drain: Drain, sandbox: Sandbox, sql: Sql, other_settings: Change
) -> None:
    other_settings(batch_size=10)
    scheduled(30, drain)
    faults(5)
    sql("UPDATE breakers SET open_until = now()")
    batches = [row[0] for row in sql("SELECT id FROM batches ORDER BY id")]
    claims = [_claim(batch) for batch in batches]
    assert [claim is not None for claim in claims] == [True, False, False]
    assert claims[0] is not None
    assert _arm(claims[0], b"") is True


def test_a_trial_that_fails_opens_it_again(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    issue, _ = scheduled(120, drain)
    faults(5)
    sql("UPDATE breakers SET open_until = now()")
    sandbox.script(rules=[{"when": {"every": 1}, "do": "503"}])
    due(sql)
    drain()
    assert (book(issue)["unknown"], book(issue)["pending"]) == (50, 70)
    assert sql("SELECT state, open_until > now() FROM breakers") == [("open", True)]


def test_a_refused_key_waits_for_an_owner(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    issue, _ = scheduled(3, drain)
    faults(1, Answer.UNAUTHORISED)
    sql("UPDATE breakers SET open_until = now() - interval '1 day'")
    drain()
    assert book(issue)["pending"] == 3
    (alarm,) = alarms.listed(actor="test")
    alarms.acknowledge(alarm["id"], reason="mended", actor="test")
    sweeping.sweep_sending()
    drain()
    assert (book(issue)["accepted"], kinds()) == (3, [])


def test_a_breaker_names_no_key(drain: Drain, sql: Sql) -> None:
    faults(5)
    assert current().sendgrid_api_key not in str(sql("SELECT * FROM breakers") + sql("SELECT * FROM alarms"))


def test_waits_are_scaled_by_one_setting(drain: Drain, sql: Sql, other_settings: Change) -> None:
    other_settings(pace=0.01)
    faults(5)
    ((left,),) = sql("SELECT open_until - now() FROM breakers")
    assert left < timedelta(seconds=1)
