"""Who may be written to again because a person says so, and who may not."""

from collections.abc import Callable
from typing import Any

import pytest

from service.db import transaction
from service.errors import Invalid, NotFound
from service.operations.suppressing import lift, suppress
from service.settings import Settings
from service.tokens import email_key

Sql = Callable[..., list[Any]]
MEI = "mei@readers.example"


def suppressed(*kinds: str) -> None:
    with transaction() as tx:
        for kind in kinds:
            suppress(tx, email_key(MEI), kind=kind, source="test")


def in_force(sql: Sql) -> list[str]:
    return [kind for (kind,) in sql("SELECT kind FROM suppressions WHERE lifted_at IS NULL ORDER BY kind")]


def test_a_bounce_is_lifted_with_a_reason_that_is_kept(database: Settings, sql: Sql) -> None:
    suppressed("hard-bounce", "left-all")
    with pytest.raises(Invalid, match="Say why"):
        lift(MEI, reason=" ", actor="test")
    assert lift(f" {MEI.upper()} ", reason="the mailbox is back", actor="Ann") == ["hard-bounce"]
    assert in_force(sql) == ["left-all"], "what the reader left is theirs"
    assert sql("SELECT lifted_because FROM suppressions WHERE kind = 'hard-bounce'") == [("the mailbox is back",)]
    ((actor, details),) = sql("SELECT actor, details FROM audit_entries WHERE action = 'lift suppression'")
    assert (actor, details["kind"], details["reason"]) == ("Ann", "hard-bounce", "the mailbox is back")
    assert "readers.example" not in str(sql("SELECT * FROM audit_entries"))


def test_a_complaint_is_lifted_only_at_the_readers_own_request(database: Settings, sql: Sql) -> None:
    suppressed("complaint", "hard-bounce")
    with pytest.raises(Invalid, match="how they asked"):
        lift(MEI, reason="a mistake, surely", actor="test")
    assert in_force(sql) == ["complaint", "hard-bounce"]
    assert lift(MEI, reason="a mistake", request="their letter of 3 March", actor="test") == [
        "complaint",
        "hard-bounce",
    ]
    assert in_force(sql) == []


def test_nobody_brings_a_reader_back_who_left_everything(database: Settings, sql: Sql) -> None:
    suppressed("left-all")
    with pytest.raises(NotFound, match="Nobody else can take that back"):
        lift(MEI, reason="we miss them", request="none", actor="test")
    assert in_force(sql) == ["left-all"]
    with pytest.raises(NotFound, match="not suppressed"):
        lift("other@readers.example", reason="a mistake", actor="test")
