"""Every answer that SendGrid may give to a POST, and every way in which it may not answer."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from service.db import transaction
from service.domain.outcomes import Answer, Verdict
from service.operations import alarms, reporting, scheduling, sweeping
from service.operations.sending import _arm, _claim, _finish
from service.settings import Settings
from tests.conftest import Sandbox, free_port
from tests.operations.test_sending import Drain, Sql, book, due, scheduled, state


def test_a_named_bad_reader_fails_alone(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    sandbox.script(reject_addresses=["reader00007@readers.example"])
    issue, _ = scheduled(20, drain)
    drain()
    due(sql)
    sweeping.sweep_sending()
    drain()
    ledger = book(issue)
    assert (ledger["failed"], ledger["accepted"], ledger["closed"]) == ({"rejected": 1}, 19, True)
    assert sandbox.stats["duplicates"] == 0


def test_an_unnamed_bad_reader_is_found_by_halving(drain: Drain, sandbox: Sandbox) -> None:
    sandbox.script(reject_unnamed=["reader00013@readers.example"])
    issue, _ = scheduled(32, drain)
    drain()
    ledger = book(issue)
    assert (ledger["failed"], ledger["accepted"], ledger["closed"]) == ({"rejected": 1}, 31, True)
    assert state(issue) == "sent"
    assert reporting.show(issue)["requests"] <= 2 * 5 + 1, "halving needs at most two requests a level"


def test_content_refused_reader_by_reader_pauses_the_issue(drain: Drain, sandbox: Sandbox) -> None:
    sandbox.script(rules=[{"when": {"every": 1}, "do": "400-unnamed"}])
    issue, _ = scheduled(64, drain)
    drain()
    assert state(issue) == "paused"
    assert sum(book(issue)["failed"].values()) == 5


@pytest.mark.parametrize("answer", ["429", "429-bare"])
def test_throttling_gives_the_batch_back_and_waits(drain: Drain, sandbox: Sandbox, sql: Sql, answer: str) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": answer, "reset_in": 60}])
    issue, _ = scheduled(3, drain)
    drain()
    assert book(issue)["pending"] == 3
    wait = sql("SELECT extract(epoch FROM not_before - clock_timestamp()) FROM batches")[0][0]
    assert (50 if answer == "429" else 0.5) < wait < 61
    sweeping.sweep_sending()
    assert drain() == 0, "not before its time"
    due(sql)
    sweeping.sweep_sending()
    drain()
    assert book(issue)["accepted"] == 3


def test_a_wait_from_before_the_clock_was_set_back_is_over(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": "429"}])
    issue, _ = scheduled(3, drain)
    drain()
    sql("UPDATE batches SET not_before = not_before + interval '2 hours'")
    sweeping.sweep_sending()
    drain()
    assert book(issue)["accepted"] == 3


@pytest.mark.parametrize(
    "answer",
    ["500", "502-html", "503", "500-after-accept", "drop", "drop-after-accept", "garbage", "garbage-202", "redirect"],
)
def test_what_cannot_be_known_is_unknown_and_is_not_sent_again(
    drain: Drain, sandbox: Sandbox, sql: Sql, answer: str
) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": answer}])
    issue, _ = scheduled(3, drain)
    drain()
    ledger = book(issue)
    if answer == "garbage-202":
        assert ledger["accepted"] == 3, "202 is a promise whatever its body says"
        return
    assert (ledger["unknown"], ledger["closed"], state(issue)) == (3, False, "sending")
    requests = sandbox.stats["requests"]
    sql("UPDATE attempts SET armed_at = armed_at - interval '1 day', lease_until = lease_until - interval '1 day'")
    for _ in range(3):
        sweeping.sweep_sending()
        drain()
    assert sandbox.stats["requests"] == requests
    assert book(issue)["unknown"] == 3
    (batch,) = reporting.show(issue)["unknown_batches"]
    assert batch["readers"] == 3
    assert batch["review"] is True


@pytest.mark.parametrize("answer", ["stall", "stall-after-accept", "slow-drip"])
def test_an_answer_that_never_ends_is_unknown(
    drain: Drain, sandbox: Sandbox, other_settings: Callable[..., Settings], answer: str
) -> None:
    other_settings(post_timeout=1.0)
    sandbox.script(rules=[{"when": {"nth": 1}, "do": answer, "seconds": 4}])
    issue, _ = scheduled(2, drain)
    started = time.monotonic()
    drain()
    assert book(issue)["unknown"] in (0, 2)
    assert book(issue)["unknown"] + book(issue)["accepted"] == 2
    assert time.monotonic() - started < 10


def test_a_refused_connection_gives_the_batch_back(
    drain: Drain, sandbox: Sandbox, sql: Sql, other_settings: Callable[..., Settings]
) -> None:
    issue, _ = scheduled(3, drain)
    there = other_settings().sendgrid_url
    other_settings(sendgrid_url=f"http://127.0.0.1:{free_port()}")
    drain()
    assert book(issue)["pending"] == 3
    other_settings(sendgrid_url=there)
    due(sql)
    sweeping.sweep_sending()
    drain()
    assert book(issue)["accepted"] == 3


@pytest.mark.parametrize("answer", ["401", "401-credits", "403"])
def test_a_refused_key_pauses_the_issue_and_loses_nothing(
    drain: Drain, sandbox: Sandbox, sql: Sql, answer: str
) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": answer}])
    issue, _ = scheduled(3, drain)
    drain()
    assert (state(issue), book(issue)["pending"]) == ("paused", 3)
    assert answer[:3] in str(reporting.show(issue)["issue"]["state_reason"])
    scheduling.resume(issue, actor="test")
    sweeping.sweep_sending()
    drain()
    assert book(issue)["pending"] == 3, "the key waits for a person"
    (alarm,) = (one for one in alarms.listed(actor="test") if one["kind"] == "key")
    alarms.acknowledge(alarm["id"], reason="the key was mended", actor="test")
    due(sql)
    sweeping.sweep_sending()
    drain()
    assert book(issue)["accepted"] == 3


def test_a_request_that_is_too_large_is_halved(drain: Drain, sandbox: Sandbox) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": "413"}])
    issue, _ = scheduled(9, drain)
    drain()
    assert book(issue)["accepted"] == 9
    assert sandbox.stats == {"requests": 2, "recipients": 9, "duplicates": 0, "duplicates_any": 0}


def test_a_refusal_of_substitutions_makes_all_batches_smaller(
    drain: Drain, sandbox: Sandbox, other_settings: Callable[..., Settings]
) -> None:
    other_settings(batch_size=400)
    sandbox.script(substitution_limit="request")
    issue, _ = scheduled(1200, drain)
    drain()
    assert book(issue)["accepted"] == 1200
    assert sandbox.stats["duplicates"] == 0


def test_a_claim_that_never_armed_is_released_when_its_lease_ends(
    drain: Drain, sandbox: Sandbox, sql: Sql, bells: list[Any]
) -> None:
    issue, _ = scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    bells.clear()
    sql("UPDATE attempts SET lease_until = now() - interval '1 second'")
    sweeping.sweep_sending()
    due(sql)
    sweeping.sweep_sending()
    drain()
    assert book(issue)["accepted"] == 3
    assert sandbox.stats["duplicates"] == 0


def test_a_worker_that_wakes_up_after_its_lease_cannot_arm(
    drain: Drain, sandbox: Sandbox, sql: Sql, bells: list[Any]
) -> None:
    scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    sql("UPDATE attempts SET lease_until = now() - interval '1 second'")
    sweeping.sweep_sending()
    assert _arm(claim, b"") is False


def test_an_armed_attempt_whose_worker_died_is_unknown(
    drain: Drain, sandbox: Sandbox, sql: Sql, bells: list[Any]
) -> None:
    issue, _ = scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    assert _arm(claim, b"")
    sql("UPDATE attempts SET lease_until = now() - interval '1 second'")
    sweeping.sweep_sending()
    assert book(issue)["unknown"] == 3


def test_an_answer_that_comes_after_the_lease_still_proves_acceptance(
    drain: Drain, sandbox: Sandbox, sql: Sql, bells: list[Any]
) -> None:
    issue, _ = scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    assert _arm(claim, b"")
    sql("UPDATE attempts SET lease_until = now() - interval '1 second'")
    sweeping.sweep_sending()
    _finish(claim, Verdict(Answer.ACCEPTED, status=202), armed=True)
    assert (book(issue)["accepted"], state(issue)) == (3, "sent")


def test_a_person_decides_that_an_unknown_batch_was_sent(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": "drop-after-accept"}])
    issue, _ = scheduled(3, drain)
    drain()
    (batch,) = reporting.show(issue)["unknown_batches"]
    scheduling.resolve(batch["batch"], sent=True, reason="seen in the activity feed", actor="test")
    ledger = book(issue)
    assert (ledger["accepted"], ledger["accepted_by_decision"], ledger["closed"], state(issue)) == (3, 3, True, "sent")
    assert sql("SELECT action, details ->> 'decision' FROM audit_entries ORDER BY id DESC LIMIT 1") == [
        ("resolve", "sent")
    ]


def test_a_person_decides_that_an_unknown_batch_was_not_sent(drain: Drain, sandbox: Sandbox) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": "drop"}])
    issue, _ = scheduled(3, drain)
    drain()
    (batch,) = reporting.show(issue)["unknown_batches"]
    scheduling.resolve(batch["batch"], sent=False, reason="nothing in the activity feed", actor="test")
    drain()
    ledger = book(issue)
    assert (ledger["accepted"], ledger["accepted_by_decision"], state(issue)) == (3, 0, "sent")
    assert sandbox.stats["duplicates"] == 0
    with transaction() as tx:
        assert tx.execute("SELECT count(DISTINCT id) FROM attempts").scalar_one() == 2
