"""Backups with a stock PostgreSQL of one's own: other programs, a role that owns the tables, one that does not, and rights to give."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.commands import Commands, environment
from tests.test_own_servers import KEYS, PASSWORD, folder, postgresql, redis_url

__all__ = ["folder", "postgresql", "redis_url"]
Boss = Callable[[str], list[Any]]


@pytest.fixture
def boss(postgresql: str) -> Boss:
    """The server's administrator."""
    address = postgresql.replace("//broadsheet:", "//postgres:").replace("/broadsheet", "/postgres")

    def run(statement: str) -> list[Any]:
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def broadsheet(tmp_path: Path, postgresql: str, redis_url: str) -> Iterator[Commands]:
    commands = Commands(
        BROADSHEET_HOME=tmp_path / "home",
        DATABASE_URL=postgresql,
        DATABASE_OWNER_URL=postgresql.replace("//broadsheet:", "//owner:"),
        REDIS_URL=redis_url,
        BROADSHEET_SANDBOX="1",
        **KEYS,
    )
    yield commands
    commands.end()


def test_a_backup_is_made_tried_out_and_restored_by_an_ordinary_role(
    broadsheet: Commands, boss: Boss, tmp_path: Path
) -> None:
    create = ("newsletter", "create", "monthly", "--name", "Monthly", "--from", "news@sender.example")
    broadsheet(*create, "--postal-address", "1 Quay Street").succeeded()
    people, key = tmp_path / "people.csv", tmp_path / "key"
    people.write_text("email\nann@readers.example\nbob@readers.example\n")
    key.write_text("a passphrase that is long enough")
    broadsheet("subscribers", "import", people, "--newsletter", "monthly", "--consent", "fair").succeeded()
    backup = ("backup", tmp_path / "backups", "--key-file", key, "--json")
    (problem,) = broadsheet(*backup).refused(1)
    assert "ALTER ROLE owner CREATEDB" in problem
    assert list((tmp_path / "backups").iterdir()) == [], "what could not be tried out is no backup"
    boss("ALTER ROLE owner CREATEDB")
    made = broadsheet(*backup).succeeded().json
    assert (made["tried"], made["findings"]) == (True, 0)
    broadsheet("subscribers", "erase", "bob@readers.example", "--reason", "asked", "--yes").succeeded()
    # As when the erasure was another machine's: what the database has and this machine has no file of.
    (certificate,) = (tmp_path / "home" / "erasures").glob("*.json")
    certificate.unlink()
    restore = ("restore", made["file"], "--key-file", key, "--replace", "--json")
    with psycopg.connect(str(broadsheet.environ["DATABASE_URL"])):
        (problem,) = broadsheet(*restore).refused(1)
        assert "Something still uses the database" in problem
    found = broadsheet(*restore).succeeded().json
    assert (found["certificates"], found["erased"], found["findings"]) == (1, 1, 0)
    status = broadsheet("status")
    assert any("This database was restored" in problem for problem in status.refused(1))
    assert ", database broadsheet at 127.0.0.1:" in status.err
    broadsheet("epoch", "accept", "--reason", "an exercise").succeeded()
    broadsheet("consent", "verify").succeeded()
    names = [row[0] for row in boss("SELECT datname FROM pg_database WHERE datname LIKE 'broadsheet%' ORDER BY 1")]
    assert names == ["broadsheet", found["old"]]
    # The service's role has what it needs there, and no more.
    with psycopg.connect(str(broadsheet.environ["DATABASE_URL"])) as connection:
        assert connection.execute("SELECT count(*) FROM subscribers").fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE consent_records SET method = 'x'")
    assert PASSWORD not in str(made) + str(found)


@pytest.mark.long
def test_programs_of_another_version_are_refused_by_name(broadsheet: Commands, tmp_path: Path) -> None:
    broadsheet("migrate").succeeded()
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (programs / name).write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.1'\n")
        (programs / name).chmod(0o755)
    code = f"""
import sys
from pathlib import Path
from service.clients import postgresql
postgresql._STOCK = Path("/nonexistent")
try:
    postgresql.programs({str(broadsheet.environ["DATABASE_URL"])!r}, None)
except Exception as error:
    print(error)
"""
    environ = {**environment(), "PATH": str(programs)}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    assert "postgresql-client-" in told
