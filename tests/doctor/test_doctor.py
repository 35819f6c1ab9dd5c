"""The command: it says what it found in order, ends with 1 for a fault, changes nothing, gives nothing away, and has nothing to say of
an installation that is well."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from service.embedded.place import lock
from service.operations import diagnosing
from service.operations.diagnosing import Check, Finding, Surroundings
from service.operations.diagnosing_findings import fine
from service.settings import Settings
from tests.cli.commands import Commands
from tests.cli.conftest import broadsheet, cli_home, up  # noqa: F401 - fixtures
from tests.conftest import Sandbox, free_port
from tests.doctor.looking import told

Sql = Callable[..., list[Any]]


def test_an_installation_that_is_well(broadsheet: Commands, up: Sandbox) -> None:  # noqa: F811
    ended = broadsheet("doctor", "--json").succeeded()
    assert ended.json["ok"] is True
    found = ended.json["findings"]
    assert {one["check"] for one in found} == {one.name for one in diagnosing.CHECKS}
    assert [one for one in found if one["level"] in ("fault", "warning")] == []
    assert ended.err == ""
    shown = broadsheet("doctor").succeeded()
    assert shown.out == ""
    assert "Nothing is broken." in shown.err
    assert [line[0] for line in shown.err.splitlines() if line[0] not in " N"].count("✗") == 0


def test_nothing_runs_and_nothing_is_started(tmp_path: Path) -> None:
    commands = Commands(BROADSHEET_HOME=tmp_path / "home", PORT=free_port(), SANDBOX_PORT=free_port())
    try:
        ended = commands("doctor", "--json")
        shown = commands("doctor")
    finally:
        commands.end()
    assert ended.code == shown.code == 1
    faults = {one["check"] for one in ended.json["findings"] if one["level"] == "fault"}
    assert faults == {"database", "redis", "public address", "sendgrid"}
    assert all(one["remedy"] for one in ended.json["findings"] if one["level"] in ("fault", "warning"))
    assert not (tmp_path / "home").exists()
    lines = shown.err.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("✗ database"))
    assert "→ Start `broadsheet up`" in lines[at + 1]
    assert lines[-1] == "4 faults, 0 warnings."


def test_everything_is_wrong_and_no_secret_is_told(tmp_path: Path) -> None:
    port = free_port()
    commands = Commands(
        BROADSHEET_HOME=tmp_path / "home",
        DATABASE_URL=f"postgresql://canary:canary-password@127.0.0.1:{port}/canary",
        REDIS_URL=f"redis://:canary-password@127.0.0.1:{port}/0",
        SECRET_KEYS="canary-short",
        SENDGRID_API_KEY="SG.canary",
        SENDGRID_URL=f"http://127.0.0.1:{port}",
        PUBLIC_URL="https://no-such-host.invalid",
        PORT=free_port(),
    )
    try:
        ended, shown = commands("doctor", "--json"), commands("doctor")
    finally:
        commands.end()
    assert ended.code == shown.code == 1
    faults = {one["check"] for one in ended.json["findings"] if one["level"] == "fault"}
    assert faults >= {"settings", "database", "redis", "public address", "sendgrid"}
    assert "canary" not in ended.out + ended.err + shown.out + shown.err
    assert "Traceback" not in shown.err


def _kept(chosen: Settings, sql: Sql) -> dict[str, str]:
    """A sum of every table's rows, every key of Redis but the notes that asking the workers leaves to expire, and
    every file of the home but the servers' own."""
    tables = sql(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'"
    )
    kept = {
        name: str(sql(f"SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM {name} t"))
        for (name,) in tables
    }
    with redis.Redis.from_url(chosen.redis_url) as client:
        kept |= {str(key): str(client.dump(key)) for key in client.scan_iter() if b"_kombu." not in key}
    for path in (path for path in chosen.home.rglob("*") if path.is_file()):
        if path.relative_to(chosen.home).parts[0] not in ("postgresql", "valkey", "log"):
            kept[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() + str(path.stat().st_mtime_ns)
    return kept


def test_it_changes_nothing(database: Settings, sandbox: Sandbox, web: str, sql: Sql) -> None:
    before = _kept(database, sql)
    assert len(before) > 40
    found = diagnosing.diagnose(Surroundings(database), seconds=30)
    assert set(found) == {one.name for one in diagnosing.CHECKS}
    assert _kept(database, sql) == before


def test_a_note_of_the_servers_that_is_damaged_is_told(tmp_path: Path) -> None:
    (tmp_path / "home" / "run").mkdir(parents=True)
    (tmp_path / "home" / "run" / "servers.json").write_text('{"canary": 1}')
    (tmp_path / "home" / "run" / "owner.lock").touch()
    commands = Commands(BROADSHEET_HOME=tmp_path / "home", PORT=free_port(), SANDBOX_PORT=free_port())
    with lock(tmp_path / "home" / "run" / "owner.lock"):
        try:
            ended = commands("doctor", "--json")
        finally:
            commands.end()
    assert ended.code == 1
    told(
        [Finding(one["level"], one["text"], one["remedy"]) for one in ended.json["findings"]],
        "fault",
        "run/servers.json",
        "Start",
    )


def test_a_check_that_fails_is_told_and_the_others_go_on(database: Settings) -> None:
    def broken(_: Surroundings) -> Iterator[Finding]:
        raise RuntimeError("canary")

    checks = (
        Check("broken", broken),
        Check("well", lambda _: fine("it is")),
        Check("after", lambda _: fine("it is"), "well"),
    )
    found = diagnosing.diagnose(Surroundings(database), checks=checks)
    told(found["broken"], "unknown", "looking failed (RuntimeError)", "maintains")
    assert [one.level for name in ("well", "after") for one in found[name]] == ["ok", "ok"]
    assert "canary" not in json.dumps(diagnosing.as_dict(found))


def test_tables_that_are_not_there_are_no_crash(database: Settings, sql: Sql) -> None:
    sql("ALTER TABLE breakers RENAME TO gone")
    try:
        found = diagnosing.diagnose(
            Surroundings(database),
            seconds=30,
            checks=[one for one in diagnosing.CHECKS if one.name in ("database", "sending")],
        )
    finally:
        sql("ALTER TABLE gone RENAME TO breakers")
    told(found["sending"], "unknown", "does not have", "“migrations”")


@pytest.mark.parametrize("name", [one.name for one in diagnosing.CHECKS])
def test_what_a_check_needs_is_a_check(name: str) -> None:
    (check,) = [one for one in diagnosing.CHECKS if one.name == name]
    assert check.needs in ("", *(one.name for one in diagnosing.CHECKS if not one.needs))
