"""Counts of what is too large to be counted for a page: the same as the rows say, as of when they were counted; small ones are always
as of now. Details of readers are known as soon as a reader has them."""

from collections.abc import Callable
from typing import Any

import pytest

from service.db import transaction
from service.operations import attention, authoring, counting, issue_report, scheduling
from tests.builders import a_newsletter, an_issue, people, readers
from tests.conftest import Sandbox

Sql = Callable[..., list[Any]]


@pytest.fixture
def issue(web: str, sql: Sql, drain: Callable[..., int], sandbox: Sandbox) -> int:
    newsletter = a_newsletter()
    readers(newsletter, people(6))
    made = an_issue(newsletter)
    scheduling.schedule(made, actor="test")
    drain()
    sql("UPDATE deliveries SET delivered_at = now()")
    return made


def opened(sql: Sql, number: int) -> None:
    sql("UPDATE deliveries SET opened_at = now() WHERE id IN (SELECT id FROM deliveries ORDER BY id LIMIT %s)", number)


def test_a_large_issue_is_counted_in_the_background(issue: int, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = issue_report.of_issue(issue, actor="console")
    monkeypatch.setattr(counting, "DIRECT", 5)
    assert issue_report.of_issue(issue, actor="console")["counted_at"] is None, "not counted yet: as of now"
    counting.count_issues()
    counted = issue_report.of_issue(issue, actor="console")
    assert counted["counted_at"] is not None
    assert {**counted, "counted_at": None} == direct
    opened(sql, 2)
    counting.count_issues()
    assert issue_report.of_issue(issue, actor="console")["events"]["opened"] == 0, "counted a moment ago"
    sql("UPDATE issue_counts SET counted_at = now() - interval '1 hour'")
    counting.count_issues()
    assert issue_report.of_issue(issue, actor="console")["events"]["opened"] == 2
    assert attention.overview("console")["last"][0]["events"]["opened"] == 2


def test_an_old_issue_is_counted_more_rarely(issue: int, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "DIRECT", 5)
    counting.count_issues()
    opened(sql, 1)
    sql("UPDATE issue_counts SET counted_at = now() - interval '10 minutes'")
    sql("UPDATE issues SET sent_at = now() - interval '30 days'")
    counting.count_issues()
    assert issue_report.of_issue(issue, actor="console")["events"]["opened"] == 0
    sql("UPDATE issue_counts SET counted_at = now() - interval '4 hours'")
    counting.count_issues()
    assert issue_report.of_issue(issue, actor="console")["events"]["opened"] == 1


def test_a_small_issue_is_always_as_of_now(issue: int, sql: Sql) -> None:
    counting.count_issues()
    assert sql("SELECT count(*) FROM issue_counts") == [(0,)]
    opened(sql, 3)
    assert issue_report.of_issue(issue, actor="console")["events"]["opened"] == 3


def test_growth_by_day_is_the_same_counted_before_or_now(web: str, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = a_newsletter(), a_newsletter("other")
    for newsletter, action, ago in (
        (first, "given", 0),
        (first, "given", 0),
        (first, "withdrawn", 3),
        (other, "given", 3),
        (other, "given", 40),
    ):
        sql(
            "INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, at, details) VALUES (sha256(gen_random_uuid()::text::bytea), %s, 'newsletter', %s, 'form', now() - make_interval(days => %s), '{}')",
            newsletter,
            action,
            ago,
        )
    with transaction() as tx:
        now = {only: counting.growth(tx, None if only is None else [only]) for only in (None, first, other)}
    assert [(one["joined"], one["gone"]) for one in now[None]] == [(2, 0), (1, 1)]
    assert [(one["joined"], one["gone"]) for one in now[other]] == [(1, 0)]
    monkeypatch.setattr(counting, "DIRECT", -1)
    sql("ANALYZE consent_records")
    counting.count_issues()
    counting.count_issues()
    with transaction() as tx:
        assert {only: counting.growth(tx, None if only is None else [only]) for only in (None, first, other)} == now


def test_details_are_known_as_soon_as_a_reader_has_them(web: str, sql: Sql) -> None:
    first, other = a_newsletter(), a_newsletter("other")

    def known(newsletter: int) -> frozenset[str]:
        with transaction() as tx:
            return authoring.fields_of(tx, newsletter)

    readers(first, ["mei@readers.example"])
    assert known(first) == frozenset()
    sql('UPDATE subscribers SET attributes = \'{"city": "Hamburg"}\'')
    assert (known(first), known(other)) == (frozenset({"city"}), frozenset())
    sql(
        "INSERT INTO subscriptions (subscriber_id, newsletter_id, state) SELECT id, %s, 'active' FROM subscribers",
        other,
    )
    assert known(other) == {"city"}
