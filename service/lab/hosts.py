"""A further machine for an installation: a home of its own, where nothing runs but the workers that send, on the first one's
PostgreSQL and Redis. Joins as a person would have it join."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from service.errors import BroadsheetError
from service.running import environment_of
from service.settings import ROOT, Settings

_START = 60.0
_RECORDED = b"batch recorded"


class Host:
    """`log`: where its sending workers write."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log

    def batches(self) -> int:
        """How many batches it has recorded."""
        files = self.log.parent.glob(f"{self.log.name}*")
        return sum(file.read_bytes().count(_RECORDED) for file in files)


@contextmanager
def all_of(chosen: Settings, number: int) -> Iterator[list[Host]]:
    """The first machine, which runs, and as many further ones as make this number. Raises BroadsheetError when one does not start."""
    with ExitStack() as stack:
        first = Host("host-1", chosen.home / "log" / "sending.log")
        yield [first, *(stack.enter_context(_further(chosen, f"host-{n}")) for n in range(2, number + 1))]


@contextmanager
def _further(chosen: Settings, name: str) -> Iterator[Host]:
    folder = chosen.home / name
    folder.mkdir(mode=0o711)
    other = replace(chosen, home=folder, epoch_file=folder / "epoch.json", embedded=False)
    environment = environment_of(other) | {"DATABASE_OWNER_URL": chosen.database_owner_url}
    command = [sys.executable, "-m", "service.cli"]
    joined = subprocess.run(  # noqa: S603 (ourselves)
        [*command, "epoch", "join", "--reason", "a benchmark's further machine"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        timeout=_START,
        check=False,
    )
    if joined.returncode:
        raise BroadsheetError(f"{name} did not join: {joined.stderr.decode(errors='replace').strip()}")
    host = Host(name, folder / "sending.log")
    with host.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 (ourselves)
            [*command, "run", "sending"], env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        _wait_until_ready(host, process)
        yield host
    finally:
        process.terminate()
        try:
            process.wait(_START)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(host: Host, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START
    while b" ready" not in host.log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise BroadsheetError(f"{host.name} did not start: {host.log.read_text(errors='replace').strip()[-500:]}")
        time.sleep(0.1)
