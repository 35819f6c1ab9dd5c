"""What a statement finds, and what becomes of its connection when it fails."""

import threading
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, MultipleResultsFound, NoResultFound, OperationalError

from service import db
from service.db import transaction
from service.rows import Rows, for_driver
from service.settings import Settings

NUMBERS = "SELECT n, n * 10 AS tenfold FROM generate_series(1, CAST(:most AS int)) n ORDER BY n"


@pytest.fixture
def found(database: Settings) -> Any:
    """What a statement finds that counts up to a number."""

    def ask(most: int) -> Rows:
        with transaction() as tx:
            return tx.execute(NUMBERS, most=most)

    return ask


def test_rows_are_read_by_place_and_by_name(found: Any) -> None:
    assert [(row.n, row.tenfold) for row in found(2)] == found(2).all() == [(1, 10), (2, 20)]
    assert found(2).mappings().all() == [{"n": 1, "tenfold": 10}, {"n": 2, "tenfold": 20}]
    assert found(3).scalars().all() == list(found(3).scalars()) == [1, 2, 3]
    assert found(2).first() == (1, 10)
    assert (found(2).keys(), found(2).rowcount) == (("n", "tenfold"), 2)


def test_one_row_is_one_row(found: Any) -> None:
    assert found(1).one() == (1, 10)
    assert found(1).mappings().one_or_none() == {"n": 1, "tenfold": 10}
    for ask in ("one_or_none", "scalar_one_or_none", "first", "scalar"):
        assert getattr(found(0), ask)() is None
    for ask in ("one", "scalar_one"):
        with pytest.raises(NoResultFound):
            getattr(found(0), ask)()
    for ask in ("one", "one_or_none", "scalar_one", "scalar_one_or_none"):
        with pytest.raises(MultipleResultsFound):
            getattr(found(2), ask)()


def test_nothing_in_a_row_is_not_no_row(database: Settings) -> None:
    with transaction() as tx:
        assert tx.execute("SELECT NULL").scalar_one() is None


def test_columns_without_a_name_of_their_own_are_there_by_place(database: Settings) -> None:
    with transaction() as tx:
        row = tx.execute("SELECT 1, 2, 3 AS id, 4 AS id, 5 AS class").one()
    assert (*row,) == (1, 2, 3, 4, 5)
    assert row.id == 3


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT :one", "SELECT %(one)s"),
        ("SELECT :one::text, x::int", "SELECT %(one)s::text, x::int"),
        ("SELECT a % 2, b LIKE '%x'", "SELECT a %% 2, b LIKE '%%x'"),
        ("SELECT '12:30', a[1:n]", "SELECT '12:30', a[1:n]"),
    ],
)
def test_parameters_are_what_follows_a_colon(statement: str, expected: str) -> None:
    assert for_driver(statement) == expected


def test_signs_of_the_driver_are_what_they_look_like(database: Settings) -> None:
    with transaction() as tx:
        assert tx.execute("SELECT 7 % 4, 'a%s' || CAST(:one AS text), '12:30'", one="%(x)s:y").one() == (
            3,
            "a%s%(x)s:y",
            "12:30",
        )


def test_an_error_names_no_value(database: Settings) -> None:
    with pytest.raises(IntegrityError) as caught, transaction() as tx:
        tx.execute("INSERT INTO suppressions (email_key, kind, source) VALUES (NULL, :kind, 'mei')", kind="mei")
    assert isinstance(caught.value.orig, psycopg.errors.NotNullViolation)
    assert not caught.value.connection_invalidated
    assert ":kind" in str(caught.value.statement)
    assert caught.value.params is None


def test_what_python_cannot_hold_is_told_as_an_error_of_the_database(database: Settings) -> None:
    with transaction() as tx:
        for ask in ("one", "all", "scalar_one"):
            with pytest.raises(DataError):
                getattr(tx.execute("SELECT timestamptz '10000-01-02 UTC'"), ask)()
        with pytest.raises(DataError):
            list(tx.execute("SELECT timestamptz '10000-01-02 UTC'"))


def test_a_transaction_that_is_over_asks_nothing(database: Settings) -> None:
    with transaction() as tx:
        pass
    with pytest.raises(RuntimeError, match="is over"):
        tx.execute("SELECT 1")


def test_with_one_connection_those_that_rest_are_given_up_too(database: Settings) -> None:
    """Whatever ended it has most often ended them all, and not always in a way that can be heard."""
    with db.engine().connect() as first, db.engine().connect() as second:
        resting = {one.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() for one in (first, second)}
    assert _lost() in resting
    with transaction() as tx:
        assert tx.execute("SELECT pg_backend_pid()").scalar_one() not in resting
        assert tx.execute("SHOW temp_buffers").scalar_one() == "800kB"


def _lost() -> int:
    seen: list[int] = []
    with pytest.raises(OperationalError), transaction() as tx:  # noqa: PT012
        seen.append(tx.execute("SELECT pg_backend_pid()").scalar_one())
        tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    return seen[0]


def test_a_connection_that_was_lost_is_not_used_again(database: Settings) -> None:
    with pytest.raises(OperationalError) as caught, transaction() as tx:
        tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert caught.value.connection_invalidated
    with transaction() as tx:
        assert tx.execute("SELECT 1").scalar_one() == 1


class _EnoughError(BaseException):
    """What no handler of errors catches."""


def test_one_that_was_broken_off_is_not_used_again(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a worker's time limit: what it would have answered must not be taken for the next one's answer."""

    def broken_off(gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        next(gen)
        raise _EnoughError

    seen: list[Any] = []

    def ask() -> None:
        with transaction() as tx:
            seen.extend((tx.driver, tx.execute("SELECT pg_backend_pid()").scalar_one()))
            monkeypatch.setattr(tx.driver, "wait", broken_off)
            tx.execute("SELECT pg_sleep(0.1), 'of the first'")

    with pytest.raises(_EnoughError):
        ask()
    with transaction() as tx:
        assert tx.driver is not seen[0]
        assert tx.execute("SELECT pg_backend_pid()").scalar_one() != seen[1]
        assert tx.execute("SELECT 'of the second'").scalar_one() == "of the second"


def test_a_statement_that_was_cancelled_leaves_the_connection_whole(database: Settings) -> None:
    seen: list[Any] = []

    def ask() -> None:
        with transaction() as tx:
            seen.append(tx.execute("SELECT pg_backend_pid()").scalar_one())
            threading.Timer(0.3, _cancel, seen).start()
            tx.execute("SELECT pg_sleep(5)")

    with pytest.raises(DBAPIError) as caught:
        ask()
    assert not caught.value.connection_invalidated
    with transaction() as tx:
        assert tx.execute("SELECT pg_backend_pid()").scalar_one() == seen[0]


def _cancel(backend: int) -> None:
    with db.glance() as tx:
        tx.execute("SELECT pg_cancel_backend(:pid)", pid=backend)
