"""A newsletter that needs its readers' consent to the transfer abroad: nobody is mailed who has not given it, or took it back."""

from collections.abc import Callable
from typing import Any

import pytest

from service.operations import scheduling
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.operations.test_sending import Drain, book

Sql = Callable[..., list[Any]]

AGREED, UNASKED, OBJECTED = (f"{name}@readers.example" for name in ("agreed", "unasked", "objected"))


@pytest.fixture
def issue(database: object, sandbox: Sandbox, sql: Sql) -> int:
    """To three readers: one agreed, one was never asked, one objected."""
    newsletter = a_newsletter()
    readers(newsletter, [AGREED, UNASKED, OBJECTED])
    for address, answer in ((AGREED, "agreed"), (OBJECTED, "objected")):
        sql(
            "UPDATE subscriptions SET export_consent = %s WHERE subscriber_id = (SELECT id FROM subscribers WHERE address = %s)",
            answer,
            address,
        )
    return an_issue(newsletter)


def reasons(sql: Sql) -> dict[str, str | None]:
    return dict(sql("SELECT s.address, d.excluded FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id"))


def test_only_who_agreed_to_the_transfer_gets_it_where_that_is_needed(
    issue: int, drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    sql("UPDATE newsletters SET needs_export_consent = true")
    scheduling.schedule(issue, actor="test")
    drain(at_most=1)
    assert reasons(sql) == {AGREED: None, UNASKED: "no_export_consent", OBJECTED: "no_export_consent"}, "at the freeze"
    drain()
    assert [len(sandbox.messages(one)) for one in (AGREED, UNASKED, OBJECTED)] == [1, 0, 0]
    ledger = book(issue)
    assert (ledger["candidates"], ledger["accepted"], ledger["excluded"]) == (3, 1, {"no_export_consent": 2})
    assert ledger["closed"]


def test_where_it_is_not_needed_nobody_is_left_out_for_it(issue: int, drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    scheduling.schedule(issue, actor="test")
    drain()
    assert set(reasons(sql).values()) == {None}
    assert book(issue)["accepted"] == 3


def test_who_takes_it_back_between_freeze_and_claim_gets_nothing(
    issue: int, drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    sql("UPDATE newsletters SET needs_export_consent = true")
    scheduling.schedule(issue, actor="test")
    drain(at_most=1)
    assert reasons(sql)[AGREED] is None, "frozen as one who gets it"
    sql("UPDATE subscriptions SET export_consent = 'objected'")
    drain()
    assert reasons(sql)[AGREED] == "no_export_consent"
    assert sandbox.messages(AGREED) == []
    ledger = book(issue)
    assert (ledger["accepted"], ledger["excluded"]) == (0, {"no_export_consent": 3})
    assert ledger["closed"]


def test_a_newsletter_that_comes_to_need_it_after_the_freeze_keeps_to_it(
    issue: int, drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    scheduling.schedule(issue, actor="test")
    drain(at_most=1)
    sql("UPDATE newsletters SET needs_export_consent = true")
    drain()
    assert [len(sandbox.messages(one)) for one in (AGREED, UNASKED, OBJECTED)] == [1, 0, 0]
