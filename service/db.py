"""The database: engine and `transaction()`, the one way to change anything. Refuses to nest."""

import re
import select
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, cast

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import NullPool

from service import deadline, queue
from service.errors import BroadsheetError
from service.rows import Rows, for_driver, told

_engine: Engine | None = None
_owner: Engine | None = None
_glance: Engine | None = None
_open: ContextVar[bool] = ContextVar("transaction_open", default=False)

MINIMUM_VERSION = 140000
RESTED = 10.0
"""Seconds after which a connection that nobody used is asked whether it still works: a firewall forgets one without a word."""

_WRITES = re.compile(r"(?<!FOR )(?<!FOR NO KEY )\b(?:INSERT|UPDATE|DELETE|MERGE)\b")


@lru_cache(maxsize=1000)
def _may_write(statement: str) -> bool:
    """Rather once too often than once too seldom: a page must not say that nothing was changed when something was."""
    return _WRITES.search(statement) is not None


class Transaction:
    """One transaction: SQL, and bells that ring only after the commit. No ORM session: it costs more than most statements."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.driver = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)
        self.writes = self.is_over = False
        self._bells: list[tuple[str, tuple[int, ...]]] = []

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None, /, **named: Any) -> Rows:
        """Run SQL written out where it matters; values travel as parameters. Raises SQLAlchemy's errors."""
        if self.is_over:
            raise RuntimeError("the transaction is over: its connection may be another's by now")
        self.writes = self.writes or _may_write(statement)
        try:
            cursor = self.driver.cursor()
            cursor.execute(for_driver(statement), {**parameters, **named} if parameters else named)
        except psycopg.Error as error:
            raise self._told(statement, error) from error
        except BaseException:
            if self.driver.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                # Broken off in the middle of an answer: whoever came next would read the rest of it.
                self.connection.invalidate()
            raise
        return Rows(cursor, statement)

    def _told(self, statement: str, error: psycopg.Error) -> DBAPIError:
        """The error as SQLAlchemy tells it. A connection that it ended is not used again, nor is any that rests: what ended this one has
        most often ended them all, and each would cost somebody their wait."""
        is_lost = self.driver.closed
        if is_lost:
            self.connection.invalidate(error)
            self.connection.engine.dispose()
        return told(statement, error, is_lost=is_lost)

    def enqueue(self, name: str, *arguments: int) -> None:
        """Ask for a task by name; published after the commit, or not at all."""
        self._bells.append((name, arguments))


class _Single(Transaction):
    """One statement, in force once it was answered."""

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None, /, **named: Any) -> Rows:
        found = super().execute(statement, parameters, **named)
        self.is_over = True
        if self.writes:
            deadline.note_change()
        return found

    def _told(self, statement: str, error: psycopg.Error) -> DBAPIError:
        if self.writes and self.driver.closed:
            # Without an answer it may have been done all the same.
            deadline.note_change()
        return super()._told(statement, error)

    def enqueue(self, name: str, *arguments: int) -> None:
        raise RuntimeError("a transaction of one statement rings for nothing")


def configure(database_url: str, owner_url: str, pool_size: int = 5) -> None:
    """Use this database. `hide_parameters`: no address may reach a log through an error's text."""
    global _engine, _owner, _glance
    if _engine is not None:
        _engine.dispose()
    common: dict[str, Any] = {"hide_parameters": True, "connect_args": {"connect_timeout": 10}}
    _engine = create_engine(database_url, pool_size=pool_size, max_overflow=10, **common)
    deadline.keep(_engine)
    _keep_small(_engine)
    _look_before_use(_engine)
    _owner = create_engine(owner_url, poolclass=NullPool, **common)
    _glance = create_engine(
        database_url,
        poolclass=NullPool,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        connect_args={
            "connect_timeout": 2,
            "options": "-c statement_timeout=2000 -c lock_timeout=1000 -c default_transaction_read_only=on",
        },
    )


