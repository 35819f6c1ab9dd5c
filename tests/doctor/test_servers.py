"""PostgreSQL and Redis, broken in each way that a person meets: the fault is named, and so is the remedy."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import redis
from sqlalchemy import make_url

from service import db
from service.operations import diagnosing
from service.operations.diagnosing import Surroundings
from service.settings import Settings
from tests.conftest import free_port
from tests.doctor.looking import around, is_well, looked, told
from tests.test_own_servers import _redis_of_version

Sql = Callable[..., list[Any]]
ROLE = "broadsheet_service"


def _with(url: str, **changed: Any) -> str:
    return make_url(url).set(**changed).render_as_string(hide_password=False)


def test_postgresql_is_down(database: Settings) -> None:
    url = f"postgresql+psycopg://broadsheet:canary@127.0.0.1:{free_port()}/broadsheet"
    found = diagnosing.diagnose(around(database, database_url=url, database_owner_url=url))
    told(found["database"], "fault", "nobody listens there", "Start PostgreSQL")
    for one in ("migrations", "rights", "installation", "clock", "duties", "retention", "sending", "events"):
        told(found[one], "unknown", "because of what is said of “database”", "")
    assert found["redis"][0].level == "ok", "the others are looked at all the same"
    assert found["disk"][0].level != "unknown"
    assert "canary" not in repr(found)


def test_postgresql_refuses_the_password(database: Settings) -> None:
    where = around(database, database_url=_with(database.database_url, password="canary"))
    found = looked("database", where)
    told(found, "fault", "refuses the password", "DATABASE_URL")
    assert "canary" not in repr(found)
    assert ROLE not in repr(found)


@pytest.mark.parametrize(
    ("changed", "text", "remedy"),
    [
        ({"database": "nowhere"}, "database in DATABASE_URL does not exist", "createdb"),
        ({"host": "no-such-host.invalid", "query": {}, "port": 5432}, "name is not known", "name servers"),
    ],
)
def test_postgresql_is_looked_for_in_the_wrong_place(
    database: Settings, changed: dict[str, Any], text: str, remedy: str
) -> None:
    told(
        looked("database", around(database, database_url=_with(database.database_url, **changed))),
        "fault",
        text,
        remedy,
    )


def test_the_role_is_not_there(database: Settings, sql: Sql) -> None:
    where = around(database, database_url=_with(database.database_url, username="nobody_here"))
    # With scram a role that is not there is told as a wrong password, on purpose.
    told(looked("database", where), "fault", "refuses the password", "role's password")


@pytest.mark.parametrize(
    ("address", "text", "remedy"),
    [
        ("a:canary@host:port/db", "cannot be understood", "%3A"),
        ("a:canary@127.0.0.1/db?canary=1", "names an option that there is not", "after the ?"),
    ],
)
def test_the_address_of_the_database_is_none(database: Settings, address: str, text: str, remedy: str) -> None:
    found = looked("database", around(database, database_url=f"postgresql+psycopg://{address}"))
    told(found, "fault", text, remedy)
    assert "canary" not in repr(found)


def test_postgresql_is_too_old(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """No PostgreSQL 13 is at hand: the bound is moved instead, so that a real server is compared with it."""
    monkeypatch.setattr(db, "MINIMUM_VERSION", 990000)
    told(looked("database", Surroundings(database)), "fault", "too old", "pg_upgrade")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_the_database_has_no_place_for_every_name(database: Settings, sql: Sql, encoding: str) -> None:
    sql(f"CREATE DATABASE narrow ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    try:
        where = around(database, database_url=_with(database.database_url, database="narrow"))
        told(looked("database", where), "fault", f"encoded in {encoding}", "ENCODING 'UTF8'")
    finally:
        sql("DROP DATABASE narrow WITH (FORCE)")


def test_the_database_takes_no_changes(database: Settings, sql: Sql) -> None:
    sql(f"ALTER ROLE {ROLE} SET default_transaction_read_only = on")
    try:
        told(looked("database", Surroundings(database)), "fault", "takes no changes", "primary")
    finally:
        sql(f"ALTER ROLE {ROLE} RESET default_transaction_read_only")


def test_hardly_a_connection_is_left(database: Settings, sql: Sql) -> None:
    url = make_url(database.database_owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    most = int(sql("SHOW max_connections")[0][0])
    held = [psycopg.connect(url) for _ in range(int(most * 0.86))]
    try:
        told(looked("database", Surroundings(database)), "warning", "connections are taken", "max_connections")
    finally:
        for one in held:
            one.close()


def test_a_server_that_hangs_is_not_waited_for(database: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        where = around(
            database, database_url=f"postgresql+psycopg://a@127.0.0.1:{port}/a", redis_url=f"redis://127.0.0.1:{port}/0"
        )
        began = time.monotonic()
        found = looked("database", where, seconds=1.0)
        assert time.monotonic() - began < 3
    told(found, "fault", "did not answer in 1 s", "firewall")


@contextmanager
def _migration(sql: Sql, name: str) -> Iterator[None]:
    ((present,),) = sql("SELECT version_num FROM alembic_version")
    sql("UPDATE alembic_version SET version_num = %s", name)
    try:
        yield
    finally:
        sql("UPDATE alembic_version SET version_num = %s", present)


def test_migrations_are_behind(database: Settings, sql: Sql) -> None:
    with _migration(sql, "0020"):
        found = looked("migrations", Surroundings(database))
        own = looked("migrations", around(database, embedded=False))
    told(found, "fault", "lacks ", "restart `broadsheet up`")
    told(own, "fault", "lacks ", "broadsheet migrate")
    assert not found[0].text.startswith("the database lacks 1 ")
    is_well(looked("migrations", Surroundings(database)))


def test_the_database_is_ahead_of_the_code(database: Settings, sql: Sql) -> None:
    with _migration(sql, "9999"):
        told(looked("migrations", Surroundings(database)), "fault", "newer version", "restore the backup")


def test_the_service_may_delete_acts_of_consent(database: Settings, sql: Sql) -> None:
    sql(f"GRANT DELETE ON consent_records TO {ROLE}")
    try:
        told(looked("rights", Surroundings(database)), "fault", "evidence (consent_records)", "REVOKE UPDATE, DELETE")
    finally:
        sql(f"REVOKE DELETE ON consent_records FROM {ROLE}")
    is_well(looked("rights", Surroundings(database)))


def test_the_service_works_as_the_owner(database: Settings) -> None:
    where = around(database, database_url=database.database_owner_url)
    told(looked("rights", where), "warning", "as the owner of its tables", "DATABASE_OWNER_URL")


def test_the_service_may_not_write(database: Settings, sql: Sql) -> None:
    sql(f"REVOKE INSERT ON subscribers FROM {ROLE}")
    try:
        told(looked("rights", Surroundings(database)), "fault", "may not write", "broadsheet migrate")
    finally:
        sql(f"GRANT INSERT ON subscribers TO {ROLE}")


def test_the_address_key_is_another(database: Settings) -> None:
    where = around(database, address_key=b"another-key-of-more-than-32-characters")
    told(looked("installation", where), "fault", "ADDRESS_KEY is not the key", "put the first one back")
    is_well(looked("installation", Surroundings(database)))


def test_a_trial_runs_on_a_database_of_real_mail(database: Settings, sql: Sql) -> None:
    sql("UPDATE installation SET kind = 'real'")
    told(looked("installation", Surroundings(database)), "fault", "sending real mail", "SENDGRID_API_KEY")


@pytest.mark.parametrize(("seconds", "words"), [(60, "ahead of"), (-60, "behind")])
def test_the_clock_is_off(database: Settings, seconds: int, words: str) -> None:
    where = Surroundings(database, now=lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    told(looked("clock", where), "fault", words, "NTP")
    is_well(looked("clock", Surroundings(database, now=lambda: datetime.now(UTC) + timedelta(seconds=2))))


@pytest.mark.parametrize(
    ("url", "text", "remedy"),
    [
        ("redis://:canary@127.0.0.1:{port}/0", "nobody listens there", "Start Redis"),
        ("redis://:canary@no-such-host.invalid/0", "name is not known", "name servers"),
        ("redis://:canary@[broken/0", "cannot be understood", "redis://:password@host"),
    ],
)
def test_redis_is_down(database: Settings, url: str, text: str, remedy: str) -> None:
    found = looked("redis", around(database, redis_url=url.format(port=free_port())))
    told(found, "fault", text, remedy)
    assert "canary" not in repr(found)
    told(looked("eviction", around(database, redis_url=url)), "unknown", "“redis”", "")


def test_redis_refuses_the_password(database: Settings) -> None:
    url = make_url(database.redis_url)
    for password in ("canary", None):
        where = around(database, redis_url=f"redis://{f':{password}@' if password else ''}127.0.0.1:{url.port}/0")
        told(looked("redis", where), "fault", "refuses the password", "REDIS_URL")


def test_redis_lets_the_account_do_too_little(database: Settings) -> None:
    url = make_url(database.redis_url)
    with redis.Redis.from_url(database.redis_url) as client:
        client.acl_setuser("narrow", enabled=True, passwords=["+canary"], commands=["+ping", "+hello"], keys=["*"])
        try:
            where = around(database, redis_url=f"redis://narrow:canary@127.0.0.1:{url.port}/0")
            told(looked("redis", where), "fault", "may not ask", "ACL SETUSER")
        finally:
            client.acl_deluser("narrow")


def test_redis_is_too_old(database: Settings) -> None:
    with _redis_of_version("6.0.16") as url:
        told(looked("redis", around(database, redis_url=url)), "fault", "Redis 6.0.16 is too old", "6.2 or newer")


def test_redis_cannot_write_to_its_disk(database: Settings) -> None:
    with _redis_of_version("7.2.0\r\nrdb_last_bgsave_status:err") as url:
        told(looked("redis", around(database, redis_url=url)), "fault", "could not write its data", "make room")


@contextmanager
def _configured(chosen: Settings, **words: object) -> Iterator[None]:
    with redis.Redis.from_url(chosen.redis_url) as client:
        before = {name: client.config_get(name)[name] for name in (one.replace("_", "-") for one in words)}
        for name, value in words.items():
            client.config_set(name.replace("_", "-"), value)
        try:
            yield
        finally:
            for name, value in before.items():
                client.config_set(name, value)


@pytest.mark.parametrize(("policy", "level"), [("allkeys-lru", "fault"), ("volatile-ttl", "warning")])
def test_redis_throws_away(database: Settings, policy: str, level: str) -> None:
    with _configured(database, maxmemory_policy=policy):
        told(looked("eviction", Surroundings(database)), level, policy, "noeviction")
    is_well(looked("eviction", Surroundings(database)))


@pytest.mark.parametrize(
    ("share", "level", "text"), [(1.0, "fault", "at its limit"), (1.15, "warning", "near its limit")]
)
def test_redis_is_full(database: Settings, share: float, level: str, text: str) -> None:
    with redis.Redis.from_url(database.redis_url) as client:
        client.set("ballast", b"x" * 20_000_000)
    with redis.Redis.from_url(database.redis_url) as client:  # the first one's buffer counts, too
        used = int(client.info("memory")["used_memory"])
    try:
        with _configured(database, maxmemory=int(used * share)):
            told(looked("memory", Surroundings(database)), level, text, "maxmemory")
    finally:
        with redis.Redis.from_url(database.redis_url) as client:
            client.delete("ballast")
    is_well(looked("memory", Surroundings(database)))


def test_redis_is_a_replica(database: Settings) -> None:
    with redis.Redis.from_url(database.redis_url) as client:
        client.replicaof("127.0.0.1", free_port())
        try:
            told(looked("redis", Surroundings(database)), "fault", "replica", "primary")
        finally:
            client.replicaof("NO", "ONE")
