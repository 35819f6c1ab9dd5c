"""The comparison of the database with what this machine has seen: every path that takes something to be sent holds it."""

from typing import Any

import pytest

from service import epoch, queue, wiring
from service.db import transaction
from service.errors import BroadsheetError, Conflict, Invalid
from service.operations import (
    alarms,
    epochs,
    mailing,
    overall,
    preparing,
    scheduling,
    seeding,
    sending,
    sweeping,
    team_mails,
)
from service.operations.epochs import Standing
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.operations.test_sending import Drain, Sql, book, scheduled, small, state

__all__ = ["small"]


def standing() -> Standing:
    with transaction() as tx:
        return epochs.compare(tx).standing


def go_back(sql: Sql) -> None:
    """The database as it was before this machine saw it last."""
    sql("UPDATE installation SET marked_at = now() - interval '1 hour'")
    assert epochs.keep() is Standing.SAME
    sql("UPDATE installation SET mark = mark - 1")


def test_what_a_machine_has_seen_grows_with_time_and_with_every_request(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings
) -> None:
    assert standing() is Standing.SAME
    before = epoch.seen()
    epochs.keep()
    assert epoch.seen().mark == before.mark + 1
    epochs.keep()
    assert epoch.seen().mark == before.mark + 1, "once a minute"
    sql("UPDATE installation SET mark = mark + 4, marked_at = now()")  # as another machine does it
    epochs.keep()
    assert epoch.seen().mark == before.mark + 5
    scheduled(20, drain)
    drain()
    (last,) = sql("SELECT id::text FROM attempts ORDER BY armed_at DESC LIMIT 1")[0]
    assert epoch.seen().attempt == last


def test_an_older_database_prepares_claims_and_arms_nothing(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings, bells: list[Any]
) -> None:
    """By every bell, before a sweep has noticed anything."""
    issue, _ = scheduled(20, drain)
    (batch, *_) = [bell[1][0] for bell in bells if bell[0] == queue.SEND_BATCH]
    claim = sending._claim(batch)
    assert claim is not None
    other = an_issue(sql("SELECT newsletter_id FROM issues")[0][0])
    scheduling.schedule(other, actor="test")
    go_back(sql)
    sending._send(claim)
    drain()
    assert not preparing.prepare(other)
    assert (sandbox.stats["requests"], state(issue), state(other)) == (0, "sending", "scheduled")
    assert book(issue)["pending"] == 20


def test_a_database_that_lacks_the_last_request_is_older_whatever_its_mark(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings
) -> None:
    """As when a dump was made a second before a batch was sent, and put back a second after."""
    issue, _ = scheduled(20, drain)
    drain(at_most=1)
    assert sandbox.stats["requests"] == 1
    sql("SET session_replication_role = replica; UPDATE attempts SET state = 'claimed', armed_at = NULL")
    assert standing() is Standing.OLDER
    drain()
    assert sandbox.stats["requests"] == 1
    sweeping.sweep_sending()
    assert (standing(), state(issue)) == (Standing.RESTORED, "held")


def test_noticing_holds_every_issue_tells_people_and_settles_what_waited(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings, bells: list[Any]
) -> None:
    first, _ = scheduled(20, drain)
    newsletter = sql("SELECT newsletter_id FROM issues")[0][0]
    second, draft = an_issue(newsletter, "# Two\n\nHello\n"), an_issue(newsletter, "# Three\n\nHello\n")
    scheduling.schedule(second, actor="test")
    sql(
        """INSERT INTO signups (address, normalised_address, email_key, language, choices, form, network, user_agent)
           VALUES ('old@readers.example', 'old@readers.example', %s, 'en', '[]', 'page', '192.0.2.0/24', 'Firefox')""",
        email_key("old@readers.example"),
    )
    with transaction() as tx:
        mailing.ask_for(
            tx, "manage", email_key=email_key("reader00000@readers.example"), language="en", newsletter_id=newsletter
        )
    go_back(sql)
    sweeping.sweep_sending()
    drain()
    assert (state(first), state(second), state(draft)) == ("held", "held", "draft")
    assert sql("SELECT state FROM signups") == [("limited",)]
    assert [row[0] for row in sql("SELECT state FROM mails")] == ["failed"]
    assert sandbox.stats["requests"] == 0
    assert "this database was restored" in str(overall.status()["halted"])
    assert [one["kind"] for one in alarms.listed(actor="test") if one["kind"] == "restored"] == ["restored"]
    with pytest.raises(Conflict, match="epoch accept"):
        scheduling.resume(first, actor="test")
    with pytest.raises(Conflict, match="epoch accept"):
        scheduling.schedule(draft, actor="test")
    assert (state(first), state(draft)) == ("held", "draft")


def test_marks_do_not_grow_their_way_out(drain: Drain, sql: Sql) -> None:
    go_back(sql)
    for _ in range(3):
        sql("UPDATE installation SET marked_at = now() - interval '1 hour', restored_at = NULL")
        epochs.keep()
    assert standing() is Standing.RESTORED


