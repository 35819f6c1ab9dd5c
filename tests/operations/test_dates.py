"""Dates in an issue: the day of the freeze where the reader lives, and days that readers bring along."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import queue
from service.db import transaction
from service.domain.personalisation import ISO_DATE, Tag, TagError, on_day, placeholder, resolve, split
from service.languages import format_day
from service.operations import missing, scheduling
from service.operations.authoring import Source
from service.rendering.preflight.facts import Missing
from service.settings import Settings
from tests.builders import a_newsletter, an_issue, people, readers
from tests.conftest import Sandbox
from tests.operations.test_variants import Drain, body, issue_of, sent

Sql = Callable[..., list[Any]]
DAY = date(2026, 11, 4)


def known(sql: Sql, number: int, **values: object) -> None:
    sql("UPDATE subscribers SET attributes = %s WHERE address LIKE %s", json.dumps(values), f"reader{number:05d}@%")


@pytest.mark.parametrize(
    ("language", "form", "written"),
    [
        ("en", "long", "4 November 2026"),
        ("en", "short", "4 Nov 2026"),
        ("en", "month", "November 2026"),
        ("de-AT", "long", "4. November 2026"),
        ("zh-Hans", "long", "2026年11月4日"),
        ("zh-TW", "month", "2026年11月"),
        ("fr", "month", "novembre 2026"),
        ("es", "long", "4 de noviembre de 2026"),
        ("xx-unknown", "long", "4 November 2026"),
    ],
)
def test_a_day_is_written_as_the_version_s_language_does(language: str, form: str, written: str) -> None:
    assert format_day(DAY, form, language) == written


def test_a_date_filter_makes_a_value_a_day_or_none() -> None:
    tag = Tag(placeholder(0), "renewal", ("date:long", "upcase"), None, "text")

    def write(day: date, form: str) -> str:
        return format_day(day, form, "en")

    assert resolve(tag, "2026-11-04", write) == "4 NOVEMBER 2026"
    assert resolve(tag, "2026-11-04") == "2026-11-04"
    for wrong in ("4 November", "2026-02-29", "2026-13-01", "0000-01-01", "2026-11-04T09:00", "", None):
        assert resolve(tag, wrong, write) is None


def test_today_is_a_date_without_being_told_and_the_issues_day_for_who_is_no_reader() -> None:
    (_before, expression, _after), errors = split("{{ today }}", ())
    assert errors == []
    assert expression.filters == ("date:long",)  # type: ignore[union-attr]
    tag = Tag(placeholder(0), "today", ("date:month",), None, "html")
    assert resolve(on_day(tag, DAY, lambda day, form: format_day(day, form, "de")), None) == "November 2026"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ today | date }}", "date needs one of long, short, month in quotation marks"),
        ('{{ today | date: "%Y" }}', "date needs one of"),
        ("{{ today | date: long }}", "in quotation marks"),
        ('{{ renewal | upcase | date: "long" }}', "date must be the first filter"),
        ('{{ renewal | default: "x" | date: "long" }}', "date must be the first filter"),
        ('{{ renewal | date: "long" | date: "short" }}', "date must be the first filter"),
        ('{{ first_name | date: "long" }}', "first_name is no date"),
        ("{{ todai }}", "did you mean today?"),
        ("{{ renewal | dat }}", "did you mean date?"),
    ],
)
def test_a_wrong_date_is_refused_with_what_to_do(text: str, expected: str) -> None:
    _pieces, errors = split(text, ["renewal"])
    assert [error for error in errors if isinstance(error, TagError) and expected in str(error)]


@given(st.dates() | st.text(alphabet="0123456789-", min_size=8, max_size=11))
def test_the_pattern_knows_exactly_the_days_that_there_are(given_day: date | str) -> None:
    written = given_day.isoformat() if isinstance(given_day, date) else given_day
    try:
        real = re.fullmatch(r"\d{4}-\d\d-\d\d", written) is not None and bool(date.fromisoformat(written))
    except ValueError:
        real = False
    assert (re.fullmatch(ISO_DATE, written) is not None) == real


def test_the_database_reads_the_pattern_as_we_do(database: Settings, sql: Sql) -> None:
    days = [f"{year:04d}-{month:02d}-{day:02d}" for year in (0, 1, 1900, 2000, 2024, 2026) for month in (0, 1, 2, 4, 11, 12, 13) for day in (0, 1, 28, 29, 30, 31, 32)]  # fmt: skip
    days += ["2026-1-1", " 2026-01-01", "2026-01-01\n", "2026-01-01 ", "x"]
    found = [row[0] for row in sql("SELECT d FROM unnest(%s::text[]) d WHERE substring(d FROM %s) IS NOT NULL", days, ISO_DATE)]  # fmt: skip
    assert found == [day for day in days if re.fullmatch(ISO_DATE, day)]


def test_today_is_the_day_where_the_reader_lives_and_stays_that_of_the_freeze(
    drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    newsletter = a_newsletter()
    sql("UPDATE newsletters SET time_zone = 'Pacific/Kiritimati'")
    readers(newsletter, people(4))
    for number, zone in enumerate(("Etc/GMT+12", "no/zone", "'; DROP TABLE x", None)):
        known(sql, number, **({"time_zone": zone} if zone else {}))
    issue = an_issue(newsletter, '# News\n\nIt is {{ today | date: "short" }}.\n')
    scheduling.schedule(issue, actor="test")
    before = datetime.now(UTC)
    drain(only=queue.PREPARE_ISSUE)
    after = datetime.now(UTC)
    far = [{format_day(now.astimezone(ZoneInfo(zone)).date(), "short", "en") for now in (before, after)} for zone in ("Etc/GMT+12", "Pacific/Kiritimati")]  # fmt: skip
    assert far[0] != far[1], "26 hours apart it is never the same day"
    stored = {row[0] for row in sql("SELECT unnest(values) FROM deliveries") if row[0]}
    assert all(re.fullmatch(ISO_DATE, day) for day in stored)
    drain()
    assert any(f"It is {day}." in body(sandbox, 0) for day in far[0])
    for number in (1, 2, 3):
        assert any(f"It is {day}." in body(sandbox, number) for day in far[1])


def test_an_unknown_zone_of_the_newsletter_does_not_end_the_freeze(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(1))
    sql("UPDATE newsletters SET time_zone = 'Nowhere/At_all'")
    assert sent(an_issue(newsletter, "# News\n\nIt is {{ today }}.\n"), drain)["ledger"]["accepted"] == 1


def test_a_value_that_is_no_day_counts_as_missing_and_the_default_applies(
    drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(3))
    for number, day in enumerate(("2026-11-04", "2026-02-30", "soon")):
        known(sql, number, renewal=day)
    text = '# News\n\nRenew on {{ renewal | date: "long" | default: "a day of your choice" }}.\n'
    source = Source(text, Path("/x"), versions={"de": Source(text.replace("Renew on", "Bis zum"), Path("/x"))})
    sql("UPDATE subscribers SET language = 'de' WHERE address LIKE 'reader00000%%'")
    assert sent(issue_of(newsletter, source), drain)["ledger"]["accepted"] == 3
    assert "Bis zum 4. November 2026." in body(sandbox, 0)
    assert "Renew on a day of your choice." in body(sandbox, 1)
    assert "Renew on a day of your choice." in body(sandbox, 2)
    strict = an_issue(newsletter, '# News\n\nRenew on {{ renewal | date: "long" }}.\n')
    assert sent(strict, drain)["ledger"]["excluded"] == {"render_error": 2}


def test_who_lacks_a_value_is_counted_and_named_where_their_own_variant_asks(database: Settings, sql: Sql) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(5), names={"reader00000@readers.example": "Mei"})
    known(sql, 0, renewal="2026-11-04", organisation="x")
    known(sql, 1, renewal="someday", organisation="x")
    text = '# x\n\n{{ first_name }} {{ today }}{% if organisation %} {{ renewal | date: "long" }}{% endif %} {{ last_name | default: "y" }}\n'
    issue = issue_of(newsletter, Source(text, Path("/x")))
    found = {one.field: one for one in missing.missing_values(issue, sample=2)}
    assert found == {
        "first_name": Missing("first_name", 4, 5, ("reader00001@readers.example", "reader00002@readers.example")),
        "renewal": Missing("renewal", 1, 5, ("reader00001@readers.example",)),
    }
    with transaction() as tx:
        assert tx.execute("SELECT count(*) FROM deliveries").scalar_one() == 0, "asking changes nothing"
    assert missing.missing_values(an_issue(newsletter, "# x\n\n{{ first_name | default: 'y' }}\n")) == []
