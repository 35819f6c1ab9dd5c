"""A file is taken block by block while it is still being read: where one block ends makes no difference to anybody."""

import threading
import time
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest

from service.db import transaction
from service.errors import Conflict, Invalid
from service.operations import importing
from service.operations.consenting import record
from service.operations.importing_rows import RowReader
from service.operations.importing_undo import undo
from service.operations.suppressing import suppress
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter, readers

Sql = Callable[..., list[Any]]
FILE = """email,first_name,tracking
new@readers.example,New,yes
known@readers.example,Changed,yes
broken,Nobody,
twice@readers.example,First,yes
suppressed@readers.example,Sue,yes
TWICE@readers.example,Second,yes
objects@readers.example,Ob,yes
new@readers.example,Again,no
last@readers.example,Last,yes
objects@readers.example,Ob,no
suppressed@readers.example,Sue,yes
also broken,,
"""
KNOWN = """
    SELECT s.address, s.first_name, n.state, n.tracking FROM subscribers s LEFT JOIN subscriptions n ON n.subscriber_id = s.id
    ORDER BY s.normalised_address
"""


@pytest.fixture
def newsletter(database: Settings) -> int:
    made = a_newsletter()
    readers(made, ["known@readers.example"])
    with transaction() as tx:
        suppress(tx, email_key("suppressed@readers.example"), kind="manual", source="telephone")
    return made