def test_who_asks_after_the_restore_is_answered(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    newsletter = a_newsletter()
    readers(newsletter, ["ann@readers.example"])
    go_back(sql)

    def ask() -> None:
        with transaction() as tx:
            reader = tx.execute("SELECT id FROM subscribers").scalar_one()
            link = tx.execute(
                "INSERT INTO links (subscriber_id, expires_at) VALUES (:id, now() + interval '1 hour') RETURNING id",
                id=reader,
            ).scalar_one()
            mailing.ask_for(
                tx, "manage", email_key=email_key("ann@readers.example"), language="en", newsletter_id=newsletter,
                subscriber_id=reader, link_id=link,
            )  # fmt: skip

    ask()
    drain()
    assert sandbox.stats["requests"] == 0, "before it is noticed, nobody can tell who asked when"
    epochs.keep()
    drain()
    ask()
    drain()
    assert [row[0] for row in sql("SELECT state FROM mails ORDER BY id")] == ["failed", "sent"]


def test_no_seed_goes_out_of_an_older_database(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    issue, _ = scheduled(1, drain)
    sql("UPDATE newsletters SET seeds = ARRAY['colleague@firm.example']")
    go_back(sql)
    seeding.send(issue)
    assert (sandbox.stats["requests"], sql("SELECT seeded_at FROM issues")) == (0, [(None,)])


def test_the_last_batches_of_readers_hours_wait_too(drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings) -> None:
    """Their hour comes within the two hours in which lateness is no reason to hold."""
    issue, _ = scheduled(20, drain)
    sql("UPDATE batches SET not_before = now() - interval '1 minute'")
    sql("UPDATE issues SET local_at = now()::timestamp")
    go_back(sql)
    sweeping.sweep_sending()
    drain()
    assert (state(issue), sandbox.stats["requests"]) == ("held", 0)


def test_accepting_is_a_persons_and_leaves_each_issue_to_a_person(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings
) -> None:
    issue, _ = scheduled(20, drain)
    with pytest.raises(Conflict, match="nothing to accept"):
        epochs.accept(reason="why not", actor="test")
    go_back(sql)
    with pytest.raises(Invalid, match="Say why"):
        epochs.accept(reason=" ", actor="test")
    with pytest.raises(Conflict, match="not the machine that is new"):
        epochs.join(reason="let me", actor="test")
    assert epochs.accept(reason="Monday's backup", actor="test") == 1
    assert standing() is Standing.SAME
    sweeping.sweep_sending()
    drain()
    assert (state(issue), sandbox.stats["requests"]) == ("held", 0)
    assert sql("SELECT count(*) FROM audit_entries WHERE action = 'accept restored' AND actor = 'test'") == [(1,)]
    assert [one for one in alarms.listed(actor="test") if one["kind"] == "restored"] == []
    scheduling.resume(issue, actor="test")
    drain()
    assert (state(issue), sandbox.stats["recipients"]) == ("sent", 20)


def test_going_back_to_the_line_that_was_given_up_is_noticed(drain: Drain, sql: Sql) -> None:
    go_back(sql)
    (given_up,) = sql("SELECT mark + 100 FROM installation")[0]
    epochs.accept(reason="Monday's backup", actor="test")
    sql("UPDATE installation SET mark = %s", given_up)
    assert standing() is Standing.OLDER


def test_another_installations_file_and_none_are_told_apart_from_an_older_database(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings
) -> None:
    issue, _ = scheduled(20, drain)
    name = epoch.seen().installation
    for begun, expected in ((("f" * 32, 3, "now"), Standing.ANOTHER), (("", 0, ""), Standing.NEW)):
        epoch.begin(*begun)
        assert standing() is expected
        with pytest.raises(BroadsheetError, match="epoch join"):
            epochs.refuse_unless_same()
        sweeping.sweep_sending()
        drain()
        assert (sandbox.stats["requests"], state(issue)) == (0, "sending"), "other machines may be right"
    epochs.join(reason="a second machine", actor="test")
    assert (standing(), epoch.seen().installation) == (Standing.SAME, name)
    sql("UPDATE batches SET rung_at = NULL")
    sweeping.sweep_sending()
    drain()
    assert state(issue) == "sent"


def test_a_database_from_before_names_were_given_is_older_where_one_was_seen(drain: Drain, sql: Sql) -> None:
    scheduled(1, drain)
    sql("UPDATE installation SET epoch = NULL, mark = 0")
    wiring.check_installation()
    assert standing() is Standing.OLDER


def test_a_file_that_cannot_be_written_stops_sending_and_loses_nothing(
    drain: Drain, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, small: Settings
) -> None:
    issue, _ = scheduled(20, drain)

    def full(_attempt: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(epoch, "remember_attempt", full)
    drain(at_most=2)
    assert (sandbox.stats["requests"], book(issue)["pending"], book(issue)["unknown"]) == (0, 20, 0)


def test_the_teams_mails_that_waited_are_not_sent_and_new_ones_are(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    a_newsletter()
    sql("INSERT INTO operators (name, address, role) VALUES ('Ada', 'ada@firm.example', 'owner')")
    sql("INSERT INTO team_mails (operator_id, kind) SELECT id, 'reset' FROM operators")
    go_back(sql)
    team_mails.sweep()
    drain()
    assert sandbox.stats["requests"] == 0
    epochs.keep()
    team_mails.sweep()
    drain()
    assert sql("SELECT kind, state FROM team_mails ORDER BY id") == [("reset", "failed"), ("alarm", "sent")]
