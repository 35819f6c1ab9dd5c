"""The embedded PostgreSQL: made once with a password, reachable through one private socket, silent about addresses in its
log. Refuses TCP and data of another major version."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from service.embedded.place import Place
from service.embedded.process import EmbeddedError, end_remains, last_words, start, stop

_NAME = "broadsheet"
_SERVICE = "broadsheet_service"
_MAJOR = "18"
_SOCKET_LIMIT = (107 if sys.platform == "linux" else 103) - len("/.s.PGSQL.5432")
_PATIENCE = 300  # seconds: recovery after a crash replays what was not yet in the tables
_STOPPING = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    # What a large statement writes is put on the disk by the processes whose work that is, beside it, instead of by itself.
    "wal_buffers": "16MB",
    "bgwriter_delay": "10ms",
    "bgwriter_lru_maxpages": "1000",
    "bgwriter_lru_multiplier": "4",
    # 64 sending workers, 60 of the web, one for each other process, and commands: a slot costs some 10 KB.
    "max_connections": "200",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # What a statement complains about carries addresses: the log tells of the server (LOG, FATAL, PANIC), not of ERRORs.
    "log_min_messages": "log",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


class _EndedError(EmbeddedError):
    """It ended before it answered."""


class PostgreSQL:
    """One server over one data folder."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._data = place.data / "postgresql"
        self._log = place.home / "log" / "postgresql.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._short_socket: Path | None = None

    def start(self) -> tuple[str, str]:
        """Start it, first making its data and clearing what a killed run left; returns its address for the service's role and
        for the owner of the tables, the same each time."""
        for pause in (1.0, 2.0):
            # A server that a killed run had only just begun may not have written its pid file when it was looked for.
            with suppress(_EndedError):
                return self._begin()
            time.sleep(pause)
        return self._begin()

    def _begin(self) -> tuple[str, str]:
        self._clear_remains()
        self._create()
        folder = self._socket_folder()
        escaped = str(folder).replace('"', '""')
        settings = {**_SETTINGS, "unix_socket_directories": f'"{escaped}"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = start(
            [self._place.postgresql / "postgres", "-D", self._data, *options],
            account=self._place.account,
            log=self._log,
            ends_with=signal.SIGINT,
        )
        where = f"@/{{}}?host={quote(str(folder))}"
        self._wait_until_it_answers(f"postgresql://{_NAME}:{self._place.password}{where.format('postgres')}")
        service = f"postgresql+psycopg://{_SERVICE}:{self._service_password}{where.format(_NAME)}"
        return service, f"postgresql+psycopg://{_NAME}:{self._place.password}{where.format(_NAME)}"

    @property
    def _service_password(self) -> str:
        """From it nobody finds the owner's."""
        return hashlib.sha256(b"service:" + self._place.password.encode()).hexdigest()

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process, *_STOPPING)
        if self._short_socket is not None:
            shutil.rmtree(self._short_socket, ignore_errors=True)

    @property
    def died(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _clear_remains(self) -> None:
        """The pid file names a process of our data folder that may still be ending; any other has only its number."""
        pid_file = self._data / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError):
            lines = pid_file.read_text().splitlines()
            end_remains(int(lines[0]), f"-D {self._data} -c", *_STOPPING)
            if len(lines) > 4 and Path(lines[4]).name.startswith("bs-"):
                shutil.rmtree(lines[4], ignore_errors=True)
            pid_file.unlink(missing_ok=True)

    def _create(self) -> None:
        """Made under another name and renamed, so that a kill in the middle leaves nothing that looks like a database."""
        version = self._data / "PG_VERSION"
        if version.exists():
            if version.read_text().strip() != _MAJOR:
                raise EmbeddedError(
                    f"{self._data} was made by PostgreSQL {version.read_text().strip()}, and this is {_MAJOR}: "
                    "start the Broadsheet that made it, take a backup there and restore it here."
                )
            return
        draft = self._place.data / "postgresql.new"
        shutil.rmtree(draft, ignore_errors=True)
        password = self._place.folder("socket") / "password"
        try:
            password.touch(mode=0o600)
            password.write_text(self._place.password)
            self._place.give(password)
            self._initdb(self._place.folder(draft.name), password)
        finally:
            password.unlink(missing_ok=True)
        draft.rename(self._data)

    def _initdb(self, folder: Path, password: Path) -> None:
        making = start(
            [
                self._place.postgresql / "initdb",
                *("-D", folder, "-U", _NAME, f"--pwfile={password}", "--auth=scram-sha-256", "--no-instructions"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
            account=self._place.account,
            log=self._log,
            ends_with=signal.SIGTERM,
        )
        try:
            failed = making.wait(120) != 0
        finally:
            stop(making, (signal.SIGTERM, 5.0))
        if failed:
            raise EmbeddedError(f"PostgreSQL could not make its data: {last_words(self._log)} (see {self._log}).")

    def _socket_folder(self) -> Path:
        """Beside the data, or in a private folder with a short name: where the kernel's limit would cut the path, or a comma
        would make two hosts of it for the client."""
        folder = self._place.folder("socket")
        if len(os.fsencode(folder)) <= _SOCKET_LIMIT and "," not in str(folder):
            return folder
        if self._short_socket is None:
            self._short_socket = Path(tempfile.mkdtemp(prefix="bs-", dir="/tmp"))
        self._short_socket.mkdir(mode=0o700, exist_ok=True)  # clearing up after a killed run removes it
        self._place.give(self._short_socket)
        return self._short_socket

    def _wait_until_it_answers(self, address: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self.died:
                raise _EndedError(f"PostgreSQL did not start: {last_words(self._log)} (see {self._log}).")
            try:
                with psycopg.connect(address, connect_timeout=2, autocommit=True) as connection:
                    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_NAME]).fetchone():
                        connection.execute(f"CREATE DATABASE {_NAME}")
                    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [_SERVICE]).fetchone():
                        connection.execute(f"CREATE ROLE {_SERVICE} LOGIN PASSWORD '{self._service_password}'")
                return
            except psycopg.OperationalError as error:
                if "password" in str(error):
                    raise EmbeddedError(
                        f"{self._place.home / 'embedded.json'} does not hold the password of {self._data}: restore the two together."
                    ) from error
                time.sleep(0.05)
        raise EmbeddedError(f"PostgreSQL has not answered for {_PATIENCE} s (see {self._log}).")


def answers(address: str) -> bool:
    try:
        with psycopg.connect(address.replace("+psycopg", "", 1), connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() is not None
    except psycopg.Error:
        return False