def _keep_small(engine: Engine) -> None:
    """Temporary tables are read and written in order: a cache of them gains nothing, and every connection would keep its 8 MB. It cannot
    be changed any more once there was a temporary table."""

    @event.listens_for(engine, "connect")
    def begin(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        connection.execute("SET temp_buffers = '800kB'")
        connection.autocommit = False


def _look_before_use(engine: Engine) -> None:
    """Ask a connection whether it still works only where that is in doubt: a question before each use is a round trip, of which a
    sign-up has six. A server that ended a connection has sent its end, which is there to be read."""

    @event.listens_for(engine, "checkin")
    def rest(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: Any, _proxy: Any) -> None:
        rests_since = record.info.pop("rests_since", None)
        if rests_since is None:
            return
        try:
            if time.monotonic() - rests_since > RESTED or _has_something_to_say(connection):
                engine.dialect.do_ping(connection)
        except (psycopg.Error, OSError) as error:
            raise DisconnectionError from error


def _has_something_to_say(connection: psycopg.Connection[Any]) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def engine() -> Engine:
    """The engine this process was wired with."""
    if _engine is None:
        raise RuntimeError("the process was not wired: call wiring.wire(settings) first")
    return _engine


def owner_engine() -> Engine:
    """The engine of the role that owns the tables: for migrations, and for what the service may not do by itself."""
    if _owner is None:
        raise RuntimeError("the process was not wired: call wiring.wire(settings) first")
    return _owner


@contextmanager
def transaction(*, as_owner: bool = False) -> Iterator[Transaction]:
    """Commit on leaving, roll back on an exception, publish only after the commit. A publish that fails is a log line."""
    if _open.get():
        raise RuntimeError("transactions do not nest: pass the open one on")
    token = _open.set(True)
    committing = False
    try:
        with (owner_engine() if as_owner else engine()).begin() as connection:
            tx = Transaction(connection)
            try:
                yield tx
            finally:
                tx.is_over = True
            committing = tx.writes
        deadline.note_answer()
    finally:
        _open.reset(token)
        if committing:
            # A commit without an answer may have been done all the same.
            deadline.note_change()
    for name, arguments in tx._bells:
        queue.publish(name, *arguments)


@contextmanager
def single() -> Iterator[Transaction]:
    """A transaction of one statement, which the server begins and commits with it: one round trip instead of three. Raises RuntimeError at
    a second statement, and for bells."""
    if _open.get():
        raise RuntimeError("transactions do not nest: pass the open one on")
    token = _open.set(True)
    try:
        with engine().connect() as connection:
            tx = _Single(connection)
            tx.driver.autocommit = True
            try:
                yield tx
            finally:
                tx.is_over = True
                if not tx.driver.closed and not connection.invalidated:
                    tx.driver.autocommit = False
        deadline.note_answer()
    finally:
        _open.reset(token)


@contextmanager
def glance() -> Iterator[Transaction]:
    """For reading only, given up on after two seconds: a connection of its own, statement by statement, for whoever asks whether the
    database works. Raises DBAPIError."""
    if _glance is None:
        raise RuntimeError("the process was not wired: call wiring.wire(settings) first")
    with _glance.connect() as connection:
        yield Transaction(connection)


def note(statement: str, /, **named: Any) -> None:
    """One statement, committed by itself beside whatever transaction is open: for how far something is, and for nothing else."""
    with engine().begin() as connection:
        Transaction(connection).execute(statement, named)


def after_fork() -> None:
    """Forget the parent's connections without closing them under it."""
    engine().dispose(close=False)


def check_server() -> None:
    """Refuse a database that is unreachable or too old, in one line. Raises BroadsheetError."""
    try:
        with engine().connect() as connection:
            version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[-1]
        raise BroadsheetError(f"DATABASE_URL: the database cannot be reached: {reason}") from None
    if version < MINIMUM_VERSION:
        raise BroadsheetError(f"DATABASE_URL: PostgreSQL 14 or newer is needed; this is {version // 10000}.")
