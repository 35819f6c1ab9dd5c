"""Acts of many readers recorded at once: the same chain and the same limits as one by one."""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from service.db import transaction
from service.operations.consenting import record
from service.operations.verifying import verify
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter, people, readers
from tests.operations.evidence import a_wording
from tests.operations.test_roles import as_service

Sql = Callable[..., list[Any]]
__all__ = ["as_service"]

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
LOCK = (
    "SELECT count(*) FROM (SELECT FROM subscribers WHERE email_key = ANY(:keys) ORDER BY id FOR NO KEY UPDATE) locked"
)
ANY = """
    SELECT record_acts(:newsletter, NULL, 'import', CAST(:keys AS bytea[]), CAST(:purposes AS text[]), CAST(:actions AS text[]),
        CAST(:wordings AS bytea[]), CAST(:facts AS jsonb[]))
"""
FIRST = """
    SELECT record_first_acts(:newsletter, NULL, 'import', CAST(:wording AS bytea), CAST(:tracking_wording AS bytea), CAST(:facts AS jsonb),
        CAST(:keys AS bytea[]), CAST(:lines AS integer[]), CAST(:tracking AS text[]), CAST(:tracking_lines AS integer[]))
"""

Recording = Callable[..., None]


@pytest.fixture
def recorded() -> Recording:
    """Records acts of readers that are locked before."""

    def record_them(newsletter: int, keys: list[bytes], **parts: list[Any]) -> None:
        number = len(keys)
        given: dict[str, list[Any]] = {
            "purposes": ["newsletter"] * number,
            "actions": ["given"] * number,
            "wordings": [a_wording()] * number,
            "facts": [f'{{"line": {n}}}' for n in range(number)],
        }
        with transaction() as tx:
            tx.execute(LOCK, keys=keys)
            tx.execute(ANY, newsletter=newsletter, keys=keys, **(given | parts))

    return record_them


def _one(newsletter: int, key: bytes) -> None:
    with transaction() as tx:
        record(tx, "withdrawn", email_key=key, newsletter_id=newsletter, purpose="newsletter", method="page")


def two_of(newsletter: int) -> dict[str, Any]:
    """Whose acts they are."""
    return {"newsletter": newsletter, "keys": [b"\x01" * 16, b"\x02" * 16]}


@pytest.fixture
def newsletter(database: Settings) -> int:
    return a_newsletter()


def test_the_chain_goes_on_from_either_way_to_the_other(newsletter: int, recorded: Recording, sql: Sql) -> None:
    first, second, third = b"\x01" * 16, b"\x02" * 16, b"\x03" * 16
    _one(newsletter, first)
    _one(newsletter, first)
    recorded(
        newsletter,
        [first, second, first, third, first],
        purposes=["newsletter", "newsletter", "tracking", "newsletter", "export"],
        actions=["given", "given", "withdrawn", "given", "confirmed"],
        wordings=[a_wording(), a_wording(), None, a_wording(), None],
        facts=['{"line": 1}', "{}", '{"a": "é|王", "line": 2}', '{"line": 3}', "{}"],
    )
    _one(newsletter, first)
    _one(newsletter, third)
    found = verify()
    assert (found.acts, found.findings) == (9, [])
    assert sql(
        "SELECT number, purpose, action, act_hash IS NULL FROM consent_records WHERE email_key = %s ORDER BY number",
        first,
    ) == [
        (1, "newsletter", "withdrawn", True),
        (2, "newsletter", "withdrawn", True),
        (3, "newsletter", "given", False),
        (4, "tracking", "withdrawn", False),
        (5, "export", "confirmed", True),
        (6, "newsletter", "withdrawn", True),
    ]
    assert sql("SELECT count(*) FROM consent_records r WHERE hash <> consent_hash(r)") == [(0,)]
    assert sql("SELECT count(DISTINCT salt), min(length(salt)), count(*) FROM consent_details") == [(3, 32, 3)]


