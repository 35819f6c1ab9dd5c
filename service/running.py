"""Makes the product run on this machine for as long as somebody needs it: servers, migrations, processes. Joins what a
running `broadsheet up` of the same home already provides."""

import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import redis
from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from service import db, embedded, ports, wiring
from service.announcing import already_up, announced, running_up
from service.errors import BroadsheetError
from service.migrations import runner
from service.operations import epochs
from service.procfile import read_procfile
from service.settings import ROOT, Settings
from service.supervisor import Process, Supervisor
from service.variables import VARIABLES

OnLine = Callable[[str, str], None]
START_TIMEOUT = 60.0
OLDEST_REDIS = (6, 2)


@dataclass
class Running:
    """What runs: `joined` means that somebody else's `up` provides it."""

    settings: Settings
    joined: bool


@contextmanager
def database(chosen: Settings) -> Iterator[Settings]:
    """This process wired to the servers, started if need be, and to a migrated database."""
    with servers(chosen) as connected:
        check_redis(connected.redis_url)
        _migrate(connected)
        wiring.check_installation()
        yield connected


@contextmanager
def looking(chosen: Settings, *, behind: bool = False) -> Iterator[Settings]:
    """This process wired to the database as it is, for what only looks: nothing is made, brought up to date or noted. `behind`: also
    to one of an older version. Raises BroadsheetError where there is no installation, or its database is of another version or was
    made with other keys."""
    if chosen.embedded and not embedded.is_made(chosen.home):
        raise BroadsheetError(
            f"There is no installation in {chosen.home}. Set BROADSHEET_HOME to the one that you mean, or make one by `broadsheet up`."
        )
    with servers(chosen) as connected:
        _check_version(connected, behind)
        wiring.check_installation(note=False)
        yield connected


@contextmanager
def servers(chosen: Settings) -> Iterator[Settings]:
    """This process wired to the servers and no more: the database may be empty, of another version, or made with other keys."""
    with ExitStack() as stack:
        if chosen.embedded:
            _make_home(chosen.home)
            found = stack.enter_context(embedded.running(chosen.home))
            chosen = chosen.connected(found.database_url, found.redis_url, found.owner_url)
        chosen = _like_running_up(chosen)
        wiring.wire(chosen)
        _check_database()
        stack.callback(lambda: db.engine().dispose())
        yield chosen


def as_it_runs(chosen: Settings) -> Settings:
    """These settings with the addresses of what runs now; without any where the embedded servers do not. Starts nothing. Raises
    EmbeddedError where the home is another account's, and BroadsheetError as `running_up` does."""
    if chosen.embedded and (servers := embedded.noted(chosen.home)):
        chosen = chosen.connected(servers.database_url, servers.redis_url, servers.owner_url)
    return _like_running_up(chosen)


def refuse_while_up(chosen: Settings) -> None:
    """For what must not happen under running processes. Raises BroadsheetError."""
    if running_up(chosen.home) is not None:
        raise BroadsheetError("`broadsheet up` is running for this home. Stop it first; nothing was changed.")


def bundled_programs() -> Path:
    """The folder of the programs that came with the embedded PostgreSQL."""
    return embedded.postgresql_program("pg_dump").parent


@contextmanager
def everything(
    chosen: Settings, *, on_line: OnLine | None = None, announce: bool = False, any_ports: bool = False
) -> Iterator[Running]:
    """Web, a worker for each queue, beat and, where it applies, the sandbox. `announce`: be the home's `up`, which other
    commands join. `any_ports`: use others where the set ones are taken. Raises BroadsheetError when something does not come up."""
    with database(chosen) as connected:
        epochs.refuse_unless_same()
        if running_up(connected.home) is not None:
            if announce:
                raise already_up(connected.home)
            yield Running(connected, joined=True)
            return
        with ExitStack() as stack:
            connected = stack.enter_context(_kept_ports(connected, any_ports=any_ports or not announce))
            wiring.wire(connected)
            if announce:
                stack.enter_context(
                    announced(connected.home, {"port": connected.port, "sandbox_port": connected.sandbox_port})
                )
            stack.enter_context(
                _looked_after(Supervisor(processes(connected), log_directory=connected.home / "log", on_line=on_line))
            )
            _wait_until_up(connected)
            yield Running(connected, joined=False)


@contextmanager
def _looked_after(supervisor: Supervisor) -> Iterator[None]:
    """The processes started, and started again when they end, until leaving."""
    stop = threading.Event()
    keeper = threading.Thread(target=supervisor.run_until, args=(stop,), daemon=True)
    try:
        supervisor.start()
        keeper.start()
        yield
    finally:
        stop.set()
        if keeper.is_alive():
            keeper.join()
        supervisor.stop()


def processes(chosen: Settings) -> list[Process]:
    """The Procfile's processes, with the environment that each needs."""
    environment = environment_of(chosen)
    found = []
    for name, command in read_procfile(ROOT / "Procfile").items():
        if name == "sandbox" and not chosen.sandbox:
            continue
        found.append(Process(name=name, command=command, environment=environment))
    return found


def _migrate(chosen: Settings) -> None:
    """Bring the database up to date, but not under the workers of a running `up`. Raises BroadsheetError."""
    try:
        if runner.is_current(db.owner_engine(), for_role=_role(chosen)):
            return
        if running_up(chosen.home) is not None:
            raise BroadsheetError(
                "The running `broadsheet up` is of another version. Stop it and start it again; that brings the database up to date."
            )
        runner.upgrade(db.owner_engine(), for_role=_role(chosen))
    except CommandError as error:
        raise BroadsheetError(
            f"The database was made by a newer version of Broadsheet ({error}). Use that one, or restore a backup."
        ) from None


