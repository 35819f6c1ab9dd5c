"""When it is better to stop, or to say something: outages, poison, long sleeps, locks held by others; and who may still get
what they missed."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from service import queue, wiring
from service.errors import BroadsheetError
from service.operations import importing, leaving, repeating, reporting, scheduling, sending, sweeping
from service.operations.authoring import Source
from service.operations.repeating import Plan
from service.settings import Settings
from service.tokens import Purpose, Signer
from tests.builders import a_newsletter, an_issue, people, readers
from tests.conftest import Sandbox
from tests.operations.test_sending import Change, Drain, Sql, book, due, scheduled, small, state

__all__ = ["small"]


@pytest.fixture
def locked(database: Settings) -> Iterator[Callable[[str], psycopg.Connection[Any]]]:
    """Hold locks in a transaction of somebody else's."""
    address = make_url(database.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:

        def hold(statement: str) -> psycopg.Connection[Any]:
            connection.execute(statement)
            return connection

        yield hold


def test_an_outage_pauses_the_issue_before_every_batch_is_unknown(
    drain: Drain, sandbox: Sandbox, other_settings: Change
) -> None:
    other_settings(batch_size=1)
    sandbox.script(rules=[{"when": {"every": 1}, "do": "503"}])
    issue, _ = scheduled(40, drain)
    drain()
    assert (state(issue), book(issue)["unknown"], book(issue)["pending"]) == ("paused", 5, 35)
    assert "in a row were unknown" in str(reporting.show(issue)["issue"]["state_reason"])


def test_a_connection_that_never_stands_is_said(
    drain: Drain, sandbox: Sandbox, sql: Sql, other_settings: Change
) -> None:
    other_settings(sendgrid_url="http://127.0.0.1:1")
    issue, _ = scheduled(3, drain)
    for _ in range(4):
        due(sql)
        sweeping.sweep_sending()
        drain()
    assert "tried 4 times" in str(reporting.show(issue)["issue"]["state_reason"])
    assert book(issue)["pending"] == 3


def test_a_batch_that_cannot_be_built_is_given_back_and_at_last_pauses_the_issue(
    drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    issue, _ = scheduled(2, drain)
    sql("UPDATE deliveries SET values = ARRAY['one']")
    for _ in range(8):
        with suppress(Exception):
            drain()
        due(sql)
        sweeping.sweep_sending()
    assert state(issue) == "paused"
    assert book(issue)["pending"] == 2
    assert sandbox.stats["requests"] == 0


def test_a_freeze_that_fails_is_said_and_tried_again(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(3))
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    sql("ALTER TABLE cohorts RENAME TO cohorts_away")
    try:
        with pytest.raises(Exception, match="cohorts"):
            drain()
    finally:
        sql("ALTER TABLE cohorts_away RENAME TO cohorts")
    assert "preparing it failed" in str(reporting.show(issue)["issue"]["state_reason"])
    sql("UPDATE issues SET lease_until = now() - interval '1 second'")
    sweeping.sweep_sending()
    drain()
    assert (state(issue), book(issue)["accepted"]) == ("sent", 3)


def test_an_issue_that_slept_for_hours_is_held_and_not_taken_up_by_itself(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings, bells: list[Any]
) -> None:
    """As after a night without workers, or when yesterday's backup was restored."""
    issue, _ = scheduled(30, drain)
    drain(at_most=1)
    sql("UPDATE issues SET prepared_at = now() - interval '5 hours'")
    sql("UPDATE attempts SET claimed_at = now() - interval '5 hours'")
    drain()
    assert sandbox.stats["recipients"] == 10, "not even by a bell that was rung before"
    sweeping.sweep_sending()
    assert state(issue) == "held"
    scheduling.resume(issue, actor="test")
    drain()
    assert (state(issue), sandbox.stats["recipients"], sandbox.stats["duplicates"]) == ("sent", 30, 0)


@pytest.mark.slow
def test_who_leaves_while_arming_waits_for_a_lock_gets_nothing(
    drain: Drain, sandbox: Sandbox, bells: list[Any], locked: Callable[[str], psycopg.Connection[Any]]
) -> None:
    """The claim's look at consent grows too old while arming waits; nothing was written yet, and nothing may be."""
    issue, subscriptions = scheduled(2, drain)
    claim = sending._claim(bells[0][1][0])
    assert claim is not None
    other = locked(f"SELECT FROM batches WHERE id = {claim.batch_id} FOR UPDATE")
    worker = threading.Thread(target=sending._send, args=(claim,))
    worker.start()
    time.sleep(sending.GREATEST_AGE + 0.5)
    assert leaving.leave(Signer(Purpose.LEAVE).sign(subscriptions[0]), method="one-click").fresh
    other.rollback()
    worker.join()
    assert (sandbox.stats["requests"], book(issue)["pending"]) == (0, 2)


def test_cancelling_and_claiming_at_one_moment_both_succeed(
    drain: Drain, sandbox: Sandbox, bells: list[Any], locked: Callable[[str], psycopg.Connection[Any]]
) -> None:
    issue, _ = scheduled(2, drain)
    failures: list[BaseException] = []

    def careful(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            failures.append(error)

    other = locked(f"SELECT FROM batches WHERE issue_id = {issue} FOR UPDATE")
    both = [
        threading.Thread(target=careful, args=(lambda: scheduling.cancel(issue, actor="test"),)),
        threading.Thread(target=careful, args=(lambda: sending.send_batch(bells[0][1][0]),)),
    ]
    for one in both:
        one.start()
    time.sleep(0.5)
    assert state(issue) == "cancelled", "the decision stands at once"
    other.rollback()
    for one in both:
        one.join()
    sweeping.sweep_sending()
    assert failures == []
    assert book(issue)["accepted"] + book(issue)["excluded"].get("cancelled", 0) == 2


def test_an_audience_above_the_maximum_is_let_through_by_its_typed_number_only(drain: Drain, sandbox: Sandbox) -> None:
    newsletter = a_newsletter(maximum_audience=2)
    readers(newsletter, people(3))
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    for audience in (None, 2):
        drain()
        assert state(issue) == "held"
        assert "--audience 3" in str(reporting.show(issue)["issue"]["state_reason"])
        scheduling.resume(issue, actor="test", audience=audience)
    drain()
    scheduling.resume(issue, actor="test", audience=3)
    drain()
    assert state(issue) == "sent"


def test_an_installation_is_for_trials_or_for_real_mail_and_never_both(
    drain: Drain, sandbox: Sandbox, other_settings: Change
) -> None:
    issue, _ = scheduled(1, drain)
    drain()
    assert state(issue) == "sent"
    other_settings(sandbox=False)
    with pytest.raises(BroadsheetError, match="another BROADSHEET_HOME"):
        wiring.check_installation()


def planned(folder: Path, newsletter: int, rows_of_csv: str, text: str = "# News\n\nHello\n") -> Plan:
    file = folder / "people.csv"
    file.write_text(rows_of_csv)
    report = importing.import_subscribers(file, newsletter_id=newsletter, consent="at the fair")
    plan = repeating.plan(
        Source(text, folder),
        newsletter_id=newsletter,
        import_id=report.import_id,
        subject=None,
        again=False,
        actor="test",
    )
    if not plan.repeated:
        scheduling.schedule(plan.issue_id, actor="test")
    return plan


def test_two_files_with_one_text_at_one_moment_leave_nobody_out(drain: Drain, sandbox: Sandbox, tmp_path: Path) -> None:
    newsletter = a_newsletter()
    first = planned(tmp_path, newsletter, "email\na@readers.example\nb@readers.example\n")
    assert not planned(tmp_path, newsletter, "email\nb@readers.example\nc@readers.example\n").repeated
    assert planned(tmp_path, newsletter, "email\na@readers.example\n").issue_id == first.issue_id, (
        "all of it is on its way"
    )
    drain()
    assert [len(sandbox.messages(f"{name}@readers.example")) for name in "abc"] == [1, 1, 1]


def test_who_got_nothing_for_want_of_a_value_gets_it_when_the_value_is_there(
    drain: Drain, sandbox: Sandbox, tmp_path: Path
) -> None:
    newsletter, text = a_newsletter(), "# News\n\nDear {{ first_name }}, hello\n"
    first = planned(tmp_path, newsletter, "email,first_name\na@readers.example,Ann\nb@readers.example,\n", text)
    drain()
    assert book(first.issue_id)["excluded"] == {"render_error": 1}
    second = planned(tmp_path, newsletter, "email,first_name\na@readers.example,Ann\nb@readers.example,Bob\n", text)
    drain()
    assert (second.readers, book(second.issue_id)["excluded"]) == (1, {"already_sent": 1})
    assert [len(sandbox.messages(f"{name}@readers.example")) for name in "ab"] == [1, 1]


def test_who_was_refused_once_can_be_reached_after_mending(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    sandbox.script(reject_addresses=["reader00001@readers.example"])
    scheduled(3, drain)
    drain()
    due(sql)
    sweeping.sweep_sending()
    drain()
    sandbox.call("DELETE", "/sandbox/script")
    sandbox.script(events={"enabled": False})
    second = an_issue(sql("SELECT newsletter_id FROM issues")[0][0])
    scheduling.schedule(second, actor="test")
    drain()
    assert len(sandbox.messages("reader00001@readers.example")) == 1
    assert sandbox.stats["duplicates_any"] == 0


def test_a_bell_whose_claim_failed_is_rung_again_at_once(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    issue, _ = scheduled(2, drain)
    sql("ALTER TABLE suppressions RENAME TO suppressions_away")
    try:
        with pytest.raises(Exception, match="suppressions"):
            drain(only=queue.SEND_BATCH)
    finally:
        sql("ALTER TABLE suppressions_away RENAME TO suppressions")
    sweeping.sweep_sending()
    drain()
    assert state(issue) == "sent"
