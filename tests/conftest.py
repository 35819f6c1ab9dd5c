"""Real parts for every test: PostgreSQL, Valkey, the sandbox over HTTP, Chromium. Only the bells are collected instead of
rung, so that a test decides when work is done."""

import json
import logging
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import make_url
from werkzeug.serving import make_server

from service import db, embedded, factory, queue, settings, wiring
from service.migrations import runner
from service.settings import ROOT, Settings
from tests.forms import IS_LONG

CHROMIUM = "/usr/bin/chromium"
NO_NAMES = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost"
"""No test leaves this machine, not even by a redirect, which no route of Playwright's sees."""
SMALL = 4 << 20
"""Bytes of all tables together, up to which rows are deleted one by one between two tests."""


def free_port() -> int:
    """A port that nobody listens on, of those that no connection of somebody else's is given by chance meanwhile."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as listening:
            try:
                listening.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def missing(what: str) -> None:
    """Skip, saying why; but in CI nothing is skipped silently."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference material beside the checkout; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the reference material beside the checkout is absent")
    return folder


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A home that an unprivileged user can enter, unlike pytest's own folders: servers never run as root."""
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-test-", dir="/tmp"))
    outer.chmod(0o711)
    yield outer / "home"
    shutil.rmtree(outer, ignore_errors=True)


@pytest.fixture(scope="session")
def installation(home: Path) -> Iterator[Settings]:
    """Embedded servers in a home of their own, migrated; one for each test process."""
    environ = {
        "BROADSHEET_HOME": str(home),
        "PORT": str(free_port()),
        "SANDBOX_PORT": str(free_port()),
        "LOG_FORMAT": "json",
    }
    with embedded.running(home) as servers:
        chosen = settings.load(environ).connected(servers.database_url, servers.redis_url, servers.owner_url)
        wiring.wire(chosen)
        runner.upgrade(db.owner_engine(), for_role=make_url(chosen.database_url).username)
        yield chosen
        db.engine().dispose()