def test_acts_of_one_reader_from_two_sides_make_one_chain(newsletter: int, recorded: Recording, sql: Sql) -> None:
    addresses = people(30)
    readers(newsletter, addresses)
    keys = [email_key(address) for address in addresses]
    already = sql("SELECT count(*) FROM consent_records")[0][0]
    errors: list[Exception] = []
    ready = threading.Barrier(4)

    def run(what: Callable[[], None]) -> None:
        ready.wait(30)
        try:
            for _ in range(10):
                what()
        except Exception as error:
            errors.append(error)

    def one_by_one() -> None:
        for key in keys:
            _one(newsletter, key)

    ways = (lambda: recorded(newsletter, keys), lambda: recorded(newsletter, keys[::-1]), one_by_one, one_by_one)
    threads = [threading.Thread(target=run, args=(way,)) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert sql("SELECT count(*) FROM consent_records") == [(already + 4 * 10 * 30,)]
    assert [finding for finding in verify().findings if finding.record_id is not None] == []


def test_whoever_takes_no_lock_forks_no_chain(newsletter: int, recorded: Recording, sql: Sql) -> None:
    key = b"\x01" * 16
    errors: list[Exception] = []

    def beside() -> None:
        try:
            recorded(newsletter, [key])
        except DBAPIError as error:
            errors.append(error)

    thread = threading.Thread(target=beside)
    with transaction() as tx:
        record(tx, "given", email_key=key, newsletter_id=newsletter, purpose="newsletter", method="page")
        thread.start()
        until = time.monotonic() + 30
        while not sql(WAITING)[0][0]:
            assert time.monotonic() < until
            time.sleep(0.02)
    thread.join(60)
    assert [type(error.orig) for error in errors if isinstance(error, DBAPIError)] == [psycopg.errors.UniqueViolation]
    assert verify().findings == []


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ({"facts": ["{}", '{"network": "192.0.2.0/24"}']}, psycopg.errors.InvalidParameterValue),
        ({"facts": ["{}", "[1]"]}, psycopg.errors.InvalidParameterValue),
        ({"facts": ["{}", None]}, psycopg.errors.InvalidParameterValue),
        ({"purposes": ["newsletter", "anything"]}, psycopg.errors.CheckViolation),
        ({"actions": ["given", "thought"]}, psycopg.errors.CheckViolation),
        ({"wordings": [None, b"never kept"]}, psycopg.errors.ForeignKeyViolation),
        ({"newsletter": 0}, psycopg.errors.ForeignKeyViolation),
    ],
)
def test_acts_that_would_be_no_evidence_are_refused(
    newsletter: int, recorded: Recording, sql: Sql, parts: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(DBAPIError) as refused:
        recorded(**two_of(newsletter) | parts)
    assert isinstance(refused.value.orig, error)
    assert sql("SELECT count(*) FROM consent_records") == [(0,)]


@pytest.mark.parametrize(
    "call",
    [
        "record_acts(NULL, NULL, 'import', '{{\"\\\\x01\"}}', '{{newsletter}}', '{{given}}', '{{NULL}}', {facts})",
        "record_acts(NULL, NULL, 'import', '{{\"\\\\x01\"}}', '{{newsletter}}', '{{given}}', {facts}::bytea[], ARRAY[jsonb '{{}}'])",
    ],
)
@pytest.mark.parametrize("facts", ["'{}'", "NULL", "'{NULL,NULL}'"])
def test_acts_of_which_a_part_is_missing_are_refused(sql: Sql, call: str, facts: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        sql("SELECT " + call.format(facts=facts))


def _first(newsletter: int, keys: list[bytes], **parts: Any) -> None:
    given = {
        "wording": a_wording(),
        "tracking_wording": a_wording(),
        "facts": "{}",
        "lines": list(range(1, len(keys) + 1)),
        "tracking": [None] * len(keys),
        "tracking_lines": list(range(1, len(keys) + 1)),
    }
    with transaction() as tx:
        tx.execute(FIRST, newsletter=newsletter, keys=keys, **(given | parts))


def test_first_acts_begin_the_chain_that_others_go_on(newsletter: int, recorded: Recording, sql: Sql) -> None:
    keys = [bytes([n]) * 16 for n in (1, 2, 3)]
    _first(
        newsletter,
        keys,
        facts='{"basis": "é|王", "a": "\\"line\\": null", "lines": null}',
        tracking=["given", "withdrawn", None],
        tracking_lines=[1, 7, None],
    )
    _one(newsletter, keys[0])
    recorded(newsletter, keys)
    found = verify()
    assert (found.acts, found.findings) == (9, [])
    assert sql(
        """SELECT get_byte(r.email_key, 0), r.number, r.purpose, r.action, r.wording_sha256 IS NULL, d.details::jsonb -> 'line', d.details::jsonb -> 'basis'
           FROM consent_records r JOIN consent_details d ON d.record_id = r.id WHERE r.id <= 5 + (SELECT min(id) FROM consent_records) ORDER BY 1, 2"""
    )[:5] == [
        (1, 1, "newsletter", "given", False, 1, "é|王"),
        (1, 2, "tracking", "given", False, 1, None),
        (2, 1, "newsletter", "given", False, 2, "é|王"),
        (2, 2, "tracking", "withdrawn", True, 7, None),
        (3, 1, "newsletter", "given", False, 3, "é|王"),
    ]
    assert sql("SELECT count(*) FROM consent_records r WHERE hash <> consent_hash(r)") == [(0,)]
    assert sql("SELECT count(*) FROM consent_details WHERE details <> details::jsonb::text") == [(0,)]
    assert sql("SELECT count(DISTINCT salt), min(length(salt)), count(*) FROM consent_details") == [(8, 32, 8)]


@pytest.mark.parametrize("twice", [True, False], ids=["named twice", "recorded before"])
def test_whoever_is_not_at_the_beginning_has_no_first_acts(newsletter: int, sql: Sql, *, twice: bool) -> None:
    keys = [b"\x01" * 16, b"\x02" * 16]
    if not twice:
        _one(newsletter, keys[1])
    before = sql("SELECT count(*) FROM consent_records")
    with pytest.raises(DBAPIError) as refused:
        _first(newsletter, [*keys, keys[1]] if twice else keys)
    assert isinstance(refused.value.orig, psycopg.errors.UniqueViolation)
    assert sql("SELECT count(*) FROM consent_records") == before


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ({"facts": '{"network": "192.0.2.0/24"}'}, psycopg.errors.InvalidParameterValue),
        ({"facts": '{"line": 5}'}, psycopg.errors.InvalidParameterValue),
        ({"facts": '{"a": {"line": null}}'}, psycopg.errors.InvalidParameterValue),
        ({"facts": "[]"}, psycopg.errors.InvalidParameterValue),
        ({"facts": None}, psycopg.errors.InvalidParameterValue),
        ({"lines": [1]}, psycopg.errors.InvalidParameterValue),
        ({"lines": None}, psycopg.errors.InvalidParameterValue),
        ({"lines": [1, None]}, psycopg.errors.NotNullViolation),
        ({"tracking": ["given", "given", "given"]}, psycopg.errors.InvalidParameterValue),
        ({"tracking": ["given", "thought"]}, psycopg.errors.CheckViolation),
        ({"tracking": ["given", None], "tracking_lines": [None, None]}, psycopg.errors.NotNullViolation),
        ({"tracking": ["given", None], "tracking_wording": b"never kept"}, psycopg.errors.ForeignKeyViolation),
        ({"wording": b"never kept"}, psycopg.errors.ForeignKeyViolation),
        ({"newsletter": 0}, psycopg.errors.ForeignKeyViolation),
    ],
)
def test_first_acts_that_would_be_no_evidence_are_refused(
    newsletter: int, sql: Sql, parts: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(DBAPIError) as refused:
        _first(**two_of(newsletter) | parts)
    assert isinstance(refused.value.orig, error)
    assert sql("SELECT count(*) FROM consent_records") == [(0,)]


CALLS = {
    "record_first_acts(bigint, bigint, text, bytea, bytea, jsonb, bytea[], integer[], text[], integer[])": "record_first_acts(NULL, NULL, 'import', NULL, NULL, '{}', '{\"\\\\x01\"}', '{1}', '{NULL}', '{NULL}')",
    "record_acts(bigint, bigint, text, bytea[], text[], text[], bytea[], jsonb[])": "record_acts(NULL, NULL, 'import', '{\"\\\\x01\"}', '{newsletter}', '{given}', '{NULL}', ARRAY[jsonb '{\"line\": 1}'])",
}


@pytest.mark.parametrize("call", CALLS.values())
def test_no_table_of_the_session_stands_in_for_the_records(as_service: Sql, sql: Sql, call: str) -> None:
    as_service(
        "CREATE TEMP TABLE consent_records (LIKE public.consent_records); CREATE TEMP TABLE consent_details (LIKE public.consent_details);"
        "CREATE TEMP TABLE subscribers (LIKE public.subscribers); CREATE TEMP TABLE added (newsletter_id bigint);"
        f"SELECT {call}"
    )
    assert sql("SELECT number, length(act_hash), length(hash) FROM consent_records") == [(1, 32, 32)]
    assert sql("SELECT details FROM consent_details") == [('{"line": 1}',)]


@pytest.mark.parametrize("name", CALLS)
def test_whoever_is_not_the_service_records_nothing(sql: Sql, name: str) -> None:
    assert sql(f"SELECT has_function_privilege('public', '{name}', 'EXECUTE')") == [(False,)]