def _check_version(chosen: Settings, behind: bool) -> None:
    """Refuse a database that is not as this code expects it, but for one that is merely `behind` where that will do. Raises
    BroadsheetError."""
    lacking = runner.lacking(db.engine())
    if lacking is None:
        raise BroadsheetError(
            "The database was made by a newer version of Broadsheet. Use that one, or restore a backup. Nothing was changed."
        )
    if lacking and not behind:
        way = (
            "restart `broadsheet up`, or run `broadsheet migrate` while it does not run"
            if chosen.embedded
            else "run `broadsheet migrate` (systemd: `systemctl start broadsheet-migrate`; containers: `up -d migrate`)"
        )
        raise BroadsheetError(
            f"The database lacks {lacking} {'migration' if lacking == 1 else 'migrations'} of this version, and looking at it changes nothing. "
            f"To bring it up to date, {way}. Until then, use the version that it is of."
        )


def _role(chosen: Settings) -> str | None:
    """The service's role in the database; None where it owns the tables itself."""
    service, owner = (make_url(url).username for url in (chosen.database_url, chosen.database_owner_url))
    return None if service == owner else service


def environment_of(chosen: Settings) -> dict[str, str]:
    """The environment of a child: nothing of ours but what was settled here, so that both mean the same."""
    ours = {variable.name for variable in VARIABLES}
    return {
        **{name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours},
        **chosen.to_environ(),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        # A proxy would swallow what is meant for this machine.
        "NO_PROXY": ",".join(filter(None, ("127.0.0.1,localhost", os.environ.get("NO_PROXY", "")))),
        "SANDBOX_HOME": str(chosen.home / "sandbox"),
        "SANDBOX_API_KEY": chosen.sendgrid_api_key if chosen.sandbox else "",
        "SANDBOX_WEBHOOK_KEY": str(chosen.sandbox_webhook_key),
        "SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{chosen.port}/webhooks/sendgrid",
    }


def _check_database() -> None:
    """As db.check_server, and for an address that the driver does not understand. Raises BroadsheetError."""
    try:
        db.check_server()
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise BroadsheetError(f"DATABASE_URL: the database cannot be used: {reason}") from None


def check_redis(url: str) -> None:
    """Refuse a Redis that is unreachable or too old, in one line. Raises BroadsheetError."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=5) as client:
            version = str(client.info("server")["redis_version"])
    except (redis.RedisError, OSError, ValueError, KeyError) as error:
        raise BroadsheetError(f"REDIS_URL: Redis cannot be reached: {str(error).splitlines()[0]}") from None
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        raise BroadsheetError(f"REDIS_URL: Redis 6.2 or newer, or Valkey, is needed; this is {version}.")


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        (home / "log").mkdir(mode=0o700, exist_ok=True)
        (home / "run").mkdir(mode=0o700, exist_ok=True)
        if not (home / ".gitignore").exists():
            # A home inside somebody's checkout must not be committed by accident: it holds keys and readers.
            (home / ".gitignore").write_text("*\n")
    except OSError as error:
        raise BroadsheetError(
            f"BROADSHEET_HOME: {home} cannot be made: {error.strerror}. Set it to a folder that you may write to."
        ) from None


def _like_running_up(chosen: Settings) -> Settings:
    """With the ports of the running `up`, so that links made here are its."""
    if (said := running_up(chosen.home)) is None:
        return chosen
    return _with_ports(chosen, said["port"], said["sandbox_port"])


@contextmanager
def _kept_ports(chosen: Settings, *, any_ports: bool) -> Iterator[Settings]:
    """These settings with ports that are nobody else's until leaving: whoever answers there would be taken for us. `any_ports`:
    others where the set ones are taken, since nobody was told them yet. Raises BroadsheetError."""
    with ExitStack() as stack:
        port = stack.enter_context(ports.kept(chosen.port, option=None if any_ports else "--port"))
        sandbox_port = chosen.sandbox_port
        if chosen.sandbox:
            sandbox_port = stack.enter_context(ports.kept(sandbox_port, option=None if any_ports else "--sandbox-port"))
        yield _with_ports(chosen, port, sandbox_port)


def _with_ports(chosen: Settings, port: int, sandbox_port: int) -> Settings:
    public = chosen.public_url.replace(f"http://127.0.0.1:{chosen.port}", f"http://127.0.0.1:{port}")
    provider_url = f"http://127.0.0.1:{sandbox_port}" if chosen.sandbox else chosen.sendgrid_url
    return replace(chosen, port=port, sandbox_port=sandbox_port, public_url=public, sendgrid_url=provider_url)


def _wait_until_up(chosen: Settings) -> None:
    places = [("web", f"http://127.0.0.1:{chosen.port}/healthz")]
    if chosen.sandbox:
        places.append(("sandbox", f"http://127.0.0.1:{chosen.sandbox_port}/healthz"))
    deadline = time.monotonic() + START_TIMEOUT
    for name, url in places:
        while not _answers(url):
            if time.monotonic() > deadline:
                raise BroadsheetError(
                    f"{name} did not come up within {START_TIMEOUT:.0f} s; see {chosen.home / 'log' / name}.log"
                )
            time.sleep(0.1)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_for_sandbox(chosen: Settings, seconds: float) -> bool:
    """Wait until the sandbox has delivered its events and all payloads are taken in."""
    deadline = time.monotonic() + seconds
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        with opener.open(f"http://127.0.0.1:{chosen.sandbox_port}/sandbox/events/pending", timeout=10) as answer:
            pending = json.load(answer)["pending"]
        with db.transaction() as tx:
            pending += tx.execute("SELECT count(*) FROM payloads WHERE state = 'pending'").scalar_one()
        if pending == 0:
            return True
        time.sleep(0.2)
    return False
