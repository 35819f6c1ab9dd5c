"""Single processes on two machines that share a PostgreSQL and a Redis, restarted one after the other in the middle of an issue."""

import runpy
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.errors import BroadsheetError
from service.lab.faults.servers import StockServers
from service.settings import ROOT
from tests.cli.commands import Commands, command_line, environment
from tests.cli.conftest import LETTER
from tests.conftest import Sandbox, free_port, missing

READERS, BATCH = 600, 20


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


class Host:
    """A machine: a home of its own, and the processes that were started on it."""

    def __init__(self, home: Path, environ: dict[str, object]) -> None:
        self.environ = {**environ, "BROADSHEET_HOME": home}
        self.home = home
        self.command = Commands(**self.environ)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            with (self.home.parent / f"{self.home.name}-{name}.log").open("ab") as log:
                self._running[name] = subprocess.Popen(
                    command_line("run", name), env=environment(**self.environ), cwd="/", stdout=log, stderr=log
                )

    def stop(self, name: str) -> None:
        """As systemd does: SIGTERM to the one process, and it may take its time."""
        self._running[name].send_signal(signal.SIGTERM)
        assert self._running.pop(name).wait(60) == 0, self.log(name)

    def log(self, name: str) -> str:
        return (self.home.parent / f"{self.home.name}-{name}.log").read_text(errors="replace")[-2000:]

    def close(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(60)
        self.command.end()


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host, str]]:
    """Two of them, and the address of the database for who looks into it."""
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-run-", dir="/tmp"))
    outer.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, outer, ignore_errors=True)
        try:
            servers = StockServers(outer, {})
        except BroadsheetError as error:
            missing(str(error))
        stack.callback(servers.close)
        shared = {
            **servers.environ, "PORT": free_port(), "SANDBOX_PORT": free_port(),
            "SENDGRID_BATCH_SIZE": BATCH, "SENDING_WORKERS": 2,
        }  # fmt: skip
        found = [Host(outer / name, shared) for name in ("first", "second")]
        for host in found:
            stack.callback(host.close)
        yield found[0], found[1], servers.environ["DATABASE_OWNER_URL"]


def count(database: str, statement: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row
    return int(row[0])


@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_machines_share_an_issue_and_each_is_restarted_in_the_middle(hosts: tuple[Host, Host, str]) -> None:
    first, second, database = hosts
    first.command("migrate").succeeded()
    shutil.copytree(first.home, second.home)  # the sandbox stands for SendGrid, so both have its key
    sandbox = Sandbox(f"http://127.0.0.1:{first.environ['SANDBOX_PORT']}")
    first.start("sandbox", "web", "beat", "sending", "mail", "tracking", "default")
    second.start("sending")
    _write_an_issue(first)
    wait_until(lambda: _answers(sandbox), "the sandbox")
    sandbox.script(latency_ms=500, events={"enabled": False})
    first.command("issue", "send", 1).succeeded()
    for host in (first, second):
        _wait_for_more(database)
        host.stop("sending")
        _wait_for_more(database)  # from the other one alone
        host.start("sending")
    first.stop("web")
    first.start("web")
    wait_until(lambda: count(database, "SELECT count(*) FROM issues WHERE state = 'sent'"), "the issue to be sent", 120)
    ledger = first.command("issue", "show", 1, "--json").succeeded().json["ledger"]
    assert (ledger["accepted"], ledger["unknown"], ledger["closed"]) == (READERS, 0, True)
    assert (sandbox.stats["recipients"], sandbox.stats["duplicates"]) == (READERS, 0)


def _answers(sandbox: Sandbox) -> bool:
    with suppress(OSError):
        return bool(sandbox.stats)
    return False


def _wait_for_more(database: str) -> None:
    """Two more batches are accepted, and some are left."""
    accepted = "SELECT count(*) FROM batches WHERE state = 'accepted'"
    before = count(database, accepted)
    wait_until(lambda: count(database, accepted) > before + 1, "more to be accepted")
    assert count(database, accepted) < READERS // BATCH, "in the middle"


def _write_an_issue(host: Host) -> None:
    (host.home / "letter.md").write_text(LETTER)
    people = "".join(f"reader{n}@readers.example\n" for n in range(READERS))
    (host.home / "people.csv").write_text(f"email\n{people}")
    made = ("--name", "Shared", "--from", "letter@firm.example", "--postal-address", "1 Quay Street, Harbourton")
    host.command("newsletter", "create", "shared", *made).succeeded()
    consent = ("--newsletter", "shared", "--consent", "at the fair")
    host.command("subscribers", "import", host.home / "people.csv", *consent).succeeded()
    host.command("issue", "create", host.home / "letter.md", "--newsletter", "shared").succeeded()


def test_what_cannot_be_run_by_itself_is_refused_by_name(broadsheet: Commands) -> None:
    (problem,) = broadsheet("run", "web").refused(1)
    assert "set DATABASE_URL and REDIS_URL" in problem
    own: dict[str, Any] = {
        "DATABASE_URL": "postgresql://broadsheet:x@db.firm.example/broadsheet",
        "REDIS_URL": "redis://cache.firm.example:6379/0",
        "SECRET_KEYS": "a-secret-key-with-enough-characters-in-it",
        "ADDRESS_KEY": "an-address-key-with-enough-characters-in-it",
        "BROADSHEET_SANDBOX": "1",
    }
    (problem,) = broadsheet("run", "weather", **own).refused(1)
    assert problem.startswith("There is no process 'weather'. There are web, sending, ")


@pytest.mark.parametrize(
    ("listen", "bound"), [(None, "127.0.0.1:8000"), ("0.0.0.0", "0.0.0.0:8000"), ("::", "[::]:8000")]
)
def test_the_web_process_listens_where_it_is_told(
    monkeypatch: pytest.MonkeyPatch, listen: str | None, bound: str
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.delenv("LISTEN", raising=False)
    if listen:
        monkeypatch.setenv("LISTEN", listen)
    assert runpy.run_path(str(ROOT / "service" / "web" / "server.py"))["bind"] == bound
