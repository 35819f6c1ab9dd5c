"""The report of an issue: over time, beside former issues, on the mail itself; as a table that no spreadsheet runs; and nobody's
address for who may only see counts."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.operations import exporting, scheduling
from service.web.admin import charts
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.team import an_operator, signed_in

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]
GUIDE = "https://www.example.com/guide?a=1&b=2"


@pytest.fixture
def newsletter(web: str) -> int:
    made = a_newsletter()
    readers(made, ["mei@readers.example", "bo@readers.example"], tracking="agreed")
    return made


@pytest.fixture
def issue(newsletter: int, sql: Sql, drain: Drain, sandbox: Sandbox) -> int:
    made = an_issue(newsletter)
    scheduling.schedule(made, actor="test")
    drain()
    sql("UPDATE deliveries SET delivered_at = now(), opened_at = now(), clicked_at = now()")
    for hours, kind, url in (
        (0, "opened", None),
        (5, "opened", None),
        (5, "clicked", GUIDE),
        (6, "opened_by_machine", None),
    ):
        sql(
            "INSERT INTO events (issue_id, key, delivery_id, type, at, url) SELECT issue_id, hashtextextended(gen_random_uuid()::text, 0), id, %s, date_trunc('hour', now()) + make_interval(hours => %s), %s FROM deliveries",
            kind,
            hours,
            url,
        )
    return made


def test_over_time_there_is_a_line_for_each_and_a_table_beside_it(web: str, issue: int) -> None:
    page = signed_in(an_operator()).get(f"{web}/admin/issues/{issue}/report")
    lines = page.tree.xpath("//figure[@class='chart']/svg/path[starts-with(@class, 'line')]/@d")
    assert [len(re.findall(r"[\d.]+ [\d.]+", one)) for one in lines] == [7, 7, 7], "an hour without anything is nought"
    assert page.tree.xpath("count(//details//tbody/tr)") >= 3
    assert "By machines" in page.said


def test_the_clicks_are_drawn_on_the_mail(web: str, issue: int) -> None:
    person = signed_in(an_operator("analyst"))
    page = person.get(f"{web}/admin/issues/{issue}/report/clicks")
    (frame,) = page.tree.xpath("//iframe")
    assert frame.get("sandbox") == ""
    mail = person.get(web + frame.get("src"))
    (badge,) = mail.tree.xpath("//a[starts-with(@href, 'https://www.example.com/guide')]/following-sibling::*[1]")
    assert badge.text == "2"
    assert badge.tail.startswith("."), "what follows the link stays behind its number"
    assert "sandbox" in mail.headers["Content-Security-Policy"]


def test_it_stands_beside_former_issues(web: str, newsletter: int, issue: int, drain: Drain) -> None:
    person = signed_in(an_operator("analyst"))
    assert "the newsletter's first" in person.get(f"{web}/admin/issues/{issue}/report/compared").said
    second = an_issue(newsletter, "# The second\n\nText\n")
    scheduling.schedule(second, actor="test")
    drain()
    page = person.get(f"{web}/admin/issues/{second}/report/compared")
    rows = [" ".join(row.text_content().split()) for row in page.tree.xpath("//tbody/tr")]
    assert len(rows) == 2
    assert rows[0].startswith("The second this issue")
    assert "100.0 %" in rows[1]
    assert "readers.example" not in page.text


def test_the_table_is_a_workbook_too(web: str, issue: int, sql: Sql) -> None:
    sql("UPDATE subscribers SET address = '=cmd()@readers.example' WHERE address LIKE 'mei%%'")
    person = signed_in(an_operator())
    page = person.get(f"{web}/admin/issues/{issue}/report")
    forms = [form for form in page.tree.forms if "/report/readers/table" in (form.get("action") or "")]
    assert [form.get("action").endswith("as=xlsx") for form in forms] == [False, True]
    seal = page.form("/report/readers/table")[1]
    text = person.post(web + forms[0].get("action"), seal).text
    assert "'=cmd()@readers.example" in text
    book = person.file(web + forms[1].get("action"), seal)
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in sheet, "no cell is a formula"
        assert "=cmd()@readers.example" in sheet + (
            parts.read("xl/sharedStrings.xml").decode() if "xl/sharedStrings.xml" in parts.namelist() else ""
        )
    assert sql("SELECT count(*) FROM audit_entries WHERE action = 'export'") == [(2,)]
    assert person.get(web + forms[0].get("action")).status == 405, "looking takes nothing away"


def test_a_table_longer_than_a_sheet_goes_on_on_the_next(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_SHEET_ROWS", 3)
    path = tmp_path / "x.xlsx"
    exporting.workbook(["n", "text"], ([n, f"https://example.com/{n}"] for n in range(7)), path)
    with zipfile.ZipFile(path) as parts:
        sheets = [parts.read(f"xl/worksheets/sheet{n}.xml").decode() for n in (1, 2, 3)]
    assert [sheet.count("<row") for sheet in sheets] == [4, 4, 2]
    assert "hyperlink" not in sheets[0]
    exporting.workbook(["n"], [], path)
    assert zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml").decode().count("<row") == 1


HOUR = datetime(2026, 11, 1, tzinfo=UTC)
NAMED = {"a": ("A", "first")}


@pytest.mark.parametrize(
    ("number", "top"), [(1, 1), (2, 2), (3, 5), (7, 10), (11, 20), (501, 1000), (999_999, 1_000_000)]
)
def test_the_axis_ends_at_a_round_number(number: int, top: int) -> None:
    chart = charts.over_time([{"hour": HOUR, "a": number}, {"hour": HOUR + timedelta(hours=1), "a": 0}], NAMED)
    assert chart is not None
    assert chart.ticks[-1][1] == top


def test_one_hour_is_no_line_and_a_year_is_cut() -> None:
    assert charts.over_time([], NAMED) is None
    assert charts.over_time([{"hour": HOUR, "a": 1}], NAMED) is None
    chart = charts.over_time([{"hour": HOUR, "a": 1}, {"hour": HOUR + timedelta(days=365), "a": 1}], NAMED)
    assert chart is not None
    assert chart.lines[0].path.count("L") == charts.MOST_HOURS - 1
