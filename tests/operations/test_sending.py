"""The sending protocol: freeze, claim, arm, call, record; every answer of SendGrid; and what must never happen."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from service import queue, tokens
from service.db import transaction
from service.operations import leaving, preparing, reporting, scheduling, sending, sweeping
from service.operations.sending import _arm, _claim
from service.settings import Settings
from service.tokens import Purpose, Signer
from tests.builders import a_newsletter, an_issue, people, readers
from tests.conftest import Sandbox

Drain = Callable[..., int]
Sql = Callable[..., list[Any]]
Change = Callable[..., Settings]


def book(issue_id: int) -> dict[str, Any]:
    """The ledger, after checking that it adds up against the rows and over its own parts."""
    with transaction() as tx:
        assert reporting.check_ledger(tx, issue_id) == []
        ledger = reporting.ledger(tx, issue_id)
    assert ledger["candidates"] == (
        ledger["accepted"]
        + sum(ledger["excluded"].values())
        + sum(ledger["failed"].values())
        + ledger["pending"]
        + ledger["unknown"]
    )
    return ledger


def state(issue_id: int) -> str:
    return str(reporting.show(issue_id)["issue"]["state"])


def due(sql: Sql) -> None:
    """Let time pass for whatever waits."""
    sql("UPDATE batches SET not_before = NULL, rung_at = NULL WHERE state = 'pending'")


@pytest.fixture
def small(other_settings: Callable[..., Settings]) -> Settings:
    """Batches of ten."""
    return other_settings(batch_size=10)


def scheduled(number: int, drain: Drain, **words: Any) -> tuple[int, list[int]]:
    """An issue on its way to so many readers, frozen but with no batch sent."""
    newsletter = a_newsletter()
    subscriptions = readers(newsletter, people(number), **words)
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    drain(only=queue.PREPARE_ISSUE)
    return issue, subscriptions


def test_an_issue_reaches_every_reader_once_and_its_ledger_closes(
    drain: Drain, sandbox: Sandbox, small: Settings
) -> None:
    issue, _ = scheduled(35, drain)
    drain()
    assert state(issue) == "sent"
    assert book(issue) == {
        "candidates": 35,
        "accepted": 35,
        "accepted_by_decision": 0,
        "excluded": {},
        "failed": {},
        "pending": 0,
        "unknown": 0,
        "closed": True,
    }
    assert sandbox.stats == {"requests": 4, "recipients": 35, "duplicates": 0, "duplicates_any": 0}


def test_every_candidate_gets_a_delivery_and_the_excluded_ones_a_reason(
    drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(6))
    readers(newsletter, ["left@readers.example"], state="unsubscribed")
    readers(newsletter, ["asked@readers.example"], state="pending")
    sql(
        "INSERT INTO suppressions (email_key, kind, source) SELECT email_key, 'hard-bounce', 'test' FROM subscribers WHERE address LIKE 'reader00001%%'"
    )
    sql(
        "UPDATE subscriptions SET paused_until = now() + interval '1 day' WHERE subscriber_id = (SELECT id FROM subscribers WHERE address LIKE 'reader00002%%')"
    )
    sql(
        "UPDATE subscriptions SET expires_at = now() - interval '1 day' WHERE subscriber_id = (SELECT id FROM subscribers WHERE address LIKE 'reader00003%%')"
    )
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    drain()
    ledger = book(issue)
    assert ledger["candidates"] == 6, "who left before, or never confirmed, is no candidate"
    assert ledger["excluded"] == {"suppressed": 1, "paused": 1, "expired": 1}
    assert ledger["accepted"] == 3
    assert sandbox.messages("reader00001@readers.example") == []


def test_who_leaves_between_freeze_and_claim_gets_nothing(drain: Drain, sandbox: Sandbox, small: Settings) -> None:
    issue, subscriptions = scheduled(20, drain)
    assert leaving.leave(Signer(Purpose.LEAVE).sign(subscriptions[3]), method="one-click").fresh
    drain()
    assert book(issue)["excluded"] == {"left": 1}
    assert sandbox.messages("reader00003@readers.example") == []
    assert len(sandbox.messages("reader00004@readers.example")) == 1


def test_who_was_suppressed_erased_or_moved_after_the_freeze_gets_nothing(
    drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    issue, _ = scheduled(5, drain)
    sql(
        "INSERT INTO suppressions (email_key, kind, source) SELECT email_key, 'complaint', 'test' FROM subscribers WHERE address LIKE 'reader00000%%'"
    )
    sql("DELETE FROM subscribers WHERE address LIKE 'reader00001%%'")
    sql(
        "UPDATE subscribers SET address = 'new@readers.example', normalised_address = 'new@readers.example', email_key = 'x' WHERE address LIKE 'reader00002%%'"
    )
    drain()
    assert book(issue)["excluded"] == {"suppressed": 1, "erased": 1, "address_changed": 1}
    assert sandbox.stats["recipients"] == 2
    assert sandbox.messages("new@readers.example") == []


def test_who_withdraws_tracking_consent_between_freeze_and_claim_is_not_tracked(
    drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    issue, _ = scheduled(4, drain, tracking="agreed")
    sql(
        "UPDATE subscriptions SET tracking = 'objected' WHERE subscriber_id = (SELECT id FROM subscribers WHERE address LIKE 'reader00002%%')"
    )
    drain()
    assert book(issue)["accepted"] == 4
    tracked, withdrew = (
        sandbox.messages("reader00001@readers.example")[0],
        sandbox.messages("reader00002@readers.example")[0],
    )
    assert tracked["tracking_settings"]["open_tracking"]["enable"] is True
    assert "https://www.example.com/guide?a=1" not in tracked["html"], "the tracked link is rewritten"
    assert withdrew["tracking_settings"]["open_tracking"]["enable"] is False
    assert "https://www.example.com/guide?a=1&amp;b=2" in withdrew["html"]
    assert "/o/" not in withdrew["html"]


def test_nobody_is_tracked_without_an_answer(drain: Drain, sandbox: Sandbox) -> None:
    issue, _ = scheduled(1, drain)
    drain()
    mail = sandbox.messages("reader00000@readers.example")[0]
    assert {name: words["enable"] for name, words in mail["tracking_settings"].items()} == {
        "click_tracking": False,
        "open_tracking": False,
        "subscription_tracking": False,
    }
    assert book(issue)["closed"]


def test_each_copy_carries_the_readers_own_leave_link_and_no_address_in_the_ids(
    drain: Drain, sandbox: Sandbox, small: Settings
) -> None:
    issue, subscriptions = scheduled(2, drain)
    drain()
    mail = sandbox.messages("reader00001@readers.example")[0]
    header = mail["headers"]["List-Unsubscribe"]
    assert len(header.encode()) <= 77
    assert mail["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Id" in mail["headers"]
    token = header.rstrip(">").rsplit("/", 1)[-1]
    assert tokens.read(Purpose.LEAVE, token) == subscriptions[1]
    assert header.strip("<>") in mail["html"]
    assert header.strip("<>") in mail["text"]
    assert mail["categories"] == [f"i-{issue}"]
    assert "@" not in str(mail["custom_args"])


def test_a_batch_rung_twice_is_sent_once(drain: Drain, sandbox: Sandbox, bells: list[Any]) -> None:
    issue, _ = scheduled(3, drain)
    bells.extend(list(bells) * 3)
    drain()
    assert sandbox.stats["requests"] == 1
    assert book(issue)["closed"]


def test_two_workers_at_one_batch_send_it_once(drain: Drain, sandbox: Sandbox, bells: list[Any]) -> None:
    issue, _ = scheduled(3, drain)
    batch = bells[0][1][0]
    workers = [threading.Thread(target=sending.send_batch, args=(batch,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sandbox.stats == {"requests": 1, "recipients": 3, "duplicates": 0, "duplicates_any": 0}
    assert book(issue)["accepted"] == 3


def test_preparing_twice_freezes_once(drain: Drain, sandbox: Sandbox) -> None:
    issue, _ = scheduled(3, drain)
    assert preparing.prepare(issue) is False
    assert book(issue)["candidates"] == 3


def test_scheduling_twice_sends_once(drain: Drain, sandbox: Sandbox) -> None:
    issue, _ = scheduled(3, drain)
    scheduling.schedule(issue, actor="test")
    drain()
    scheduling.schedule(issue, actor="test")
    drain()
    assert sandbox.stats["recipients"] == 3


def test_a_paused_issue_sends_no_more_batches_and_goes_on_when_resumed(
    drain: Drain, sandbox: Sandbox, small: Settings
) -> None:
    issue, _ = scheduled(50, drain)
    drain(at_most=2)
    scheduling.pause(issue, actor="test")
    drain()
    assert (state(issue), book(issue)["accepted"], book(issue)["pending"]) == ("paused", 20, 30)
    scheduling.resume(issue, actor="test")
    sweeping.sweep_sending()
    drain()
    assert (state(issue), book(issue)["accepted"]) == ("sent", 50)
    assert sandbox.stats["duplicates"] == 0


def test_a_cancelled_issue_accounts_for_those_who_did_not_get_it(
    drain: Drain, sandbox: Sandbox, small: Settings
) -> None:
    issue, _ = scheduled(30, drain)
    drain(at_most=1)
    assert scheduling.cancel(issue, actor="test") == 20
    drain()
    ledger = book(issue)
    assert (state(issue), ledger["accepted"], ledger["excluded"], ledger["closed"]) == (
        "cancelled",
        10,
        {"cancelled": 20},
        True,
    )
    assert sandbox.stats["recipients"] == 10


def test_the_stop_switch_holds_even_a_claimed_batch(drain: Drain, sandbox: Sandbox, sql: Sql, bells: list[Any]) -> None:
    issue, _ = scheduled(3, drain)
    claim = _claim(bells[0][1][0])
    assert claim is not None
    sql("UPDATE installation SET stopped_at = now()")
    assert _arm(claim, b"") is False
    drain()
    assert sandbox.stats["requests"] == 0
    assert book(issue)["pending"] == 3


def test_a_worker_with_another_key_refuses_to_claim_and_says_so(
    drain: Drain, sandbox: Sandbox, other_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    issue, _ = scheduled(3, drain)
    other_settings(sendgrid_api_key="SG.another.key")
    drain()
    assert sandbox.stats["requests"] == 0
    assert book(issue)["pending"] == 3
    assert "a worker refused to send it" in str(reporting.show(issue)["issue"]["state_reason"])
    assert "refused: another provider" in caplog.text


def test_a_worker_without_a_key_refuses_to_prepare(
    drain: Drain, sandbox: Sandbox, other_settings: Callable[..., Settings]
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(2))
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    other_settings(sendgrid_api_key="", sandbox=False)
    drain()
    assert state(issue) == "scheduled"
    assert "a worker refused to send it" in str(reporting.show(issue)["issue"]["state_reason"])


def test_an_issue_due_long_ago_is_held_for_a_person(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(2))
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    sql("UPDATE issues SET scheduled_at = now() - interval '3 hours'")
    drain()
    assert state(issue) == "held"
    scheduling.resume(issue, actor="test")
    drain()
    assert state(issue) == "sent"


def test_an_audience_above_the_newsletters_maximum_is_held(drain: Drain, sandbox: Sandbox) -> None:
    newsletter = a_newsletter(maximum_audience=2)
    readers(newsletter, people(3))
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    drain()
    assert state(issue) == "held"
    assert sandbox.stats["requests"] == 0


def test_readers_without_a_value_for_a_tag_without_fallback_are_excluded_and_counted(
    drain: Drain, sandbox: Sandbox
) -> None:
    newsletter = a_newsletter()
    nothing = {"reader00002@readers.example": " \u3000", "reader00003@readers.example": "\u200e\u2003"}
    readers(newsletter, people(4), names={"reader00001@readers.example": "Mei", **nothing})
    issue = an_issue(newsletter, "# News\n\nDear {{ first_name }}, hello.\n")
    scheduling.schedule(issue, actor="test")
    drain()
    assert book(issue)["excluded"] == {"render_error": 3}
    assert "Dear Mei" in sandbox.messages("reader00001@readers.example")[0]["text"]


def test_values_are_escaped_for_where_they_land_and_cannot_smuggle_a_marker(
    drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    newsletter = a_newsletter()
    issue = an_issue(newsletter)
    marker = sql("SELECT marker FROM issues")[0][0]
    readers(newsletter, ["a@readers.example"], names={"a@readers.example": f"<b>-{marker}-1-"})
    scheduling.schedule(issue, actor="test")
    drain()
    mail = sandbox.messages("a@readers.example")[0]
    assert "&lt;b&gt;" in mail["html"]
    assert "<b>" in mail["text"]
    assert marker not in mail["html"]


def test_worst_case_values_cut_the_batches_smaller(
    drain: Drain, sandbox: Sandbox, other_settings: Callable[..., Settings]
) -> None:
    other_settings(substitution_bytes=50_000)
    sandbox.script(substitution_limit="request")
    issue, _ = scheduled(300, drain)
    drain()
    assert book(issue)["accepted"] == 300
    assert sandbox.stats["requests"] > 1


def test_the_same_content_never_reaches_a_reader_twice_even_as_two_issues_at_once(
    drain: Drain, sandbox: Sandbox
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(6))
    issues = [an_issue(newsletter) for _ in range(3)]
    for issue in issues:
        scheduling.schedule(issue, actor="test")
    freezes = [threading.Thread(target=preparing.prepare, args=(issue,)) for issue in issues]
    for freeze in freezes:
        freeze.start()
    for freeze in freezes:
        freeze.join()
    drain()
    assert sorted(book(issue)["accepted"] for issue in issues) == [0, 0, 6]
    assert sorted(book(issue)["excluded"].get("already_sent", 0) for issue in issues) == [0, 6, 6]
    assert sandbox.stats == {"requests": 1, "recipients": 6, "duplicates": 0, "duplicates_any": 0}


def test_content_that_a_person_sends_again_on_purpose_is_sent_again(drain: Drain, sandbox: Sandbox) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(2))
    for audience in ({}, {"again": True}):
        scheduling.schedule(an_issue(newsletter, audience=audience), actor="test")
        drain()
    assert sandbox.stats["recipients"] == 4


def test_who_missed_it_by_a_cancelled_issue_may_still_get_the_content(
    drain: Drain, sandbox: Sandbox, small: Settings
) -> None:
    issue, _ = scheduled(30, drain)
    drain(at_most=1)
    scheduling.cancel(issue, actor="test")
    with transaction() as tx:
        newsletter = tx.execute("SELECT newsletter_id FROM issues").scalar_one()
    second = an_issue(newsletter)
    scheduling.schedule(second, actor="test")
    drain()
    assert (book(second)["accepted"], book(second)["excluded"]) == (20, {"already_sent": 10})
    assert sandbox.stats["duplicates_any"] == 0


def test_a_halt_stops_every_issue_and_its_end_goes_on(drain: Drain, sandbox: Sandbox) -> None:
    issue, _ = scheduled(3, drain)
    scheduling.halt(reason="a wrong link", actor="test")
    drain()
    assert sandbox.stats["requests"] == 0
    assert reporting.show(issue)["issue"]["state_reason"] == "everything is halted: a wrong link"
    scheduling.unhalt(actor="test")
    sweeping.sweep_sending()
    drain()
    assert state(issue) == "sent"


def test_an_answer_in_hand_survives_a_restart_of_the_database(
    drain: Drain, sandbox: Sandbox, sql: Sql, bells: list[Any]
) -> None:
    """The connections are cut while the request is under way."""
    sandbox.script(latency_ms=800)
    issue, _ = scheduled(3, drain)
    worker = threading.Thread(target=sending.send_batch, args=(bells.pop(0)[1][0],))
    worker.start()
    for _ in range(4):
        time.sleep(0.2)
        sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    worker.join()
    assert sandbox.stats["recipients"] in (0, 3)
    if sandbox.stats["recipients"]:
        assert book(issue)["accepted"] == 3