@pytest.fixture
def bells() -> list[tuple[str, tuple[int, ...]]]:
    """What was rung, and not answered yet."""
    return []


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What this process has asked the database from here on."""
    seen: list[str] = []
    execute = db.Transaction.execute

    def noting(tx: db.Transaction, statement: str, *given: Any, **named: Any) -> Any:
        seen.append(statement)
        return execute(tx, statement, *given, **named)

    monkeypatch.setattr(db.Transaction, "execute", noting)
    return seen


@pytest.fixture
def database(installation: Settings, bells: list[tuple[str, tuple[int, ...]]]) -> Iterator[Settings]:
    """This process wired to an empty, migrated database; bells are collected."""
    # Another test may have wired this process to an installation of its own.
    wiring.wire(installation)
    empty()
    for evidence in ("digests", "erasures"):
        shutil.rmtree(installation.home / evidence, ignore_errors=True)
    # Libraries' and our own lines go to pytest's capture, where the whole run is searched for addresses.
    logging.getLogger().handlers[:] = []
    queue.use(lambda name, arguments: bells.append((name, arguments)))
    yield installation
    db.engine().dispose()


def empty() -> None:
    """Empty every table; append-only ones too, as only a superuser can."""
    with db.owner_engine().connect() as connection:
        sizes: dict[str, int] = {}
        for name, size in connection.exec_driver_sql(
            "SELECT c.relname, pg_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname NOT IN ('alembic_version', 'moves')"
        ).all():
            if name.startswith("events_"):
                connection.exec_driver_sql(f"DROP TABLE {name}")
            else:
                sizes[name] = size
        # No trigger fires for a replica's session.
        connection.exec_driver_sql("SET session_replication_role = replica")
        if sum(sizes.values()) > SMALL:
            connection.exec_driver_sql(f"TRUNCATE {', '.join(sizes)}")
        else:  # new files for each table and index take 20 times as long
            for name, size in sizes.items():
                if size:
                    connection.exec_driver_sql(f"DELETE FROM {name}")
        connection.exec_driver_sql("INSERT INTO installation (id) VALUES (1)")
        connection.exec_driver_sql("SET session_replication_role = origin")
        connection.commit()
    wiring.check_installation()  # a new database; else it would be taken for one that was restored


@pytest.fixture
def drain(
    database: Settings, bells: list[tuple[str, tuple[int, ...]]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """Answer the bells in their order until none is left, or `at_most` were answered. Returns how many."""
    tasks = _tasks(database)

    def answer(at_most: int = 10_000, only: str | None = None) -> int:
        answered = 0
        while answered < at_most:
            due = [bell for bell in bells if only in (None, bell[0])]
            if not due:
                break
            bells.remove(due[0])
            tasks[due[0][0]](*due[0][1])
            answered += 1
        return answered

    return answer


def _tasks(chosen: Settings) -> dict[str, Callable[..., Any]]:
    from service.operations import (  # noqa: PLC0415 - wired first
        linking,
        looking_up,
        mailing,
        mailing_sending,
        preparing,
        seeding,
        sending,
        sweeping,
        team_mails,
        tracking,
        uploading,
        watching,
    )

    return {
        queue.ANSWER_SIGNUP: mailing.answer_signup,
        queue.ANSWER_LINK_REQUEST: linking.answer,
        queue.SEND_MAIL: mailing_sending.send_mail,
        queue.SEND_TEAM_MAIL: team_mails.send,
        queue.PREPARE_ISSUE: preparing.prepare,
        queue.SEND_BATCH: sending.send_batch,
        queue.SEND_SEEDS: seeding.send,
        queue.INGEST_PAYLOADS: tracking.ingest,
        queue.WATCH: watching.watch,
        queue.LOOK_UP_UNKNOWN: looking_up.look_up,
        queue.LOOK_AT_UPLOAD: uploading.work,
        queue.SWEEP_SENDING: sweeping.sweep_sending,
        queue.SWEEP_TRACKING: sweeping.sweep_tracking,
    }


class Sandbox:
    """The sandbox as a test sees it: over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    def script(self, **words: object) -> None:
        self.call("POST", "/sandbox/script", words)

    def messages(self, to: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"/sandbox/messages?to={to}")
        return found

    @property
    def stats(self) -> dict[str, int]:
        found: dict[str, int] = self.call("GET", "/sandbox/stats")
        return found

    def wait_until_told(self, seconds: float = 30) -> None:
        """Wait until no event is left to be delivered."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.call("GET", "/sandbox/events/pending")["pending"] == 0:
                return
            time.sleep(0.1)
        raise AssertionError("the sandbox still has events to deliver")


@pytest.fixture(scope="session")
def sandbox_process(installation: Settings) -> Iterator[Sandbox]:
    """The sandbox as a process, sending its events to the port where `web` listens."""
    url = f"http://127.0.0.1:{installation.sandbox_port}"
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SANDBOX_HOME": str(installation.home / "sandbox"),
        "SANDBOX_API_KEY": installation.sendgrid_api_key,
        "SANDBOX_WEBHOOK_KEY": str(installation.sandbox_webhook_key),
        "SANDBOX_WEBHOOK_URL": f"{installation.public_url}/webhooks/sendgrid",
    }
    log = (installation.home / "sandbox.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "service.sandbox", "--port", str(installation.sandbox_port)],
        env=environ,
        stdout=log,
        stderr=log,
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/healthz", timeout=1)
                break
            except OSError:
                time.sleep(0.05)
        yield Sandbox(url)
    finally:
        process.terminate()
        process.wait(10)
        log.close()


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """The sandbox, emptied, well-behaved, and silent about events unless the test asks for them."""
    sandbox_process.call("DELETE", "/sandbox/messages")
    sandbox_process.call("DELETE", "/sandbox/script")
    sandbox_process.script(events={"enabled": False, "delay_ms": 0})
    return sandbox_process


@pytest.fixture(scope="session")
def application(installation: Settings) -> Flask:
    """The web application, made once: it keeps nothing between two requests but what /metrics counts."""
    return factory.create_app(installation)


@pytest.fixture
def web(application: Flask, database: Settings, bells: list[tuple[str, tuple[int, ...]]]) -> Iterator[str]:
    """The web application on its real port; its bells are collected too."""
    wiring.wire(database, pool_size=10)
    queue.use(lambda name, arguments: bells.append((name, arguments)))
    logging.getLogger().handlers[:] = []
    server = make_server("127.0.0.1", database.port, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield database.public_url
    server.shutdown()
    thread.join()


@pytest.fixture
def other_settings(database: Settings) -> Iterator[Callable[..., Settings]]:
    """Work with changed settings for the rest of the test."""

    def change(**words: Any) -> Settings:
        changed = replace(database, **words)
        settings.configure(changed)
        return changed

    yield change
    settings.configure(database)


@pytest.fixture
def sql(database: Settings) -> Callable[..., list[Any]]:
    """Run SQL beside the code under test, committed at once, as the owner: the service's own role may not."""
    address = make_url(database.database_owner_url).set(drivername="postgresql").render_as_string(hide_password=False)

    def run(statement: str, *parameters: object) -> list[Any]:
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    return run


_ADDRESS = re.compile(r"[\w.+'-]+@[\w-]+\.(?:example|test|invalid)\b|[\w.+-]+@example\.(?:com|org|net)\b")


@pytest.fixture(autouse=True)
def _no_address_in_any_log(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """No test may make anything write a reader's address to a log, masked or not."""
    caplog.set_level(logging.INFO)
    yield
    if request.node.get_closest_marker("logs_addresses"):
        return
    for when in ("setup", "call"):
        for record in caplog.get_records(when):
            found = _ADDRESS.search(record.getMessage())
            assert not found, f"{record.name} wrote an address to the log"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Chromium, one for each test process."""
    if not Path(CHROMIUM).exists():
        missing("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", NO_NAMES])
        yield browser
        browser.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long form of what has a short one belongs to runs that ask for it."""
    if IS_LONG:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("long")]