def taken(folder: Path, newsletter: int, text: str = FILE, **words: Any) -> importing.ImportReport:
    path = folder / "readers.csv"
    path.write_text(text)
    return importing.import_subscribers(
        path, newsletter_id=newsletter, consent="The form", tracking_consent="The box", **words
    )


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_blocks_of_any_size_say_and_make_the_same(
    newsletter: int, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(importing, "BLOCK", block)
    told: list[int] = []
    report = taken(tmp_path, newsletter, on_progress=told.append)
    assert (report.rows, report.added, report.duplicates, report.invalid, report.suppressed) == (12, 4, 4, 2, 1)
    assert [fault.line for fault in report.faults] == [4, 6, 7, 9, 11, 12, 13]
    assert (told[-1], told == sorted(told)) == (12, True)
    assert sql(KNOWN) == [
        ("known@readers.example", "Changed", "active", "agreed"),
        ("last@readers.example", "Last", "active", "agreed"),
        ("new@readers.example", "New", "active", "objected"),
        ("objects@readers.example", "Ob", "active", "objected"),
        ("twice@readers.example", "First", "active", "agreed"),
    ]
    assert sql("SELECT count(*) FILTER (WHERE began), count(*) FROM imported_rows") == [(4, 5)]


def test_whoever_is_suppressed_while_the_file_is_read_is_not_left_behind(
    newsletter: int, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BLOCK", 1)

    def complain(rows: int) -> None:
        if rows == 1:
            sql(
                "INSERT INTO suppressions (email_key, kind, source) VALUES (%s, 'hard-bounce', 'test')",
                email_key("new@readers.example"),
            )

    report = taken(tmp_path, newsletter, on_progress=complain)
    assert (report.added, report.suppressed) == (3, 2)
    assert sql("SELECT count(*) FROM subscribers WHERE address LIKE 'new@%%'") == [(0,)]
    assert sql("SELECT count(*) FROM consent_records WHERE email_key = %s", email_key("new@readers.example")) == [(0,)]


def test_whoever_is_recorded_of_while_the_file_is_read_makes_it_fail_whole(
    newsletter: int, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BLOCK", 1)
    key = email_key("new@readers.example")

    def leave(rows: int) -> None:
        if rows == 1:
            with transaction() as tx:
                record(tx, "withdrawn", email_key=key, newsletter_id=newsletter, purpose="newsletter", method="page")

    # In a context of its own: transactions do not nest.
    with pytest.raises(Conflict, match="were changed at this moment"):
        taken(tmp_path, newsletter, on_progress=lambda rows: Context().run(leave, rows))
    assert sql("SELECT (SELECT count(*) FROM subscribers), (SELECT count(*) FROM imports)") == [(1, 0)]
    assert sql("SELECT action FROM consent_records WHERE email_key = %s", key) == [("withdrawn",)]
    assert taken(tmp_path, newsletter).left == 1


def test_what_is_wrong_with_the_file_while_blocks_are_taken_leaves_nothing(
    newsletter: int, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BLOCK", 1)

    def write_to_it(rows: int) -> None:
        if rows == 4:
            with (tmp_path / "readers.csv").open("a") as file:
                file.write("late@readers.example,,\n")

    with pytest.raises(Invalid, match="was changed while it was being read"):
        taken(tmp_path, newsletter, on_progress=write_to_it)
    assert sql("SELECT (SELECT count(*) FROM subscribers), (SELECT count(*) FROM imports)") == [(1, 0)]


def test_an_error_of_the_one_who_reads_is_told_and_leaves_nothing(
    newsletter: int, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BLOCK", 2)
    read = RowReader.read

    def fail(reader: RowReader, line: int, cells: list[str]) -> Any:
        if cells[0] == "last@readers.example":
            raise OSError("the disk is gone")
        return read(reader, line, cells)

    monkeypatch.setattr(RowReader, "read", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        taken(tmp_path, newsletter)
    assert sql("SELECT (SELECT count(*) FROM subscribers), (SELECT count(*) FROM imports)") == [(1, 0)]


def test_an_address_that_is_stored_under_another_key_is_told(newsletter: int, sql: Sql, tmp_path: Path) -> None:
    sql(
        "INSERT INTO subscribers (address, normalised_address, email_key) VALUES ('l@r.example', 'last@readers.example', '\\x01')"
    )
    with pytest.raises(Conflict, match=r"under another ADDRESS_KEY.*Nothing was imported"):
        taken(tmp_path, newsletter)
    assert sql("SELECT (SELECT count(*) FROM subscribers), (SELECT count(*) FROM imports)") == [(2, 0)]


def test_whoever_is_no_longer_suppressed_when_the_file_is_read_is_taken(
    newsletter: int, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BLOCK", 1)

    def lift(rows: int) -> None:
        if rows >= 11:
            sql("UPDATE suppressions SET lifted_at = now()")

    report = taken(tmp_path, newsletter, on_progress=lift)
    assert (report.added, report.suppressed, report.duplicates) == (5, 0, 4)
    assert sql(
        "SELECT s.first_name, n.state, n.tracking FROM subscribers s JOIN subscriptions n ON n.subscriber_id = s.id WHERE s.address LIKE 'supp%%'"
    ) == [("Sue", "active", "agreed")]


def test_what_readers_did_while_the_file_was_read_is_no_answer_to_the_import(
    newsletter: int, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken back by somebody at that moment, and then brought by this import: it is this import's to take back."""
    first = taken(tmp_path, newsletter, "email,tracking\nmet@readers.example,\n")
    monkeypatch.setattr(importing, "BLOCK", 1)

    def take_back(rows: int) -> None:
        if rows == 1:
            Context().run(undo, first.import_id, actor="test")

    second = taken(
        tmp_path, newsletter, "email,tracking\nbo@readers.example,\nmet@readers.example,\n", on_progress=take_back
    )
    assert second.added == 2
    found = undo(second.import_id, actor="test")
    assert (found.subscriptions, found.touched) == (2, 0)


def test_an_import_that_an_older_version_took_is_taken_back(newsletter: int, sql: Sql, tmp_path: Path) -> None:
    made = taken(tmp_path, newsletter)
    sql("INSERT INTO import_changes SELECT import_id, subscriber_id, 'added' FROM imported_rows WHERE began")
    sql("UPDATE imported_rows SET began = false")
    assert undo(made.import_id, actor="test").subscriptions == 4


def test_a_reader_who_moves_to_an_address_of_the_file_meanwhile_does_not_end_the_import(
    newsletter: int, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader is locked and waits for the address; the import has the address and waits for the reader."""
    monkeypatch.setattr(importing, "BLOCK", 1)
    readers(newsletter, ["mover@readers.example"])
    sql("UPDATE subscriptions SET state = 'pending'")
    move = "UPDATE subscribers SET address = %s, normalised_address = %s, email_key = %s WHERE address = 'mover@readers.example'"
    there = "bo@readers.example"
    threads = [threading.Thread(target=lambda: sql(move, there, there, email_key(there)))]

    def begin_to_move(rows: int) -> None:
        if threads[0].ident is None:
            threads[0].start()
            while not sql("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0]:
                time.sleep(0.02)
            # Whoever has waited for a second has looked for a circle, and looks no more.
            time.sleep(1.5)

    report = taken(
        tmp_path,
        newsletter,
        "email,tracking\nbo@readers.example,\nmover@readers.example,\n",
        on_progress=begin_to_move,
    )
    threads[0].join(30)
    assert report.added + report.updated + report.unchanged == 2
    assert sql(
        "SELECT s.address, n.state FROM subscribers s JOIN subscriptions n ON n.subscriber_id = s.id ORDER BY 1"
    ) == [
        ("bo@readers.example", "active"),
        ("known@readers.example", "pending"),
        ("mover@readers.example", "active"),
    ]
