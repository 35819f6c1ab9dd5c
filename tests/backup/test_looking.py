"""Commands that only look change nothing, also where the database is not as they expect it: they say what to do."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from service.clients.postgresql import conninfo
from tests.backup.conftest import Home

RUNNER = "__import__('service.migrations.runner', fromlist=['x'])"
LOOKING = (("status",), ("epoch", "show"), ("backup", "/tmp/broadsheet-never-made"))


@pytest.fixture(scope="module")
def migrated() -> Iterator[Home]:
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-looking-", dir="/tmp"))
    outer.chmod(0o711)
    home = Home(outer)
    home.run("migrate").succeeded()
    with home.servers():
        yield home
    home.run.end()
    shutil.rmtree(outer, ignore_errors=True)


def execute(home: Home, statement: str) -> list[tuple[object, ...]]:
    with home.servers() as servers, psycopg.connect(conninfo(servers.owner_url), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize("command", LOOKING)
def test_a_database_of_another_version_is_left_as_it_is(migrated: Home, command: tuple[str, ...]) -> None:
    ((head,),) = execute(migrated, "SELECT version_num FROM alembic_version")
    migrated.run(*LOOKING[0]).succeeded()
    # A backup of one that is behind is made, see below.
    behind = (f"{int(str(head)) - 1:04d}", "lacks 1 migration of this version")
    for version, told in (("9999", "by a newer"), behind)[: 1 if command[0] == "backup" else 2]:
        execute(migrated, f"UPDATE alembic_version SET version_num = '{version}'")
        (problem,) = migrated.run(*command).refused(1)
        assert told in problem
        assert "broadsheet migrate" in problem or version == "9999"
        assert execute(migrated, "SELECT version_num FROM alembic_version") == [(version,)]
    execute(migrated, f"UPDATE alembic_version SET version_num = '{head}'")
    assert not Path("/tmp/broadsheet-never-made").exists()


def test_a_database_that_is_behind_is_backed_up_as_it_is(migrated: Home) -> None:
    migrated.python(f"{RUNNER}.downgrade(__import__('service.db').db.owner_engine(), '0024')")
    made = migrated.run("backup", migrated.backups, "--json").succeeded().json
    assert made["tried"]
    assert execute(migrated, "SELECT version_num FROM alembic_version") == [("0024",)]
    restored = migrated.run("restore", made["file"], "--replace").succeeded()
    assert "Nothing is sent until you decide" in restored.err
    assert "[error" not in restored.err, "the answer is for a person, and stands alone"
    assert "the database was restored" in (migrated.home / "log" / "commands.log").read_text()
    (problem,) = migrated.run("status").refused(1)
    assert "This database was restored" in problem
    migrated.run("epoch", "accept", "--reason", "a trial").succeeded()
    told = migrated.run("status").succeeded().err
    assert "All is well." in told
    assert "Nothing runs now: start `broadsheet up`" in told


@pytest.mark.parametrize("command", LOOKING)
def test_where_there_is_no_installation_none_is_made(home: Home, command: tuple[str, ...]) -> None:
    (problem,) = home.run(*command).refused(1)
    assert "There is no installation" in problem
    assert "BROADSHEET_HOME" in problem
    assert not (home.home / "embedded.json").exists()


def test_looking_notes_no_key_and_gives_no_name(migrated: Home) -> None:
    before = execute(migrated, "SELECT epoch, secret_key_checks, address_key_check FROM installation")
    execute(migrated, "UPDATE installation SET epoch = NULL, secret_key_checks = '{}', address_key_check = NULL")
    migrated.run("status").succeeded()
    found = execute(migrated, "SELECT epoch, secret_key_checks, address_key_check FROM installation")
    assert found == [(None, [], None)]
    migrated.run("migrate").succeeded()
    after = execute(migrated, "SELECT epoch, secret_key_checks, address_key_check FROM installation")
    assert after[0][1:] == before[0][1:]
    assert after[0][0]
