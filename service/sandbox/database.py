"""The sandbox's one SQLite file: its tables, one writer at a time, and readers that never wait for the writer.

A commit is in the kernel's hands before it returns, so `kill -9` loses nothing; a power cut may cost the last moments.
"""

import fcntl
import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS request (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at REAL NOT NULL, due REAL NOT NULL,
    subject TEXT NOT NULL, recipients INTEGER NOT NULL, behaviour TEXT, generated INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS request_waiting ON request (due) WHERE generated = 0 AND behaviour IS NOT NULL;
CREATE TABLE IF NOT EXISTS body (request INTEGER PRIMARY KEY, gzipped BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS recipient (
    id INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL, position INTEGER NOT NULL, address TEXT NOT NULL,
    issue TEXT, fingerprint TEXT NOT NULL
);
-- One index for both questions, "what did this address get" and "who got something twice": the second reads the
-- whole index in order and never sorts.
CREATE INDEX IF NOT EXISTS recipient_copies ON recipient (address, issue, fingerprint);
CREATE TABLE IF NOT EXISTS chunk (
    id INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL, due REAL NOT NULL, events INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, delivered_at REAL, packed BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS chunk_waiting ON chunk (due, id) WHERE delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS chunk_request ON chunk (request);
CREATE TABLE IF NOT EXISTS suppression (
    kind TEXT NOT NULL, address TEXT NOT NULL, created INTEGER NOT NULL, reason TEXT NOT NULL, status TEXT NOT NULL,
    PRIMARY KEY (kind, address)
);
"""
_CONTENT = ("chunk", "recipient", "body", "request", "suppression")


class HomeInUse(Exception):
    """Another sandbox already works in this folder."""


class Database:
    """Owns the file in `home`, which is made readable by its owner only. One process at a time."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        self._lock_file = (home / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock_file.close()
            raise HomeInUse(f"another sandbox is running in {home}: stop it, or choose another --home") from None
        self._path = home / "sandbox.sqlite3"
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._writer = self._connect()
        self._writer.executescript(_TABLES)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16000")
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed on leaving, rolled back on an exception."""
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._idle.put(connection)

    def empty(self) -> None:
        """Forgets every mail, event and suppression. Row numbers go on, so that an old link finds nothing new."""
        with self.writing() as tx:
            for table in _CONTENT:
                tx.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        with self._writing:
            self._writer.close()
        while not self._idle.empty():
            self._idle.get_nowait().close()
        self._lock_file.close()
