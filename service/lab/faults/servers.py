"""The database and the broker of a machine under fault, to be killed, frozen and started again: the embedded ones, which the
product keeps, or this machine's stock ones, which are kept here."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import psycopg
import redis

from service.errors import BroadsheetError
from service.settings import Settings

_PASSWORD = "of-a-machine-under-fault"
_SECONDS = 60


class Servers(Protocol):
    """`environ`: what the product is told of them."""

    environ: dict[str, str]

    def connected(self, chosen: Settings) -> Settings:
        """The settings with the servers' addresses, once they run."""

    def postgresql(self) -> int:
        """The number of PostgreSQL's first process."""

    def broker(self) -> int:
        """The number of the broker's process."""

    def revive(self) -> None:
        """Start again what was killed, unless somebody else does."""

    def empty_broker(self) -> None:
        """What the broker has on disk is gone when it starts the next time."""

    def close(self) -> None:
        """End what was started here."""


class EmbeddedServers:
    """Kept by the running `up`, which starts again what ends."""

    environ: dict[str, str] = {}  # noqa: RUF012 - never changed

    def __init__(self, home: Path) -> None:
        self._home = home

    def connected(self, chosen: Settings) -> Settings:
        known = json.loads((self._home / "run" / "servers.json").read_text())
        return chosen.connected(known["database_url"], known["redis_url"], known["owner_url"])

    def postgresql(self) -> int:
        (found,) = self._home.glob("postgresql*/**/postmaster.pid")
        return int(found.read_text().splitlines()[0])

    def broker(self) -> int:
        return int(json.loads((self._home / "run" / "valkey.json").read_text())["pid"])

    def revive(self) -> None:
        return None

    def empty_broker(self) -> None:
        for folder in self._home.glob("valkey*/**/appendonlydir"):
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        return None


class StockServers:
    """PostgreSQL and Redis as the distribution packs them. Raises BroadsheetError where they are not installed."""

    def __init__(self, outer: Path, clock: Mapping[str, str]) -> None:
        """`clock`: PostgreSQL's environment, where its clock is to be set."""
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
        broker = shutil.which("redis-server") or shutil.which("valkey-server")
        if not programs or not broker:
            raise BroadsheetError(
                "Stock servers are not here. Install postgresql and redis-server, or leave out --stock."
            )
        self._clock = dict(clock)
        self._outer, self._initdb, ports = outer, programs[-1].with_name("initdb"), (free_port(), free_port())
        self._data = outer / "stock-postgresql"
        self._broker_data = outer / "stock-redis"
        address = f"{_PASSWORD}@127.0.0.1:{ports[0]}"
        self._boss = f"postgresql://postgres:{address}/postgres"
        options = ["-p", str(ports[0]), "-h", "127.0.0.1", "-k", "", "-c", "max_connections=200"]
        self._commands = {
            "postgresql": [str(programs[-1]), "-D", str(self._data), *options],
            "broker": [
                broker, "--port", str(ports[1]), "--bind", "127.0.0.1", "--requirepass", _PASSWORD, "--save", "",
                "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--dir", str(self._broker_data),
            ],
        }  # fmt: skip
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._redis_url = f"redis://:{_PASSWORD}@127.0.0.1:{ports[1]}/0"
        self.environ = {
            "DATABASE_URL": f"postgresql://broadsheet:{address}/broadsheet",
            "DATABASE_OWNER_URL": f"postgresql://owner:{address}/broadsheet",
            "REDIS_URL": self._redis_url,
            "BROADSHEET_SANDBOX": "1",
            "SECRET_KEYS": "a-secret-key-of-a-machine-under-fault",
            "ADDRESS_KEY": "an-address-key-of-a-machine-under-fault",
        }
        try:
            self._create()
        except BaseException:
            self.close()
            raise

    def _create(self) -> None:
        password = self._outer / "password"
        password.write_text(_PASSWORD)
        for folder in (self._data, self._broker_data):
            folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            for path in (self._data, self._broker_data, password):
                shutil.chown(path, "nobody")
        made = [str(self._initdb), "-D", str(self._data), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"]
        subprocess.run(
            [*made, f"--pwfile={password}"], check=True, cwd="/", stdout=subprocess.DEVNULL, **_unprivileged()
        )
        self.revive()
        with psycopg.connect(self._boss, autocommit=True) as connection:
            for role in ("broadsheet", "owner"):
                connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{_PASSWORD}'".encode())
            connection.execute("GRANT pg_signal_backend TO owner")
            connection.execute("ALTER ROLE owner CREATEDB")  # to try out and restore backups
            connection.execute("CREATE DATABASE broadsheet OWNER owner")

    def connected(self, chosen: Settings) -> Settings:
        return chosen

    def postgresql(self) -> int:
        return self._running["postgresql"].pid

    def broker(self) -> int:
        return self._running["broker"].pid

    def revive(self) -> None:
        for name, command in self._commands.items():
            if name not in self._running or self._running[name].poll() is not None:
                with (self._outer / f"{name}.log").open("ab") as log:
                    self._running[name] = subprocess.Popen(
                        command,
                        cwd="/",
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                        env=os.environ | (self._clock if name == "postgresql" else {}),
                        **_unprivileged(),
                    )
        _wait_until(lambda: psycopg.connect(self._boss).close())
        with redis.Redis.from_url(self._redis_url) as client:
            _wait_until(client.ping)

    def empty_broker(self) -> None:
        shutil.rmtree(self._broker_data / "appendonlydir", ignore_errors=True)

    def close(self) -> None:
        running = [(name, one) for name, one in self._running.items() if one.poll() is None]
        for name, process in running:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGQUIT if name == "postgresql" else signal.SIGKILL)
        for _, process in running:
            try:
                process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """A port that nobody holds just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wait_until(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            ready()
            return
        except (psycopg.OperationalError, redis.RedisError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
