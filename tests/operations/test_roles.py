"""The service's role in the database: everything that the service needs, and nothing that could rewrite the evidence."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from service.settings import Settings

Sql = Callable[..., list[Any]]
EVIDENCE = ("consent_records", "consent_wordings", "consent_digests", "consent_tombstones", "removed_consent_records")
KEPT = (*EVIDENCE, "erasures", "audit_entries")


@pytest.fixture
def as_service(database: Settings) -> Sql:
    address = make_url(database.database_url).set(drivername="postgresql").render_as_string(hide_password=False)

    def run(statement: str) -> list[Any]:
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.mark.parametrize("table", KEPT)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET {column} = {column}",
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
        "DROP TABLE {}",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "ALTER TABLE {} ADD COLUMN more int",
        "BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
    ],
)
def test_the_service_cannot_change_the_evidence(as_service: Sql, sql: Sql, table: str, statement: str) -> None:
    column = sql("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 2", table)[0][0]
    # The role's own want of the right, not the trigger behind it that stops even the owner.
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"permission denied|must be owner"):
        as_service(statement.format(table, column=column))


@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = replica",
        "SET ROLE broadsheet",
        "CREATE TABLE mine (id int)",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        "DROP TRIGGER append_only ON consent_records",
        "SELECT remove_consent_records('{1}', '', '')",
        "INSERT INTO removed_consent_records VALUES (1, '', 1)",
        "UPDATE moves SET after = before",
        "COPY consent_records TO PROGRAM 'true'",
        "SELECT set_config('broadsheet.tombstone', '1', false); DELETE FROM consent_records",
        "INSERT INTO consent_records (id, email_key, purpose, action, method) OVERRIDING SYSTEM VALUE VALUES (-1, '', 'newsletter', 'given', 'form')",
        "INSERT INTO consent_records (email_key, purpose, action, method, number) VALUES ('', 'newsletter', 'given', 'form', 9)",
        "UPDATE consent_details SET details = '{}'",
        "INSERT INTO consent_details VALUES (1, 'act', '', '{}')",
    ],
)
def test_the_service_cannot_make_itself_able_to(as_service: Sql, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_service(statement)


def test_the_service_can_add_to_the_evidence(as_service: Sql, sql: Sql) -> None:
    as_service("""INSERT INTO consent_records (email_key, purpose, action, method, details)
                  VALUES ('\\x01', 'newsletter', 'given', 'form', '{"form": "page", "network": "192.0.2.0/24"}')""")
    assert sql("SELECT number, details, length(hash) FROM consent_records") == [(1, {}, 32)]
    assert sql("SELECT part, details FROM consent_details ORDER BY part") == [
        ("act", '{"form": "page"}'),
        ("origin", '{"network": "192.0.2.0/24"}'),
    ]


def test_no_table_of_the_session_stands_in_for_the_chain(as_service: Sql, sql: Sql) -> None:
    act = "INSERT INTO public.consent_records (email_key, purpose, action, method, details) VALUES ('\\x01', 'newsletter', 'given', 'form', '{\"form\": \"page\"}')"
    as_service(act)
    as_service(
        "CREATE TEMP TABLE consent_records (email_key bytea, number int, hash bytea); INSERT INTO pg_temp.consent_records VALUES ('\\x01', 41, '');"
        f"CREATE TEMP TABLE consent_details (LIKE public.consent_details); {act}"
    )
    assert sql("SELECT number FROM consent_records ORDER BY id") == [(1,), (2,)]
    assert sql("SELECT count(*) FROM consent_details") == [(2,)]


def test_the_function_that_drops_a_day_keeps_what_was_never_taken_in(as_service: Sql, sql: Sql) -> None:
    as_service("SELECT make_payload_partition('2001-02-03')")
    sql("INSERT INTO payloads (received_on, body) VALUES ('2001-02-03', '')")
    assert as_service("SELECT drop_payload_partition('2001-02-03')") == [(1,)]
    sql("UPDATE payloads SET state = 'ingested'")
    assert as_service("SELECT drop_payload_partition('2001-02-03')") == [(0,)]
    assert sql("SELECT to_regclass('payloads_20010203')") == [(None,)]
