"""How many agreed to which words is counted in the background: the same as the records say, as of when it was counted; a page reads
no record for it, and a large newsletter is not counted all the time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from service.db import transaction
from service.operations import (
    confirming,
    counting,
    digesting,
    importing,
    leaving,
    newsletter_settings,
    retaining,
    wording_counts,
    wording_history,
)
from service.operations.signing_up import Origin, sign_up
from service.operations.signup_forms import form_for
from service.settings import Settings
from service.tokens import Purpose, Signer
from tests.builders import a_newsletter
from tests.team import an_operator, signed_in

Sql = Callable[..., list[Any]]
COUNTED = "SELECT counted_at, through_id FROM wording_counts WHERE newsletter_id = %s"


@pytest.fixture
def newsletter(database: Settings) -> int:
    return a_newsletter(accepts_signups=True)


def joined(*addresses: str, purposes: tuple[str, ...] = ("newsletter",)) -> None:
    """They signed up by the form of all newsletters, and followed the link."""
    for address in addresses:
        form = form_for(None, "en")
        given = {"address": [address]} | {
            purpose: [f"{one.slug}:{one.wordings[purpose].sha256}" for one in form.offers] for purpose in purposes
        }
        made = sign_up(given, slugs=form.slugs, language="en", origin=Origin("page", "203.0.113.0/24", "Firefox"))
        confirming.confirm(Signer(Purpose.CONFIRM).sign(made), "button")


def imported(folder: Path, newsletter: int, *addresses: str) -> None:
    (folder / "rows.csv").write_text("\n".join(("email", *addresses, "")))
    importing.import_subscribers(folder / "rows.csv", newsletter_id=newsletter, consent="Seminar form, March 2026")


def left(sql: Sql, newsletter: int, address: str) -> None:
    (row,) = sql(
        "SELECT n.id FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id WHERE n.newsletter_id = %s AND s.address = %s",
        newsletter,
        address,
    )
    leaving.leave(Signer(Purpose.LEAVE).sign(row[0]), method="link")


def agree_with_live() -> datetime | None:
    """Whether the kept count says what the records say; when it was counted."""
    found, counted_at = wording_history.as_counted("monthly", actor="test")
    assert found == wording_history.history("monthly", actor="test")
    return counted_at


def readers() -> int:
    return sum(one.readers for one in wording_history.as_counted("monthly", actor="test")[0])


def test_the_kept_count_is_the_same_as_the_live_one(newsletter: int, sql: Sql, tmp_path: Path) -> None:
    a_newsletter("other")
    assert wording_history.as_counted("monthly", actor="test")[1] is None
    joined("mei@readers.example", "bo@readers.example", purposes=("newsletter", "tracking"))
    counting.count_issues()
    first = agree_with_live()
    assert first
    assert readers() == 4
    imported(tmp_path, newsletter, "new@readers.example", "bo@readers.example")
    newsletter_settings.change("monthly", name="The Weekly", actor="test")
    joined("kim@readers.example")
    counting.count_issues()
    second = agree_with_live()
    assert second
    assert second > first
    assert readers() == 6
    left(sql, newsletter, "mei@readers.example")
    counting.count_issues()
    assert agree_with_live() == second, "who withdraws has agreed all the same: nothing to count"
    joined("mei@readers.example")
    counting.count_issues()
    third = agree_with_live()
    assert third
    assert third > second


def test_records_that_were_removed_are_counted_no_longer(newsletter: int, sql: Sql) -> None:
    joined("mei@readers.example")
    left(sql, newsletter, "mei@readers.example")
    counting.count_issues()
    assert readers() == 1
    digesting.make_digest()
    sql(
        "SET session_replication_role = replica; UPDATE consent_records SET at = at - interval '9 years'; UPDATE subscriptions SET changed_at = changed_at - interval '9 years'"
    )
    assert retaining.remove_old_consent() > 0
    counting.count_issues()
    assert agree_with_live()
    assert readers() == 0


def test_a_large_newsletter_is_counted_once_an_hour(newsletter: int, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording_counts, "QUICK_MS", 0)
    joined("mei@readers.example")
    counting.count_issues()
    (before,) = sql(COUNTED, newsletter)
    joined("bo@readers.example")
    counting.count_issues()
    assert sql(COUNTED, newsletter) == [before]
    sql("UPDATE wording_counts SET counted_at = counted_at - interval '59 minutes'")
    counting.count_issues()
    assert readers() == 1
    sql("UPDATE wording_counts SET counted_at = counted_at - interval '2 minutes'")
    counting.count_issues()
    assert readers() == 2
    sql("UPDATE wording_counts SET counted_at = now() + interval '3 hours'")
    joined("kim@readers.example")
    counting.count_issues()
    assert readers() == 3, "the clock was set back"


def test_what_has_not_grown_is_not_counted_and_not_read_again(newsletter: int, sql: Sql, tmp_path: Path) -> None:
    joined("mei@readers.example")
    counting.count_issues()
    ((counted_at, through),) = sql(COUNTED, newsletter)
    imported(tmp_path, a_newsletter("other"), "bo@readers.example")
    counting.count_issues()
    ((still, now),) = sql(COUNTED, newsletter)
    assert still == counted_at
    assert now == sql("SELECT max(id) FROM consent_records")[0][0] > through


@contextmanager
def elsewhere(database: Settings) -> Iterator["psycopg.Connection[Any]"]:
    """A connection of the service's role, as another machine has it."""
    address = make_url(database.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        yield connection


def test_a_record_that_is_seen_after_later_ones_is_counted(newsletter: int, sql: Sql, database: Settings) -> None:
    joined("mei@readers.example")
    with elsewhere(database) as slow:
        slow.execute(
            """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, wording_sha256, details)
               SELECT sha256('late'), newsletter_id, purpose, 'given', 'form', wording_sha256, '{}' FROM consent_records LIMIT 1"""
        )
        joined("bo@readers.example")
        counting.count_issues()
        assert readers() == 2
    counting.count_issues()
    assert agree_with_live()
    assert readers() == 3


def test_two_machines_do_not_count_the_same_at_once(newsletter: int, sql: Sql, database: Settings) -> None:
    joined("mei@readers.example")
    with elsewhere(database) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('count wordings', %s))", (newsletter,))
        counting.count_issues()
        assert sql(COUNTED, newsletter) == []
    counting.count_issues()
    assert readers() == 1


