"""Several machines, each with what it has seen: one person's decision is enough, and hides nothing that comes after it."""

import uuid

import pytest

from service import epoch
from service.epoch import Seen
from service.errors import Conflict
from service.operations import epochs, scheduling, sweeping
from service.operations.epochs import Standing
from service.settings import Settings
from tests.conftest import Sandbox
from tests.operations.test_epochs import go_back, standing
from tests.operations.test_sending import Drain, Sql, scheduled, small, state

__all__ = ["small"]


def be(machine: Seen) -> None:
    """This process is on that machine from now on."""
    epoch.begin(machine.installation, machine.mark, machine.marked_at)
    if machine.attempt:
        epoch.remember_attempt(machine.attempt)


def accepted(sql: Sql) -> tuple[Seen, Seen]:
    """A database was put back, and one of two machines has accepted it. What both know: the other's last request is lost."""
    before = epoch.seen()
    other = Seen(before.installation, before.mark + 3, "a moment ago", str(uuid.uuid4()))
    be(other)
    assert epochs.keep() is Standing.OLDER
    be(before)
    epochs.accept(reason="Monday's backup", actor="test")
    return epoch.seen(), other


def test_what_one_machine_accepts_the_others_go_along_with(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings
) -> None:
    issue, _ = scheduled(20, drain)
    first, other = accepted(sql)
    be(other)
    scheduling.resume(issue, actor="test")
    drain()
    assert sandbox.stats["requests"] == 0, "not before this machine's file says that it goes along"
    assert epochs.keep() is Standing.SAME
    assert (epoch.seen().attempt, epoch.seen().mark >= first.mark) == ("", True)
    sql("UPDATE batches SET rung_at = NULL")
    sweeping.sweep_sending()
    drain()
    assert (state(issue), sandbox.stats["recipients"]) == ("sent", 20)
    with pytest.raises(Conflict, match="nothing to accept"):
        epochs.accept(reason="once more", actor="test")


def test_a_database_that_is_put_back_after_the_decision_is_noticed(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings
) -> None:
    issue, _ = scheduled(20, drain)
    _, other = accepted(sql)
    be(other)
    epochs.keep()
    scheduling.resume(issue, actor="test")
    drain()
    assert epoch.seen().attempt not in ("", other.attempt)
    sql("SET session_replication_role = replica; UPDATE attempts SET state = 'claimed', armed_at = NULL")
    assert epochs.keep() is Standing.OLDER


def test_a_machine_that_lacks_nothing_notes_the_decision_before_it_sends(
    drain: Drain, sandbox: Sandbox, sql: Sql, small: Settings
) -> None:
    """Else what it sends in the next minute could not be told from what the decision was about."""
    issue, _ = scheduled(20, drain)
    third = epoch.seen()
    accepted(sql)
    be(third)
    scheduling.resume(issue, actor="test")
    drain()
    assert sandbox.stats["requests"] == 0
    assert standing() is Standing.SAME
    epochs.keep()
    sql("UPDATE batches SET rung_at = NULL")
    sweeping.sweep_sending()
    drain()
    assert state(issue) == "sent"


def test_who_knows_another_installation_more_than_the_decision_or_nothing_does_not_go_along(
    drain: Drain, sql: Sql
) -> None:
    first, other = accepted(sql)
    for machine, expected in (
        (Seen("f" * 32, 3, "now", other.attempt), Standing.ANOTHER),
        (Seen(), Standing.NEW),
        (Seen(other.installation, first.mark, "now", other.attempt), Standing.OLDER),
    ):
        be(machine)
        assert standing() is expected
    be(other)
    assert standing() is Standing.SAME
    sql("UPDATE installation SET mark = 10")  # the decision is of another line than the database
    assert standing() is Standing.OLDER


def test_a_decision_about_another_installations_database_is_followed_by_who_knew_the_same_one(
    drain: Drain, sql: Sql
) -> None:
    """As when the whole database was exchanged for one of another name."""
    knew = Seen("f" * 32, 3, "now", str(uuid.uuid4()))
    be(knew)
    epochs.accept(reason="the database of the other house", actor="test")
    be(knew)
    assert standing() is Standing.SAME
    be(Seen("e" * 32, 3, "now", str(uuid.uuid4())))
    assert standing() is Standing.ANOTHER


def test_a_file_that_was_written_meanwhile_is_not_overwritten(drain: Drain, sql: Sql) -> None:
    first, other = accepted(sql)
    be(first)
    epoch.follow(other, first.mark + 5, "later", first.installation)
    assert epoch.seen() == first


def test_a_second_loss_is_no_part_of_the_first_decision(drain: Drain, sql: Sql) -> None:
    _, other = accepted(sql)
    be(other)
    epochs.keep()
    go_back(sql)
    assert epochs.keep() is Standing.OLDER
    assert standing() is Standing.RESTORED
