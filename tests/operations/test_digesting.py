"""Digests: sealed, chained, kept outside too, and never about something that is not settled."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from service import seals
from service.errors import BroadsheetError
from service.operations import digesting
from service.operations.verifying import verify
from service.settings import Settings
from tests.builders import a_newsletter
from tests.operations.evidence import acts

Sql = Callable[..., list[Any]]
AT_ONCE = timedelta(0)
INSERT = "INSERT INTO consent_records (email_key, purpose, action, method) VALUES (%s, 'newsletter', 'given', 'form')"


@pytest.fixture
def folder(database: Settings) -> Path:
    """Where digests are kept; empty before each test."""
    return digesting.folder()


@pytest.fixture
def another(database: Settings) -> Iterator[Callable[[], "psycopg.Connection[Any]"]]:
    """Connections of the service's role, as another process would have them."""
    address = make_url(database.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    opened = []

    def connect() -> "psycopg.Connection[Any]":
        opened.append(psycopg.connect(address))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def make() -> None:
    digesting.make_digest(not_within=AT_ONCE)


def bodies(sql: Sql) -> list[dict[str, Any]]:
    return [json.loads(row[0]) for row in sql("SELECT body FROM consent_digests ORDER BY number")]


def test_a_digest_covers_what_is_new_and_names_the_one_before(folder: Path, sql: Sql) -> None:
    newsletter = a_newsletter()
    for seed in (1, 2):
        acts(newsletter, 3, seed=seed)
        make()
    first, second = bodies(sql)
    assert (first["number"], first["after_id"], first["records"], first["previous"]) == (1, 0, 6, None)
    assert (second["number"], second["after_id"], second["records"]) == (2, first["through_id"], 6)
    assert (
        second["previous"] == sql("SELECT encode(sha256(convert_to(body, 'UTF8')), 'hex') FROM consent_digests")[0][0]
    )
    assert verify().findings == []


def test_the_same_bytes_are_kept_as_a_private_file_that_can_be_checked_by_anybody(folder: Path, sql: Sql) -> None:
    acts(a_newsletter(), 3)
    make()
    file = folder / "00000001.json"
    assert file.stat().st_mode & 0o777 == 0o600
    kept = json.loads(file.read_text())
    body, signature = sql("SELECT body, signature FROM consent_digests")[0]
    assert (kept["body"], base64.b64decode(kept["signature"])) == (body, signature)
    assert seals.check(kept["body"].encode(), base64.b64decode(kept["signature"]))
    assert kept["public_key"] == seals.public_key()
    assert [path.name for path in folder.iterdir()] == ["00000001.json"]


def test_there_is_no_digest_of_nothing_new_nor_of_the_same_hour(folder: Path, sql: Sql) -> None:
    make()
    newsletter = a_newsletter()
    acts(newsletter, 1)
    make()
    make()
    acts(newsletter, 1, seed=2)
    digesting.make_digest()
    assert len(bodies(sql)) == 1


def test_a_record_inserted_early_and_committed_late_is_waited_for(
    folder: Path, sql: Sql, another: Callable[[], "psycopg.Connection[Any]"]
) -> None:
    early = another()
    early.execute(INSERT, [b"early"])
    sql(INSERT, b"late")
    made = threading.Thread(target=make)
    made.start()
    made.join(1)
    assert made.is_alive(), "else it would have summed up a number that is not settled"
    sql(INSERT, b"while it waits, others write on")
    early.commit()
    made.join(10)
    assert bodies(sql)[0]["records"] == 2
    assert verify().findings == []


def test_an_insert_that_waits_for_its_reader_with_its_number_in_hand_is_waited_for(
    folder: Path, sql: Sql, another: Callable[[], "psycopg.Connection[Any]"]
) -> None:
    """It has no transaction id yet: it has written nothing."""
    sql(
        "INSERT INTO subscribers (address, normalised_address, email_key) VALUES ('a@a.example', 'a@a.example', 'early')"
    )
    # Now and then, a number drawn is written down for the next 32, which takes a transaction id: here, and not while it is looked at.
    sql("SELECT setval('consent_records_id_seq', nextval('consent_records_id_seq'))")
    sql("SELECT nextval('consent_records_id_seq')")
    holder, waiter = another(), another()
    holder.execute("SELECT 1 FROM subscribers FOR UPDATE")

    def insert() -> None:
        waiter.execute(INSERT, [b"early"])
        waiter.commit()

    waiting = threading.Thread(target=insert)
    waiting.start()
    while not sql(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO consent%%'"
    ):
        time.sleep(0.01)
    assert sql("SELECT backend_xid FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == [(None,)]
    sql(INSERT, b"late")
    made = threading.Thread(target=make)
    made.start()
    made.join(1)
    assert made.is_alive()
    holder.rollback()
    waiting.join(10)
    made.join(10)
    assert bodies(sql)[0]["records"] == 2
    assert verify().findings == []


def test_a_transaction_that_takes_too_long_is_left_to_the_next_time(
    folder: Path, sql: Sql, another: Callable[[], "psycopg.Connection[Any]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digesting, "PATIENCE", timedelta(seconds=0.3))
    early = another()
    early.execute(INSERT, [b"early"])
    sql(INSERT, b"late")
    make()
    assert bodies(sql) == []
    early.rollback()
    make()
    assert bodies(sql)[0]["records"] == 1


def test_a_file_that_a_crash_left_unwritten_is_written_next_time(folder: Path, sql: Sql) -> None:
    acts(a_newsletter(), 1)
    make()
    file = folder / "00000001.json"
    content = file.read_text()
    file.unlink()
    found = verify()
    assert found.findings == []
    assert "its file is not in" in found.notes[0]
    make()
    assert file.read_text() == content


def test_digests_do_not_go_on_over_files_that_the_database_has_lost(folder: Path, sql: Sql) -> None:
    newsletter = a_newsletter()
    acts(newsletter, 1)
    make()
    sql("SET session_replication_role = replica; DELETE FROM consent_digests")
    with pytest.raises(BroadsheetError, match="digest 1, and the database has none"):
        make()
    assert bodies(sql) == []
    assert [finding.what for finding in verify().findings] == [
        "digest 1: there is a file of it, but the database has lost it"
    ]


def test_a_file_is_never_written_over(folder: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    acts(a_newsletter(), 1)
    monkeypatch.setattr(digesting, "_write_missing_files", lambda last: None)
    folder.mkdir(exist_ok=True)
    (folder / "00000001.json").write_text("{}")
    with pytest.raises(BroadsheetError, match="says something else"):
        make()
    assert (folder / "00000001.json").read_text() == "{}"
    assert [finding.what for finding in verify().findings] == [
        "digest 1: its file says something else than the database"
    ]
