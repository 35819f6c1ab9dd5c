"""Seeds get each issue once, in no count; and nobody who is a reader gets two."""

from collections.abc import Callable
from typing import Any

import pytest

from service.errors import Invalid
from service.operations import issue_report, leaving, newsletter_settings, scheduling, seeding, suppressing, sweeping
from service.tokens import Purpose, Signer
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]


@pytest.fixture
def issue(web: str) -> int:
    newsletter = a_newsletter()
    readers(newsletter, ["mei@readers.example", "both@team.example"])
    newsletter_settings.change(
        "monthly", actor="test", seeds=["ada@team.example", "Both@team.example", "never@team.example"]
    )
    suppressing.suppress_addresses(["never@team.example"], reason="asked", actor="test")
    return an_issue(newsletter)


def test_each_seed_gets_it_once_and_is_in_no_count(issue: int, sql: Sql, drain: Drain, sandbox: Sandbox) -> None:
    sweeping.sweep_sending()
    drain()
    assert sandbox.messages("ada@team.example") == [], "a draft is not sent to anybody"
    gone = readers(sql("SELECT id FROM newsletters")[0][0], ["left@team.example"])[0]
    leaving.leave(Signer(Purpose.LEAVE).sign(gone), method="page")
    sql("UPDATE newsletters SET seeds = array_append(seeds, 'left@team.example')")
    scheduling.schedule(issue, actor="test")
    for _ in range(3):
        drain()
        sweeping.sweep_sending()
    drain()
    (message,) = sandbox.messages("ada@team.example")
    assert message["subject"] == "News of the month"
    assert len(sandbox.messages("both@team.example")) == 1, "a reader gets one copy"
    assert sandbox.messages("never@team.example") == sandbox.messages("left@team.example") == []
    found = issue_report.of_issue(issue, actor="console")
    assert (found["ledger"]["candidates"], found["ledger"]["accepted"]) == (2, 2)
    assert sql("SELECT count(*) FROM deliveries") == [(2,)]
    seeding.send(issue)
    assert len(sandbox.messages("ada@team.example")) == 1
    assert "team.example" not in str(sql("SELECT details FROM audit_entries"))


def test_while_everything_is_stopped_seeds_wait(issue: int, sql: Sql, drain: Drain, sandbox: Sandbox) -> None:
    scheduling.schedule(issue, actor="test")
    drain()
    scheduling.halt(reason="a wrong link", actor="test")
    sql("UPDATE issues SET seeded_at = NULL")
    seeding.send(issue)
    assert sql("SELECT seeded_at FROM issues") == [(None,)]


@pytest.mark.parametrize(
    ("seeds", "told"), [(["nobody"], "The seed nobody"), ([f"a{n}@team.example" for n in range(11)], "are the most")]
)
def test_what_is_no_seed_is_refused(web: str, seeds: list[str], told: str) -> None:
    a_newsletter()
    with pytest.raises(Invalid, match=told):
        newsletter_settings.change("monthly", actor="test", seeds=seeds)
