"""The embedded Valkey: on a free port of the loopback address, with a new password for each owner that no command line
shows. Refuses to forget: what was acknowledged is appended to a file."""

import json
import secrets
import signal
import socket
import subprocess
import time
from contextlib import suppress

import redis

from service.embedded.place import Place, write_private
from service.embedded.process import EmbeddedError, end_remains, last_words, start, stop

_STOPPING = ((signal.SIGTERM, 10.0),)
_ATTEMPTS = 5
_PATIENCE = 60  # seconds: a long file is read back first

_CONFIGURATION = """
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
protected-mode yes
"""


class Valkey:
    """One server over one data folder."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._log = place.home / "log" / "valkey.log"
        self._seen = place.home / "run" / "valkey.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._password = secrets.token_hex(24)
        self._port: int | None = None

    def start(self) -> str:
        """Start it, first ending what a killed run left; returns its address, the same when it is started again."""
        with suppress(FileNotFoundError, ValueError, KeyError):
            left = json.loads(self._seen.read_text())
            end_remains(left["pid"], f"valkey-server 127.0.0.1:{left['port']}", *_STOPPING)
        for _ in range(_ATTEMPTS):
            port = self._port or _free_port()
            address = self._start_on(port)
            if address is not None:
                self._port = port
                return address
        raise EmbeddedError(f"Valkey did not start: {last_words(self._log)} (see {self._log}).")

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process, *_STOPPING)

    @property
    def died(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _start_on(self, port: int) -> str | None:
        """None where somebody took the port between our look and its bind: the process has ended then."""
        folder = json.dumps(str(self._place.folder("valkey")), ensure_ascii=False)
        self._process = start(
            [self._place.valkey, "-"],
            account=self._place.account,
            log=self._log,
            ends_with=signal.SIGTERM,
            stdin=_CONFIGURATION.format(port=port, password=self._password, folder=folder),
        )
        write_private(self._seen, {"pid": self._process.pid, "port": port})
        address = f"redis://:{self._password}@127.0.0.1:{port}/0"
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and not self.died:
            if answers(address) and not self.died:
                return address
            time.sleep(0.02)
        self.stop()
        return None


def answers(address: str) -> bool:
    try:
        with redis.Redis.from_url(address, socket_timeout=2, socket_connect_timeout=2, retry=None) as connection:
            return bool(connection.ping())
    except redis.RedisError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
