"""Who starts the servers, who stops them, and what is left after a kill."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import redis

from service import embedded
from service.embedded import Servers

from .conftest import User


def _sql(found: Servers, statement: str) -> object:
    with psycopg.connect(found.owner_url.replace("+psycopg", "")) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def _pids(home: Path) -> list[int]:
    """The processes whose working folder is in this home's data."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                folder = os.readlink(entry / "cwd")
            except OSError:
                continue
            if folder.startswith(str(home)):
                found.append(int(entry.name))
    return found


def _wait_until_gone(home: Path) -> None:
    deadline = time.monotonic() + 10
    while _pids(home):
        assert time.monotonic() < deadline, f"still running: {_pids(home)}"
        time.sleep(0.05)


def test_the_servers_run_for_as_long_as_their_owner_and_keep_their_data(home: Path) -> None:
    assert embedded.servers(home) is None
    with embedded.running(home) as found:
        assert embedded.servers(home) == found
        assert _sql(found, "SHOW server_encoding") == "UTF8"
        assert _sql(found, "SELECT lower('ÄÉ律')") == "äé律"
        _sql(found, "CREATE TABLE kept AS SELECT 7 AS number")
        redis.Redis.from_url(found.redis_url).set("kept", "8")
        assert len(_pids(home)) > 2
    assert embedded.servers(home) is None
    assert _pids(home) == []
    with embedded.running(home) as again:
        assert _sql(again, "SELECT number FROM kept") == 7
        assert redis.Redis.from_url(again.redis_url).get("kept") == b"8"


def test_a_guest_joins_and_the_owner_stops_the_servers_only_after_it_has_left(
    home: Path, use: Callable[..., User]
) -> None:
    owner = use(home)
    found = owner.servers()
    guest = use(home)
    assert guest.servers() == found
    owner.leave()
    time.sleep(3)
    assert owner.process.poll() is None
    assert _sql(found, "SELECT 1") == 1
    guest.leave()
    assert guest.ended() == ""
    assert "Waiting for other Broadsheet commands" in owner.ended()
    assert embedded.servers(home) is None


def test_an_owner_that_does_not_wait_stops_the_servers_at_once(home: Path, use: Callable[..., User]) -> None:
    with embedded.running(home, wait_for_guests=False):
        use(home).servers()
    assert _pids(home) == []


def test_two_starts_at_once_make_one_pair(home: Path, use: Callable[..., User]) -> None:
    first, second = use(home), use(home)
    assert first.servers() == second.servers()
    for user in (first, second):
        user.leave()
    for user in (first, second):
        user.ended()
        assert user.process.returncode == 0


def test_two_homes_never_meet(home: Path, use: Callable[..., User]) -> None:
    with embedded.running(home) as one, embedded.running(home.parent / "other") as other:
        assert one.database_url != other.database_url
        assert one.redis_url != other.redis_url
        _sql(one, "CREATE TABLE only_here ()")
        assert _sql(other, "SELECT to_regclass('only_here')") is None


def test_a_killed_owner_takes_its_servers_with_it_and_the_next_start_has_its_data(
    home: Path, use: Callable[..., User]
) -> None:
    owner = use(home)
    found = owner.servers()
    _sql(found, "CREATE TABLE kept AS SELECT 7 AS number")
    redis.Redis.from_url(found.redis_url).set("kept", "8")
    time.sleep(1.5)  # Valkey promises what is older than a second
    owner.process.send_signal(signal.SIGKILL)
    owner.process.wait()
    with embedded.running(home) as again:  # while the old ones may still be ending
        assert _sql(again, "SELECT number FROM kept") == 7
        assert redis.Redis.from_url(again.redis_url).get("kept") == b"8"
    _wait_until_gone(home)


def test_servers_are_gone_within_seconds_after_their_owner_was_killed(home: Path, use: Callable[..., User]) -> None:
    owner = use(home)
    owner.servers()
    assert _pids(home)
    owner.process.send_signal(signal.SIGKILL)
    owner.process.wait()
    _wait_until_gone(home)
    assert embedded.servers(home) is None


def test_data_survive_the_kill_of_postgresql_itself(home: Path, use: Callable[..., User]) -> None:
    owner = use(home)
    _sql(owner.servers(), "CREATE TABLE kept AS SELECT 7 AS number")
    os.kill(int((home / "postgresql" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    owner.leave()
    owner.ended()
    with embedded.running(home) as again:
        assert _sql(again, "SELECT number FROM kept") == 7


def _wait_until_it_answers(ask: Callable[[], object]) -> object:
    deadline = time.monotonic() + 60
    while True:
        try:
            return ask()
        except (psycopg.OperationalError, redis.RedisError):
            assert time.monotonic() < deadline, "nobody started it again"
            time.sleep(0.1)


def test_a_postgresql_that_is_killed_is_started_again_where_it_was(home: Path) -> None:
    with embedded.running(home) as found:
        _sql(found, "CREATE TABLE kept AS SELECT 7 AS number")
        pid_file = home / "postgresql" / "postmaster.pid"
        killed = int(pid_file.read_text().split()[0])
        os.kill(killed, signal.SIGKILL)
        assert _wait_until_it_answers(lambda: _sql(found, "SELECT number FROM kept")) == 7
        assert int(pid_file.read_text().split()[0]) != killed
        assert embedded.servers(home) == found
    assert _pids(home) == []


def test_a_valkey_that_is_killed_is_started_again_where_it_was(home: Path) -> None:
    with embedded.running(home) as found, redis.Redis.from_url(found.redis_url, retry=None) as connection:
        connection.set("kept", "8")
        time.sleep(1.5)  # Valkey promises what is older than a second
        killed = int(connection.info("server")["process_id"])
        os.kill(killed, signal.SIGKILL)
        assert _wait_until_it_answers(lambda: connection.get("kept")) == b"8"
        assert int(connection.info("server")["process_id"]) != killed
    assert _pids(home) == []


def test_a_server_that_is_killed_again_and_again_is_started_again_each_time(home: Path) -> None:
    with embedded.running(home) as found:
        for _ in range(3):
            os.kill(int((home / "postgresql" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            assert _wait_until_it_answers(lambda: _sql(found, "SELECT 1")) == 1


def test_the_most_workers_that_can_be_set_all_get_a_connection(home: Path) -> None:
    with embedded.running(home) as found, ExitStack() as stack:
        address = found.database_url.replace("+psycopg", "")
        for _ in range(64 + 40 + 10):
            stack.enter_context(psycopg.connect(address))


def test_a_pid_file_that_names_somebody_elses_process_harms_nobody(home: Path, use: Callable[..., User]) -> None:
    with embedded.running(home):
        pass
    stranger = use(home.parent / "other")
    stranger.servers()
    (home / "postgresql" / "postmaster.pid").write_text(f"{stranger.process.pid}\n{home / 'postgresql'}\n")
    with embedded.running(home) as found:
        assert _sql(found, "SELECT 1") == 1
    assert stranger.process.poll() is None


def test_a_start_that_was_cut_off_begins_again(home: Path) -> None:
    half = home / "postgresql.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with embedded.running(home) as found:
        assert _sql(found, "SELECT 1") == 1
    assert not half.exists()
