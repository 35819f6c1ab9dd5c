"""Whoever changes the evidence is found out: any byte of any column, anything cut off, removed or exchanged, by somebody who
may do everything in the database."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from service import seals
from service.db import transaction
from service.domain.consent import Finding
from service.operations import digesting, erasing, proving
from service.operations.attesting import attest
from service.operations.consenting import agree
from service.operations.verifying import verify
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter, readers
from tests.operations.evidence import a_wording, acts
from tests.operations.test_digesting import folder, make

Sql = Callable[..., list[Any]]
__all__ = ["folder"]

RECORD_CHANGES = {
    "id": "id = 100000 + id",
    "email_key": "email_key = set_byte(email_key, 3, get_byte(email_key, 3) # 1)",
    "number": "number = number + 5",
    "newsletter_id": "newsletter_id = newsletter_id + 1",
    "newsletter_id to nothing": "newsletter_id = NULL",
    "purpose": "purpose = 'export'",
    "action": "action = 'withdrawn'",
    "at": "at = at + interval '1 microsecond'",
    "at to never": "at = 'infinity'",
    "method": "method = 'forn'",
    "wording_sha256": "wording_sha256 = set_byte(wording_sha256, 0, get_byte(wording_sha256, 0) # 1)",
    "import_id": "import_id = 1",
    "details": "details = '{\"a\": 1}'",
    "previous": "previous = set_byte(coalesce(previous, hash), 31, 7)",
    "act_hash": "act_hash = set_byte(act_hash, 0, get_byte(act_hash, 0) # 1)",
    "origin_hash": "origin_hash = NULL",
    "hash": "hash = set_byte(hash, 0, get_byte(hash, 0) # 1)",
}


@pytest.fixture
def unhindered(database: Settings) -> Sql:
    """SQL as a superuser whom no trigger hinders."""
    address = make_url(database.database_owner_url).set(drivername="postgresql").render_as_string(hide_password=False)

    def run(statement: str, *parameters: object) -> list[Any]:
        options = "-c session_replication_role=replica"
        with psycopg.connect(address, autocommit=True, options=options) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def evidence(folder: object, unhindered: Sql) -> Sql:
    """Records of twenty readers, three digests, records after them, and an erasure."""
    newsletter = a_newsletter()
    for seed in (1, 2, 3):
        acts(newsletter, 5, seed=seed)
        make()
    acts(newsletter, 5, seed=4)
    readers(newsletter, ["erased@readers.example"])
    wording = a_wording()
    with transaction() as tx:
        agree(
            tx,
            email_key=email_key("erased@readers.example"),
            newsletter_id=newsletter,
            purpose="newsletter",
            method="form",
            wording_sha256=wording,
            details={"form": "page"},
        )
    erasing.erase_address("erased@readers.example", reason="asked", actor="test")
    found = verify()
    assert (found.findings, found.digests, found.readers, found.certificates) == ([], 3, 21, 1)
    return unhindered


def findings() -> list[Finding]:
    return verify().findings


@pytest.mark.parametrize("change", RECORD_CHANGES.values(), ids=RECORD_CHANGES)
@pytest.mark.parametrize("place", ["min", "max"])
def test_a_change_of_any_column_of_a_record_is_found(evidence: Sql, change: str, place: str) -> None:
    """In one that a digest covers, and in one that is too young for that."""
    evidence(f"UPDATE consent_records SET {change} WHERE id = (SELECT {place}(record_id) FROM consent_details)")
    assert findings()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_details SET details = overlay(details placing 'x' from 3 for 1) WHERE ctid = (SELECT min(ctid) FROM consent_details)",
        "UPDATE consent_details SET salt = set_byte(salt, 0, get_byte(salt, 0) # 1) WHERE ctid = (SELECT min(ctid) FROM consent_details)",
        "UPDATE consent_details SET record_id = record_id + 100000 WHERE ctid = (SELECT min(ctid) FROM consent_details)",
        "DELETE FROM consent_details WHERE part = 'act'; UPDATE consent_details SET part = 'act'",
        "UPDATE consent_wordings SET wording = wording || ' '",
        "UPDATE consent_wordings SET sha256 = set_byte(sha256, 0, get_byte(sha256, 0) # 1)",
        "DELETE FROM consent_wordings",
        "UPDATE consent_digests SET body = overlay(body placing '9' from 13 for 1) WHERE number = 2",
        "UPDATE consent_digests SET body = 'nonsense' WHERE number = 2",
        "UPDATE consent_digests SET signature = set_byte(signature, 0, get_byte(signature, 0) # 1) WHERE number = 2",
        "UPDATE consent_digests SET through_id = through_id + 1 WHERE number = 2",
        "UPDATE consent_digests SET number = 9 WHERE number = 2",
        "UPDATE consent_digests SET created_at = created_at + interval '1 microsecond' WHERE number = 2",
        "DELETE FROM consent_digests WHERE number = 1",
        "DELETE FROM consent_digests WHERE number = 2",
        "DELETE FROM consent_digests WHERE number = 3",
        "UPDATE erasures SET certificate = replace(certificate, 'operator', 'operators')",
        "UPDATE erasures SET signature = set_byte(signature, 5, 1)",
        "UPDATE erasures SET email_key = 'another'",
        "UPDATE erasures SET at = at - interval '1 day'",
    ],
)
def test_a_change_of_what_stands_beside_the_records_is_found(evidence: Sql, statement: str) -> None:
    evidence(statement)
    assert findings()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_changed_byte_in_a_hundred_thousand_acts_is_found(folder: object, unhindered: Sql) -> None:
    acts(a_newsletter(), 50_000)
    make()
    found = verify()
    assert (found.findings, found.acts, found.covered > 0) == ([], 100_000, True)
    ((one,),) = unhindered("SELECT id FROM consent_records ORDER BY id OFFSET 54321 LIMIT 1")
    unhindered("UPDATE consent_records SET method = 'forn' WHERE id = %s", one)
    assert [(finding.record_id, finding.what) for finding in findings()] == [
        (one, "was changed: its hash does not match it")
    ]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_statistics_of_an_emptier_day_do_not_make_it_endless(folder: object, unhindered: Sql) -> None:
    """As when the tables were looked at just before so many acts came."""
    acts(a_newsletter(), 25_000)
    make()
    unhindered(
        "UPDATE pg_class SET reltuples = 1, relpages = greatest(relpages, 500) WHERE oid = 'consent_details'::regclass"
    )
    assert verify().acts == 50_000


def test_acts_are_chained_by_the_index_though_the_table_was_empty_when_they_were_planned(unhindered: Sql) -> None:
    unhindered("VACUUM ANALYZE consent_records")
    read = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname = 'consent_records'"
    before = unhindered(read)[0][0]
    acts(a_newsletter(), 3_000)
    assert unhindered(read)[0][0] - before < 100_000


def test_a_reader_who_was_removed_whole_is_missed_by_the_digest(evidence: Sql) -> None:
    key = evidence("SELECT email_key FROM consent_records ORDER BY id LIMIT 1")[0][0]
    ids = [row[0] for row in evidence("SELECT id FROM consent_records WHERE email_key = %s", key)]
    evidence("DELETE FROM consent_records WHERE id = ANY(%s)", ids)
    evidence("DELETE FROM consent_details WHERE record_id = ANY(%s)", ids)
    assert [finding.what.split(":")[0] for finding in findings()] == ["digest 1"]


def test_a_tail_that_was_cut_off_after_a_digest_is_missed(evidence: Sql) -> None:
    through = evidence("SELECT max(through_id) FROM consent_digests")[0][0]
    evidence("DELETE FROM consent_details WHERE record_id > %s", through - 1)
    evidence("DELETE FROM consent_records WHERE id > %s", through - 1)
    assert [finding.what.split(":")[0] for finding in findings()] == ["digest 3"]


def test_two_records_that_changed_places_are_found(evidence: Sql) -> None:
    """Their ids are exchanged, and those of their details: every chain still holds."""
    first, second = (row[0] for row in evidence("SELECT id FROM consent_records ORDER BY id LIMIT 2"))
    for table, column in (("consent_records", "id"), ("consent_details", "record_id")):
        for before, after in ((first, -1), (second, first), (-1, second)):
            evidence(f"UPDATE {table} SET {column} = %s WHERE {column} = %s", after, before)
    assert [finding.what.split(":")[0] for finding in findings()] == ["digest 1"]


def test_a_whole_forgery_cannot_be_sealed(evidence: Sql, other_settings: Callable[..., Settings]) -> None:
    """Everything made anew and consistent, but without the key."""
    evidence("TRUNCATE consent_digests")
    for path in digesting.folder().glob("*"):
        path.unlink()
    other_settings(address_key=b"another key, of an intruder who has none of ours")
    make()
    forged = seals.public_key()
    other_settings()
    assert seals.public_key() != forged
    assert "the signature does not match" in findings()[0].what


def test_records_without_a_digest_yet_are_still_chained(evidence: Sql) -> None:
    last = evidence("SELECT max(id) FROM consent_records WHERE number = 1")[0][0]
    evidence("DELETE FROM consent_records WHERE id = %s", last)
    assert {finding.what for finding in findings()} >= {"does not follow from the act before it"}


@pytest.mark.parametrize(
    ("column", "purpose"),
    [("state = 'active'", "newsletter"), ("tracking = 'agreed'", "tracking"), ("export_consent = 'agreed'", "export")],
)
def test_whoever_counts_as_agreeing_has_an_act_that_says_so(
    database: Settings, sql: Sql, column: str, purpose: str
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, ["ann@readers.example"], state="unsubscribed")
    sql(f"UPDATE subscriptions SET {column}")
    assert [finding.what.split(": ")[1] for finding in findings()] == [
        f"nothing that was recorded is a consent in force ({purpose})"
    ]
    key = email_key("ann@readers.example")
    words: dict[str, Any] = {"email_key": key, "newsletter_id": newsletter, "purpose": purpose, "method": "form"}
    with transaction() as tx:
        agree(tx, wording_sha256=None, details={}, **words)
    assert findings() == []
    sql(
        "INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method) VALUES (%s, %s, %s, 'withdrawn', 'page')",
        key,
        newsletter,
        purpose,
    )
    assert len(findings()) == 1


def test_no_finding_names_an_address_or_its_hash(evidence: Sql) -> None:
    evidence("UPDATE consent_records SET action = 'confirmed'")
    with transaction() as tx:
        keys = [row[0].hex() for row in tx.execute("SELECT DISTINCT email_key FROM consent_records")]
    said = " ".join(finding.what for finding in findings())
    assert not any(key in said for key in keys)
    assert "@" not in said
    with transaction() as tx:
        assert proving.history(tx, bytes.fromhex(keys[0]))


def test_an_act_that_says_another_time_than_it_was_written_at_is_found(
    folder: object, database: Settings, sql: Sql
) -> None:
    """By the service's own role, which may add acts: the chain takes them, and the digests tell when they came."""
    newsletter = a_newsletter()
    acts(newsletter, 5)
    make()
    key = email_key("forged@readers.example")
    add = "INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, at) SELECT :key, :newsletter, 'newsletter', :action, 'form', clock_timestamp() + :ago"
    with transaction() as tx:
        for action, days in (("given", -6), ("confirmed", 0), ("given", -9), ("confirmed", -2), ("given", 1)):
            tx.execute(add, key=key, newsletter=newsletter, action=action, ago=timedelta(days=days))
    forged = [row[0] for row in sql("SELECT id FROM consent_records WHERE email_key = %s AND number > 2", key)]
    for _ in ("in no digest yet", "in one"):
        assert [one.record_id for one in findings()] == forged
        found = attest("forged@readers.example")["verification"]
        assert [one["record"] for one in found["findings"]] == forged
        make()


@pytest.mark.parametrize("details", ["nonsense", "[1]", '"from_record"'])
def test_a_proof_is_given_though_somebody_made_the_details_unreadable(evidence: Sql, sql: Sql, details: str) -> None:
    ((newsletter,),) = sql("SELECT min(id) FROM newsletters")
    with transaction() as tx:
        agree(
            tx,
            email_key=email_key("mei@readers.example"),
            newsletter_id=newsletter,
            purpose="newsletter",
            method="form",
            wording_sha256=None,
            details={"form": "page"},
        )
    evidence("UPDATE consent_details SET details = %s", details)
    found = attest("mei@readers.example")
    assert (found["acts"], found["verification"]["ok"]) == (2, False)
    assert details in str(found["newsletters"])