def test_one_that_takes_long_leaves_the_others_to_the_next_turn(
    newsletter: int, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_newsletter("other")
    monkeypatch.setattr(wording_counts, "_ROUND", 0.0)
    for done in (1, 2):
        counting.count_issues()
        assert sql("SELECT count(*) FROM wording_counts") == [(done,)]


def test_the_page_reads_no_consent_record(newsletter: int, web: str, tmp_path: Path, statements: list[str]) -> None:
    imported(tmp_path, newsletter, "new@readers.example")
    joined("mei@readers.example")
    person = signed_in(an_operator("analyst"))
    page = person.get(f"{web}/admin/newsletters/monthly/wordings")
    assert page.status == 200
    assert "not counted yet: within a minute" in page.said
    assert "I would like to get The Monthly" in page.said
    assert 'class="number">–</td>' in page.text
    assert "Seminar form" not in page.said
    counting.count_issues()
    newsletter_settings.set_wording("monthly", "newsletter", "en", "Words of just now", actor="test")
    statements.clear()
    page = person.get(f"{web}/admin/newsletters/monthly/wordings")
    asked = statements[:]
    with transaction() as tx:
        at = tx.execute("SELECT to_char(counted_at AT TIME ZONE 'UTC', 'FMDD FMMonth YYYY') FROM wording_counts")
        assert f"Counted {at.scalar_one()}" in page.said
    for words in ("UTC, and counted again by itself", "Seminar form, March 2026", "Words of just now"):
        assert words in page.said
    assert any("wording_counts" in one for one in asked)
    assert not [one for one in asked if "consent_records" in one]
