"""What an import does to readers: who is added, who is left alone, and what proves it."""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.db import transaction
from service.errors import Invalid, NotFound
from service.operations.importing import ImportReport, import_subscribers
from service.operations.suppressing import suppress, withdraw
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter, people, readers

Sql = Callable[..., list[Any]]
CONSENT = "Ticked the box on the sign-up form at the 2026 conference"


class Importing:
    """A newsletter and a folder to write files into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.newsletter = a_newsletter()

    def take(self, text: str, **words: Any) -> ImportReport:
        path = self.folder / "readers.csv"
        path.write_text(text, encoding="utf-8", newline="")
        report = import_subscribers(path, **{"newsletter_id": self.newsletter, "consent": CONSENT, **words})
        assert report.rows == (
            report.added
            + report.updated
            + report.unchanged
            + report.duplicates
            + report.invalid
            + report.suppressed
            + report.left
        )
        assert report.faults_total == report.duplicates + report.invalid + report.suppressed + report.left
        return report


@pytest.fixture
def importing(database: Settings, tmp_path: Path) -> Importing:
    return Importing(tmp_path)


def _acts(sql: Sql) -> list[Any]:
    return sql(
        "SELECT purpose, action, method, d.details::jsonb ->> 'line' FROM consent_records c LEFT JOIN consent_details d ON d.record_id = c.id ORDER BY c.id"
    )


def _leave(sql: Sql, address: str) -> None:
    rows = sql(
        "SELECT n.id FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id WHERE s.normalised_address = %s",
        address,
    )
    with transaction() as tx:
        assert withdraw(tx, rows[0][0], method="one-click")


def test_a_new_reader_gets_an_active_subscription_and_a_consent_record(importing: Importing, sql: Sql) -> None:
    report = importing.take("Email,Vorname,Surname,Lang,Law Firm\nAnn@X.test,Ann,Lee,zh_hant_tw,王 & Partner\n")
    assert (report.rows, report.added, report.sendable, report.faults) == (1, 1, 1, ())
    assert sql(
        "SELECT address, normalised_address, first_name, last_name, language, attributes, email_key FROM subscribers"
    ) == [
        ("Ann@x.test", "ann@x.test", "Ann", "Lee", "zh-Hant-TW", {"law_firm": "王 & Partner"}, email_key("ann@x.test"))
    ]
    assert sql("SELECT newsletter_id, state, tracking FROM subscriptions") == [
        (importing.newsletter, "active", "unasked")
    ]
    assert sql(
        "SELECT c.email_key, c.newsletter_id, c.purpose, c.action, c.method, c.import_id, d.details::jsonb, w.wording FROM consent_records c JOIN consent_details d ON d.record_id = c.id JOIN consent_wordings w ON w.sha256 = c.wording_sha256"
    ) == [
        (
            email_key("ann@x.test"),
            importing.newsletter,
            "newsletter",
            "given",
            "import",
            report.import_id,
            {"line": 2},
            CONSENT,
        )
    ]
    content = (importing.folder / "readers.csv").read_bytes()
    assert sql("SELECT file_name, file_sha256, consent, counts ->> 'added' FROM imports") == [
        ("readers.csv", hashlib.sha256(content).digest(), CONSENT, "1")
    ]


def test_the_same_file_again_changes_nothing_and_makes_no_new_acts(importing: Importing, sql: Sql) -> None:
    text = "email,first_name,tracking\nann@x.test,Ann,yes\nbob@x.test,Bob,no\ncy@x.test,,\n"
    importing.take(text, tracking_consent="Ticked a second box")
    before = _acts(sql)
    again = importing.take(text, tracking_consent="Ticked a second box")
    assert (again.added, again.updated, again.unchanged, again.sendable) == (0, 0, 3, 3)
    assert _acts(sql) == before
    assert len(before) == 5


def test_a_reader_who_left_is_not_brought_back(importing: Importing, sql: Sql) -> None:
    importing.take("email\nann@x.test\nbob@x.test\n")
    _leave(sql, "ann@x.test")
    report = importing.take("email,first_name\nANN@x.test,Anna\nbob@x.test,\n", update_existing=True)
    assert (report.left, report.unchanged, report.sendable) == (1, 1, 1)
    assert [(fault.line, "left the newsletter" in fault.reason) for fault in report.faults] == [(2, True)]
    assert sql("SELECT state FROM subscriptions ORDER BY subscriber_id") == [("unsubscribed",), ("active",)]
    assert sql("SELECT first_name FROM subscribers WHERE normalised_address = 'ann@x.test'") == [("",)]
    assert sql(
        "SELECT s.normalised_address FROM imported_rows i JOIN subscribers s ON s.id = i.subscriber_id WHERE i.import_id = %s",
        report.import_id,
    ) == [("bob@x.test",)]


def test_a_reader_who_left_and_was_erased_is_not_brought_back(importing: Importing, sql: Sql) -> None:
    importing.take("email\nann@x.test\n")
    _leave(sql, "ann@x.test")
    sql("DELETE FROM subscribers")
    report = importing.take("email\nann@x.test\n")
    assert (report.left, report.sendable) == (1, 0)
    assert sql("SELECT count(*) FROM subscribers") == [(0,)]


def test_leaving_one_newsletter_does_not_keep_a_reader_from_another(importing: Importing, sql: Sql) -> None:
    importing.take("email\nann@x.test\n")
    _leave(sql, "ann@x.test")
    report = importing.take("email\nann@x.test\n", newsletter_id=a_newsletter("weekly"))
    assert (report.added, report.left, report.sendable) == (1, 0, 1)


@pytest.mark.parametrize("known", [True, False])
def test_a_suppressed_reader_is_not_revived_nor_stored(importing: Importing, sql: Sql, known: bool) -> None:
    if known:
        importing.take("email\nann@x.test\n")
    with transaction() as tx:
        suppress(tx, email_key("ann@x.test"), kind="hard-bounce", source="test")
    report = importing.take("email,first_name\nann@x.test,Ann\n")
    assert (report.suppressed, report.added, report.sendable) == (1, 0, 0)
    assert "hard-bounce" in report.faults[0].reason
    assert sql("SELECT first_name FROM subscribers") == ([("",)] if known else [])
    assert sql("SELECT count(*) FROM suppressions WHERE lifted_at IS NULL") == [(1,)]
    assert sql("SELECT count(*) FROM imported_rows WHERE import_id = %s", report.import_id) == [(0,)]


def test_a_lifted_suppression_no_longer_keeps_a_reader_out(importing: Importing, sql: Sql) -> None:
    with transaction() as tx:
        suppress(tx, email_key("ann@x.test"), kind="hard-bounce", source="test")
    sql("UPDATE suppressions SET lifted_at = now(), lifted_because = 'the mailbox is back'")
    assert importing.take("email\nann@x.test\n").added == 1


def test_a_pending_subscription_becomes_active_by_the_attested_consent(importing: Importing, sql: Sql) -> None:
    readers(importing.newsletter, ["ann@x.test"], state="pending")
    report = importing.take("email\nann@x.test\n")
    assert (report.added, report.updated, report.sendable) == (0, 1, 1)
    assert sql("SELECT state FROM subscriptions") == [("active",)]
    assert _acts(sql) == [("newsletter", "given", "import", "2")]


def test_what_is_known_is_kept_and_only_gaps_are_filled(importing: Importing, sql: Sql) -> None:
    importing.take("email,first_name,last_name,firm,city\nann@x.test,Ann,,Old LLP,\n")
    report = importing.take("email,first_name,last_name,firm,city\nann@x.test,Anna,Lee,New LLP,Bern\n")
    assert report.updated == 1
    assert sql("SELECT first_name, last_name, attributes FROM subscribers") == [
        ("Ann", "Lee", {"firm": "Old LLP", "city": "Bern"})
    ]


def test_known_values_are_replaced_when_asked_but_never_by_nothing(importing: Importing, sql: Sql) -> None:
    importing.take("email,first_name,last_name,firm\nann@x.test,Ann,Lee,Old LLP\n")
    report = importing.take("email,first_name,last_name,firm\nann@x.test,Anna,,New LLP\n", update_existing=True)
    assert report.updated == 1
    assert sql("SELECT first_name, last_name, attributes FROM subscribers") == [("Anna", "Lee", {"firm": "New LLP"})]


def test_the_first_row_of_an_address_wins_and_later_ones_are_reported(importing: Importing, sql: Sql) -> None:
    report = importing.take("email,first_name\nann@x.test,Ann\nbob@x.test,Bob\nANN@X.test,Other\n ann@x.test.,Third\n")
    assert (report.rows, report.added, report.duplicates) == (4, 2, 2)
    assert [fault.line for fault in report.faults] == [4, 5]
    assert all("line 2;" in fault.reason for fault in report.faults)
    assert sql("SELECT first_name FROM subscribers ORDER BY id") == [("Ann",), ("Bob",)]


def test_yes_to_tracking_counts_only_with_the_words_that_were_agreed_to(importing: Importing, sql: Sql) -> None:
    report = importing.take("email,tracking\nann@x.test,yes\nbob@x.test,TRUE\n")
    assert sql("SELECT DISTINCT tracking FROM subscriptions") == [("unasked",)]
    assert len(report.notes) == 1
    assert report.notes[0].startswith("2 rows say yes")
    report = importing.take("email,tracking\nann@x.test,1\nbob@x.test,\n", tracking_consent="Ticked a second box")
    assert (report.updated, report.unchanged, report.notes) == (1, 1, ())
    assert sql("SELECT tracking FROM subscriptions ORDER BY id") == [("agreed",), ("unasked",)]
    assert sql(
        "SELECT w.wording FROM consent_records c JOIN consent_wordings w ON w.sha256 = c.wording_sha256 WHERE c.purpose = 'tracking'"
    ) == [("Ticked a second box",)]


def test_without_a_tracking_column_the_tracking_consent_is_everybodys(importing: Importing, sql: Sql) -> None:
    importing.take("email\nann@x.test\nbob@x.test\n", tracking_consent="Clause 4 of the mandate")
    assert sql("SELECT tracking FROM subscriptions") == [("agreed",), ("agreed",)]
    assert [act[:2] for act in _acts(sql)].count(("tracking", "given")) == 2


def test_an_objection_to_tracking_is_always_kept_and_never_lifted(importing: Importing, sql: Sql) -> None:
    importing.take("email,tracking\nann@x.test,no\n")
    report = importing.take("email,tracking\nann@x.test,yes\n", tracking_consent="Ticked a second box")
    assert (report.unchanged, report.sendable) == (1, 1)
    assert sql("SELECT tracking FROM subscriptions") == [("objected",)]
    assert [act[:2] for act in _acts(sql)] == [("newsletter", "given"), ("tracking", "withdrawn")]


def test_an_objection_counts_even_in_a_row_that_is_not_taken(importing: Importing, sql: Sql) -> None:
    importing.take("email\nbob@x.test\n", tracking_consent="Clause 4")
    _leave(sql, "bob@x.test")
    importing.take(
        "email,tracking\nann@x.test,yes\nbob@x.test,0\nann@x.test,false\n", tracking_consent="Ticked a second box"
    )
    assert sql("SELECT state, tracking FROM subscriptions ORDER BY id") == [
        ("unsubscribed", "objected"),
        ("active", "objected"),
    ]
    withdrawn = [act for act in _acts(sql) if act[:2] == ("tracking", "withdrawn")]
    assert sorted(act[3] for act in withdrawn) == ["3", "4"]


def test_an_objection_outlives_erasure(importing: Importing, sql: Sql) -> None:
    importing.take("email,tracking\nann@x.test,no\n")
    sql("DELETE FROM subscribers")
    report = importing.take("email\nann@x.test\n", tracking_consent="Clause 4")
    assert report.added == 1
    assert sql("SELECT tracking FROM subscriptions") == [("objected",)]


def test_an_import_that_fails_leaves_nothing(importing: Importing, sql: Sql) -> None:
    def stop(_rows: int) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        importing.take("email\n" + "\n".join(people(10)), on_progress=stop)
    for table in ("subscribers", "subscriptions", "imports", "consent_wordings", "consent_records", "imported_rows"):
        assert sql(f"SELECT count(*) FROM {table}") == [(0,)]


def test_progress_is_told_while_the_file_is_read(importing: Importing) -> None:
    told: list[int] = []
    importing.take("email\n" + "\n".join(people(5_001)), on_progress=told.append)
    assert told == [5_000, 5_001]


def test_two_imports_of_the_same_readers_at_once_both_succeed(importing: Importing, sql: Sql) -> None:
    addresses = people(3_000)
    newsletters = [importing.newsletter, importing.newsletter, a_newsletter("weekly")]
    reports: list[ImportReport] = []
    ready = threading.Barrier(len(newsletters))

    def run(number: int, newsletter: int) -> None:
        path = importing.folder / f"{number}.csv"
        path.write_text("email\n" + "\n".join(addresses if number % 2 else reversed(addresses)))
        ready.wait(30)
        # Words of their own: equal ones would make the imports wait for each other at the wording.
        reports.append(import_subscribers(path, newsletter_id=newsletter, consent=f"Form {number}"))

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(newsletters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [report.sendable for report in reports] == [3_000] * 3
    assert sorted(report.added for report in reports) == [0, 3_000, 3_000]
    assert sql("SELECT count(*) FROM subscriptions") == [(6_000,)]
    assert sql("SELECT count(*) FROM consent_records") == [(6_000,)]


def test_an_unknown_newsletter_is_refused(importing: Importing) -> None:
    with pytest.raises(NotFound, match="number 0"):
        importing.take("email\nann@x.test\n", newsletter_id=0)


def test_only_a_thousand_faults_are_kept_and_those_to_mend_come_first(importing: Importing) -> None:
    report = importing.take("email\nann@x.test\n" + "ann@x.test\n" * 1_500 + "bad\n" * 10)
    assert (report.faults_total, len(report.faults)) == (1_510, 1_000)
    assert sum("bad" in fault.reason for fault in report.faults) == 10
    assert [fault.line for fault in report.faults] == sorted(fault.line for fault in report.faults)


def test_an_implied_consent_is_recorded_as_such_and_ends_on_its_day(importing: Importing, sql: Sql) -> None:
    sql("UPDATE newsletters SET time_zone = 'Asia/Shanghai'")
    readers(importing.newsletter, ["known@x.test"])
    until = sql("SELECT current_date + 700")[0][0]
    importing.take("email\nann@x.test\nknown@x.test\n", implied_until=until)
    assert sql(
        """SELECT s.normalised_address, (n.expires_at AT TIME ZONE 'Asia/Shanghai')::text
           FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id ORDER BY 1"""
    ) == [("ann@x.test", f"{until} 00:00:00"), ("known@x.test", None)], "who agreed before keeps that agreement"
    ((details,),) = sql("SELECT details::jsonb FROM consent_details")
    assert details == {"line": 2, "basis": "implied", "expires_on": str(until)}
    with pytest.raises(Invalid, match="Name a day to come"):
        importing.take("email\nbob@x.test\n", implied_until=sql("SELECT current_date")[0][0])
