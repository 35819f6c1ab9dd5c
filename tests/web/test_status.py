"""/readyz says what does not work, in time, whatever is frozen; /metrics tells numbers to whoever may ask; requests are named."""

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Response

from service import factory, queue
from service.operations import duties, workers
from service.settings import Settings
from tests.conftest import free_port

Sql = Callable[..., list[Any]]
LINE = re.compile(
    r'# TYPE [a-z_]+ (gauge|counter|histogram)|[a-z_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? -?[0-9.e+-]+'
)


def get(url: str, **headers: str) -> tuple[int, str, Any]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): text for name, text in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def ready(web: str) -> tuple[int, dict[str, Any]]:
    begun = time.monotonic()
    status, text, _ = get(f"{web}/readyz")
    assert time.monotonic() - begun < 3
    return status, json.loads(text)["checks"]


def failing(web: str) -> set[str]:
    status, checks = ready(web)
    found = {name for name, one in checks.items() if not one["ok"]}
    assert status == (503 if found else 200)
    return found


@pytest.fixture
def alive(web: str, database: Settings) -> str:
    """Everything is there: workers, beat, the watch."""
    for name in queue.QUEUES:
        workers.seen(f"{name}@here", kind="worker", queues=[name])
    workers.seen("beat@here", kind="beat")
    duties.duty("watch", lambda: None)
    return web


def test_all_is_well(alive: str) -> None:
    status, checks = ready(alive)
    assert (status, set(checks)) == (
        200,
        {"database", "migrations", "workers", "beat", "watch", "webhook", "broker"},
    ), checks


def test_what_is_missing_is_named(alive: str, sql: Sql) -> None:
    old = "UPDATE workers SET last_seen_at = now() - interval '2 minutes' WHERE name = %s"
    sql(old, "sending@here")
    assert failing(alive) == {"workers"}
    assert ready(alive)[1]["workers"]["words"] == "no live worker for: sending"
    sql(old, "beat@here")
    assert failing(alive) == {"workers", "beat"}
    sql("UPDATE duties SET last_ok_at = now() - interval '6 minutes' WHERE name = 'watch'")
    assert failing(alive) == {"workers", "beat", "watch"}
    sql("INSERT INTO payloads (body, events, received_at) VALUES ('', 1, now() - interval '11 minutes')")
    assert failing(alive) == {"workers", "beat", "watch", "webhook"}
    sql("UPDATE alembic_version SET version_num = '0001'")
    try:
        assert "migrations" in failing(alive)
    finally:
        sql("UPDATE alembic_version SET version_num = '0032'")


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_frozen_database_is_told_in_time_and_every_time(alive: str, database: Settings) -> None:
    (pid_file,) = Path(database.home).rglob("postmaster.pid")
    with frozen(int(pid_file.read_text().splitlines()[0])):
        for _ in range(3):
            assert {"database", "migrations", "workers", "beat"} <= failing(alive)
            assert ready(alive)[1]["broker"]["ok"]
    deadline = time.monotonic() + 15
    while failing(alive) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert failing(alive) == set()


def test_a_frozen_broker_is_told_in_time(alive: str, database: Settings) -> None:
    with redis.Redis.from_url(database.redis_url) as client:
        pid = int(client.info("server")["process_id"])
    with frozen(pid):
        assert failing(alive) == {"broker"}
    assert failing(alive) == set()


def test_a_broker_that_is_not_there_is_told(alive: str, database: Settings) -> None:
    queue.configure(replace(database, redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    try:
        assert failing(alive) == {"broker"}
        assert "broadsheet_broker_up 0" in get(f"{alive}/metrics")[1]
    finally:
        queue.configure(database)


def counted(url: str, line: str) -> int:
    """The number that stands behind these words."""
    found = re.search(rf"^{re.escape(line)} (\d+)$", get(f"{url}/metrics")[1], re.MULTILINE)
    return int(found[1]) if found else 0


def test_metrics_are_in_prometheus_format(alive: str) -> None:
    lines = {
        'broadsheet_http_requests_total{endpoint="status.healthz",status="2xx"}': 3,
        'broadsheet_http_requests_total{endpoint="none",status="4xx"}': 1,
        'broadsheet_http_request_seconds_bucket{endpoint="status.healthz",le="+Inf"}': 3,
    }
    before = {line: counted(alive, line) for line in lines}
    for _ in range(3):
        get(f"{alive}/healthz")
    get(f"{alive}/nothing/ann@readers.example")
    status, text, headers = get(f"{alive}/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []
    for line in (
        *(f"{line} {before[line] + more}" for line, more in lines.items()),
        'broadsheet_open_deliveries{state="unknown"} 0',
        'broadsheet_breaker{state="closed"} 1',
        'broadsheet_duty_late{duty="watch"} 0',
        "broadsheet_database_up 1",
    ):
        assert line in text.splitlines()
    # Another test's bells may wait there.
    assert re.search(r'^broadsheet_queue_length\{queue="mail"\} \d+$', text, re.MULTILINE)
    assert "@readers" not in text


def test_the_time_of_every_hook_is_counted_and_of_what_a_hook_refuses(database: Settings) -> None:
    app = factory.create_app(database)

    def refuse() -> tuple[str, int]:
        time.sleep(0.3)
        return "not now", 503

    def linger(response: Response) -> Response:
        time.sleep(0.3)
        return response

    # As early, and as late, as anything but the counting itself is called.
    app.before_request_funcs[None].insert(1, refuse)
    app.after_request_funcs[None].insert(1, linger)
    assert app.test_client().get("/healthz").status_code == 503
    lines = app.extensions["meter"].lines()
    assert 'broadsheet_http_requests_total{endpoint="status.healthz",status="5xx"} 1' in lines
    (seconds,) = [line for line in lines if line.startswith('broadsheet_http_request_seconds_sum{endpoint="status.')]
    assert float(seconds.split()[-1]) >= 0.6


def test_metrics_demand_the_token(alive: str, other_settings: Callable[..., Settings]) -> None:
    url, token = f"{alive}/metrics", "t" * 32
    other_settings(metrics_token=token)
    assert get(url)[0] == 401
    assert get(url, Authorization=f"Bearer {token}x")[0] == 401
    assert get(url, Authorization=f"Bearer {token}")[0] == 200
    other_settings(public_url="https://news.firm.example")
    assert get(url)[0] == 403, "without a token, nobody from elsewhere"


@pytest.mark.parametrize(
    ("given", "kept"), [("abcDEF-123_4", True), ("short", False), ("ann@readers.example", False), ("x" * 65, False)]
)
def test_a_request_is_named(web: str, given: str, kept: bool) -> None:
    found = get(f"{web}/healthz", X_Request_ID=given)[2]["X-Request-ID"]
    assert (found == given) is kept
    assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}", found)


def test_a_line_logged_in_a_request_names_it(web: str, caplog: pytest.LogCaptureFixture) -> None:
    get(f"{web}/nothing%00", X_Request_ID="request-one")
    get(f"{web}/n/%00", X_Request_ID="request-two", Accept="text/html")
    lines = [record.getMessage() for record in caplog.records if "a request held" in record.getMessage()]
    assert lines
    assert all("request-two" in line or "request-one" in line for line in lines)
