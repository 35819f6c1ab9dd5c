"""The service on stock servers of one's own, and the servers that it refuses: in one line that names the variable."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from service import db
from service.errors import BroadsheetError
from service.running import check_redis
from service.settings import Settings
from tests.cli.commands import Commands
from tests.cli.conftest import LETTER, PEOPLE
from tests.conftest import free_port, missing

PASSWORD = "canary-of-a-password"
KEYS = {
    "SECRET_KEYS": "canary-of-a-secret-key-with-enough-characters",
    "ADDRESS_KEY": "canary-of-an-address-key-with-enough-characters",
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-own-", dir="/tmp"))
    outer.chmod(0o711)
    yield outer
    shutil.rmtree(outer, ignore_errors=True)


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wait_until(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            ready()
            return
        except (psycopg.OperationalError, redis.RedisError):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@contextmanager
def _serving(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        server = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, **_unprivileged())
        try:
            yield
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def postgresql(folder: Path) -> Iterator[str]:
    """A stock PostgreSQL with a password and an ordinary owner of the database, who is no superuser."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not programs:
        missing("a stock PostgreSQL")
    data, password, port = folder / "postgresql", folder / "password", free_port()
    data.mkdir(mode=0o700)
    password.write_text(PASSWORD)
    if os.geteuid() == 0:
        shutil.chown(data, "nobody")
        shutil.chown(password, "nobody")
    initdb = [str(programs[-1]), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"]
    subprocess.run([*initdb, f"--pwfile={password}"], check=True, cwd="/", stdout=subprocess.DEVNULL, **_unprivileged())
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", "", "-c", "fsync=off"]
    with _serving([str(programs[-1].with_name("postgres")), "-D", str(data), *options], folder):
        boss = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        _wait_until(lambda: psycopg.connect(boss).close())
        with psycopg.connect(boss, autocommit=True) as connection:
            for role in ("broadsheet", "owner"):
                connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
            for name in ("broadsheet", "alone"):
                connection.execute(f"CREATE DATABASE {name} OWNER owner")
        yield f"postgresql://broadsheet:{PASSWORD}@127.0.0.1:{port}/broadsheet"


@pytest.fixture(scope="module")
def redis_url(folder: Path) -> Iterator[str]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not program:
        missing("a stock Redis or Valkey")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", "", "--dir", "/tmp"]
    with _serving([str(program), *options], folder):
        url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        with redis.Redis.from_url(url) as client:
            _wait_until(client.ping)
        yield url


@pytest.fixture(scope="module")
def broadsheet(folder: Path, postgresql: str, redis_url: str) -> Iterator[Commands]:
    commands = Commands(
        BROADSHEET_HOME=folder / "home",
        DATABASE_URL=postgresql,
        DATABASE_OWNER_URL=postgresql.replace("//broadsheet:", "//owner:"),
        REDIS_URL=redis_url,
        BROADSHEET_SANDBOX="1",
        PORT=free_port(),
        SANDBOX_PORT=free_port(),
        **KEYS,
    )
    yield commands
    commands.end()


def test_a_letter_is_sent_on_stock_servers(broadsheet: Commands, folder: Path) -> None:
    broadsheet("migrate").succeeded()
    (folder / "letter.md").write_text(LETTER)
    (folder / "people.csv").write_text(PEOPLE)
    arguments = ("--to", folder / "people.csv", "--newsletter", "own", "--consent", "at the fair", "--yes", "--json")
    found = broadsheet("send", folder / "letter.md", *arguments).succeeded().json
    assert found["issue"]["state"] == "sent"
    assert (found["ledger"]["accepted"], found["ledger"]["closed"]) == (2, True)
    assert found["events"]["processed"] == 2
    assert not list((folder / "home").glob("postgresql*"))
    assert not list((folder / "home").glob("valkey*"))


def test_the_services_role_owns_nothing_and_cannot_touch_the_evidence(broadsheet: Commands, postgresql: str) -> None:
    broadsheet("migrate").succeeded()
    with psycopg.connect(postgresql, autocommit=True) as connection:
        for statement in (
            "UPDATE consent_records SET method = method",
            "DELETE FROM consent_records",
            "TRUNCATE consent_records",
            "DROP TABLE consent_records",
            "CREATE TABLE mine (id int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_one_role_will_do_where_no_other_can_be_had(broadsheet: Commands, postgresql: str) -> None:
    alone = postgresql.replace("//broadsheet:", "//owner:").replace("/broadsheet", "/alone")
    broadsheet("migrate", DATABASE_URL=alone, DATABASE_OWNER_URL="").succeeded()


def _refused(broadsheet: Commands, variable: str, **environ: Any) -> str:
    """The one line with which the start ends."""
    ended = broadsheet("migrate", **environ)
    problems = ended.refused(code=1)
    assert len(problems) == 1, problems
    assert len(ended.err.strip().splitlines()) == 1, ended.err
    assert problems[0].startswith(f"{variable}: ")
    assert "canary" not in ended.out + ended.err
    return problems[0]


def test_a_database_that_cannot_be_used_is_refused(broadsheet: Commands, postgresql: str) -> None:
    bad = {
        "is the server running on that host": postgresql.replace(
            postgresql.split(":")[-1], f"{free_port()}/broadsheet"
        ),
        "password authentication failed": postgresql.replace(PASSWORD, f"{PASSWORD}-wrong"),
        'database "nowhere" does not exist': f"{postgresql.rpartition('/')[0]}/nowhere",
        'invalid connection option "wrong"': f"{postgresql}?wrong=1",
        "reached": postgresql.replace("127.0.0.1", "no-such-host.invalid"),
    }
    for said, url in bad.items():
        assert said.lower() in _refused(broadsheet, "DATABASE_URL", DATABASE_URL=url).lower()


def test_a_redis_that_cannot_be_used_is_refused(broadsheet: Commands, redis_url: str) -> None:
    bad = {
        "connection refused": f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0",
        "invalid username-password pair": redis_url.replace(PASSWORD, f"{PASSWORD}-wrong"),
        "authenticat": redis_url.replace(f":{PASSWORD}@", ""),
        "out of range": redis_url.removesuffix("/0") + "/999",
    }
    for said, url in bad.items():
        assert said in _refused(broadsheet, "REDIS_URL", REDIS_URL=url).lower()


@contextmanager
def _redis_of_version(version: str) -> Iterator[str]:
    """A server that greets and tells its version as Redis does, and knows nothing else."""
    info = f"# Server\r\nredis_version:{version}\r\n".encode()

    def serve(connection: socket.socket) -> None:
        with connection:
            while asked := connection.recv(65536):
                for command in asked.split(b"\r\n*"):
                    if b"HELLO" in command:
                        connection.sendall(b"%1\r\n$5\r\nproto\r\n:3\r\n")
                    else:
                        connection.sendall(b"$%d\r\n%s\r\n" % (len(info), info) if b"INFO" in command else b"+OK\r\n")

    def accept() -> None:
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"redis://:{PASSWORD}@127.0.0.1:{server.getsockname()[1]}/0"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("version", ["2.8.24", "5.0.14", "6.0.16"])
def test_a_redis_that_is_too_old_is_refused(broadsheet: Commands, version: str) -> None:
    with _redis_of_version(version) as url:
        problem = _refused(broadsheet, "REDIS_URL", REDIS_URL=url)
    assert problem == f"REDIS_URL: Redis 6.2 or newer, or Valkey, is needed; this is {version}."


@pytest.mark.parametrize("version", ["6.2.0", "7.0.15", "10.0.0"])
def test_a_redis_that_is_new_enough_is_taken(version: str) -> None:
    with _redis_of_version(version) as url:
        check_redis(url)


def test_a_database_that_is_too_old_is_refused(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """No PostgreSQL 13 is at hand: the bound is moved instead, so that the real comparison is made with a real server."""
    with db.engine().connect() as connection:
        present = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    monkeypatch.setattr(db, "MINIMUM_VERSION", present)
    db.check_server()
    monkeypatch.setattr(db, "MINIMUM_VERSION", present + 1)
    with pytest.raises(
        BroadsheetError, match=rf"^DATABASE_URL: PostgreSQL .* is needed; this is {present // 10000}\.$"
    ):
        db.check_server()


def test_the_oldest_database_is_14() -> None:
    assert db.MINIMUM_VERSION == 140000
