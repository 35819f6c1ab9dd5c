"""A whole installation on this machine, run by a real `up` that a test may hurt: its processes by name, its servers, its
sandbox. Refuses to leave anything behind."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psycopg
import redis

from service import queue, settings, wiring
from service.lab.faults import program
from service.lab.faults.clock_setting import Clocks
from service.lab.faults.servers import EmbeddedServers, Servers, StockServers, free_port
from service.lab.faults.sizes import Size
from service.running import environment_of
from service.settings import ROOT, Settings

_MARKS = {"web": "\0service.wsgi:app\0", "beat": "\0beat\0", "sandbox": "\0service.sandbox\0"}
"""What is in the command line of a process, where it is not its queue."""
_STRANGE = (
    "DATABASE_URL",
    "REDIS_URL",
    "PUBLIC_URL",
    "SENDGRID_",
    "SECRET_KEYS",
    "ADDRESS_KEY",
    "BROADSHEET_",
    "SANDBOX_",
)


def wait_until(condition: Callable[[], object], seconds: float, what: str, pause: float = 0.1) -> None:
    """Poll; an AssertionError that says what did not come to pass."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(pause)


class Machine:
    """One home and the `up` that runs it. This process is wired to it too, so that a test can use the operations."""

    def __init__(self, size: Size, *, stock: bool = False, without: str = "", clocked: bool = False) -> None:
        """`stock`: on this machine's own PostgreSQL and Redis instead of the embedded servers. `without`: guards that are taken away.
        `clocked`: its clocks can be set, where its servers are the stock ones. What fails here leaves nothing behind."""
        self.size = size
        # Servers never run as root: their account must be able to enter the folder.
        self._outer = Path(tempfile.mkdtemp(prefix="broadsheet-faults-", dir="/tmp"))
        self._outer.chmod(0o711)
        self.home = self._outer / "home"
        self.points = self._outer / "points"
        self.servers: Servers = EmbeddedServers(self.home)
        self.clocks: Clocks | None = None
        self._up: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        try:
            self.clocks = Clocks(self._outer) if clocked else None
            if stock:
                self.servers = StockServers(self._outer, self.clocks.environ("database") if self.clocks else {})
            self.environ = self._environ(without)
            self.settings: Settings = settings.load(self.environ)
        except BaseException:
            self.close()
            raise

    def _environ(self, without: str) -> dict[str, str]:
        size = self.size
        return {name: value for name, value in os.environ.items() if not name.startswith(_STRANGE)} | {
            "BROADSHEET_HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "PORT": str(free_port()),
            "SANDBOX_PORT": str(free_port()),
            "SENDGRID_BATCH_SIZE": str(size.batch_size),
            "SENDING_WORKERS": str(size.workers),
            "NO_PROXY": "127.0.0.1,localhost",
            "TRUSTED_PROXIES": "1",
            **self.servers.environ,
            **({program.PACE: str(size.pace), program.POINTS: str(self.points)} if size.pace else {}),
            **({program.WITHOUT: without} if without else {}),
            **(_clocked(self.clocks) if self.clocks else {}),
        }

    def start(self) -> None:
        """Start `up` and wait until web, sandbox and every worker answer. What does not come up is ended."""
        try:
            self._start()
        except BaseException:
            self._end()
            raise

    def _start(self) -> None:
        with (self._outer / "up.log").open("ab") as log:
            command = ["-m", *((program.__name__,) if self.size.pace else ()), "service.cli", "up", "--quiet"]
            self._up, self._lifeline = _tied([sys.executable, *command], self.environ, log)
        wait_until(self._answers, self.size.patience, f"`up` ({self.words()})", 0.3)
        self.settings = self.servers.connected(settings.load(self.environ))
        self.wire()
        wait_until(self.listening, self.size.patience, "the workers", 0.3)

    def _answers(self) -> bool:
        assert self._up
        assert self._up.poll() is None, f"`up` ended: {self.words()}"
        return b"Ctrl-C stops it" in (self._outer / "up.log").read_bytes()

    def wire(self) -> None:
        """Other tests wire this process to their own installation."""
        wiring.wire(self.settings)

    def rewire(self) -> None:
        """After a server was started again: what this process holds open of it is stale."""
        self.wire()

    def words(self) -> str:
        """What `up` said."""
        path = self._outer / "up.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def log(self, name: str) -> str:
        return (self.home / "log" / f"{name}.log").read_text(errors="replace")

    def close(self) -> None:
        try:
            self._end()
        finally:
            try:
                self.servers.close()
            finally:
                shutil.rmtree(self._outer, ignore_errors=True)

    def _end(self) -> None:
        if self._up is not None:
            self.kill_everything()  # to stop it in order is slower, and another suite's question

    def command(self, *arguments: object) -> Any:
        """Run a `broadsheet` command; what it printed as JSON, if it printed any."""
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *map(str, arguments)],
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=self.size.patience,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def kill_everything(self) -> int:
        """SIGKILL for `up` and all that descends from it: processes, PostgreSQL and Valkey. Returns how many they were."""
        assert self._up
        if self._up.poll() is not None:
            self._let_go()
            return 0
        self._up.send_signal(signal.SIGSTOP)  # it must not start again what is being killed
        family = _descendants(self._up.pid)
        for pid in [*family, self._up.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._up.wait()
        self._let_go()
        wait_until(lambda: not any(map(_alive, family)), 30, "the killed processes' end")
        (self._outer / "up.log").unlink()
        return len(family) + 1

    def _let_go(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def send_signal(self, name: str, what: signal.Signals) -> int:
        """Send it to the first process of a name in the Procfile. Returns the process's number. Raises ProcessLookupError while there
        is none: the number 0 would be every process of this suite."""
        found = self.processes(name)
        if not found:
            raise ProcessLookupError(f"there is no {name} at the moment")
        os.kill(found[0], what)
        return found[0]

    def processes(self, name: str) -> list[int]:
        """Those of a name in the Procfile: the parent first, then its pool."""
        assert self._up
        mark = _MARKS.get(name, f"\0--queues\0{name}\0").encode()
        return [pid for pid in sorted(_descendants(self._up.pid)) if mark in _command_line(pid)]

    def kill_worker(self, name: str) -> int:
        """SIGKILL for a worker, parent and pool at once. Returns how many processes they were."""
        pids = self.processes(name)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(_alive, pids)), 30, "the killed worker's end")
        return len(pids)

    def listening(self) -> bool:
        """A worker waits at every queue: Valkey knows who is blocked."""
        with self.redis() as client:
            blocked = [one for one in client.client_list() if "b" in str(one["flags"])]
        return len(blocked) >= 4

    def is_open(self) -> bool:
        """The web takes connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.settings.port), timeout=1):
            return True
        return False

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.settings.redis_url, socket_timeout=10, socket_connect_timeout=10)

    def connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(self.settings.database_owner_url.replace("+psycopg", "", 1), autocommit=True)

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run SQL beside the product, committed at once."""
        with self.connect() as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def ring(self, batch: int) -> None:
        """Ring for a batch, whatever became of it."""
        assert queue.publish(queue.SEND_BATCH, batch)

    def script(self, **words: object) -> None:
        """Set the sandbox's script anew: what it is not told here it does well. Events only where asked for."""
        self._sandbox("DELETE")
        self._sandbox("POST", {"latency_ms": self.size.latency_ms, "events": {"enabled": False}, **words})

    def _sandbox(self, method: str, body: object = None) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.settings.sandbox_port}/sandbox/script",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30):
            pass

    def leave(self, token: str, timeout: float = 60) -> int:
        """The one-click POST of a mail provider; the answer's status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.port, timeout=timeout)
        try:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"/u/{token}", body="List-Unsubscribe=One-Click", headers=form)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    @contextmanager
    def another_worker(
        self, program: Sequence[str] = ("celery",), changed: Mapping[str, str] | None = None
    ) -> Iterator[None]:
        """A second worker for `sending`, outside of `up`. The first one does not listen meanwhile."""
        flags = ["--concurrency", "2", "--hostname", "another@%h", "--without-gossip", "--without-mingle"]
        self._control("cancel_consumer")
        try:
            with self._beside(program, ["worker", "--queues", "sending", *flags], changed or {}):
                yield
        finally:
            self._control("add_consumer")

    @contextmanager
    def another_process(self, *arguments: str) -> Iterator[None]:
        """One more of Celery's processes, outside of `up` and like its own."""
        with self._beside([program.__name__, "celery"], arguments, {}):
            yield

    @contextmanager
    def _beside(self, modules: Sequence[str], arguments: Sequence[str], changed: Mapping[str, str]) -> Iterator[None]:
        log = self._outer / "another.log"
        command = [sys.executable, "-m", *modules, "--app", "tasks", *arguments, "-l", "INFO"]
        with log.open("ab") as output:
            before = output.tell()
            process, lifeline = _tied(command, environment_of(self.settings) | dict(changed), output)
        try:
            # Beat says nothing when it begins.
            speaks = arguments[0] != "beat"
            wait_until(
                lambda: not speaks or b" ready." in log.read_bytes()[before:],
                self.size.patience,
                f"another {arguments[0]}",
                0.2,
            )
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(lifeline)

    def log_of_another_worker(self) -> str:
        return (self._outer / "another.log").read_text(errors="replace")

    def _control(self, order: str) -> None:
        """Tell the worker of `up` to stop or to begin listening at `sending`."""
        replies = getattr(queue.make_celery(self.settings).control, order)(
            "sending", destination=[f"sending@{socket.gethostname()}"], reply=True, timeout=20
        )
        assert replies, f"the worker did not answer {order}"


def _clocked(clocks: Clocks) -> dict[str, str]:
    """The product's processes have a clock of their own; `up`, which only starts them, has the machine's."""
    return {program.PREFIX: " ".join(f"{name}={value}" for name, value in clocks.environ("processes").items())}


def _tied(
    command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
) -> tuple[subprocess.Popen[bytes], int]:
    """A process that ends with this one, even when this one is killed: its lifeline is the descriptor."""
    reading, writing = os.pipe()
    try:
        tied = [sys.executable, "-I", "-S", str(ROOT / "service" / "supervisor_child.py"), str(reading), *command]
        process = subprocess.Popen(
            tied, env=dict(environment), cwd=ROOT, stdout=log, stderr=log, pass_fds=[reading], start_new_session=True
        )
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    return process, writing


def _descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(entry.name)] = int(fields[1])
    found: list[int] = []
    layer = {pid}
    while layer := {child for child, parent in parents.items() if parent in layer}:
        found += sorted(layer)
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
