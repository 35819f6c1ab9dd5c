"""Holds the workers of one queue while something else is measured, so that both can be measured apart."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.errors import BroadsheetError


@contextmanager
def held(home: Path, queue: str) -> Iterator[None]:
    """The home's workers of this queue stand still until leaving; what they are asked for meanwhile waits. Raises BroadsheetError
    when there are none."""
    numbers = _workers(home, queue)
    if not numbers:
        raise BroadsheetError(f"There is no worker of the queue {queue}.")
    _tell(numbers, signal.SIGSTOP)
    try:
        yield
    finally:
        _tell(numbers, signal.SIGCONT)


def _tell(numbers: list[int], what: signal.Signals) -> None:
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, what)


def _workers(home: Path, queue: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command, environ = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
            if f"\0--queues\0{queue}\0".encode() in command and f"BROADSHEET_HOME={home}\0".encode() in environ:
                found.append(int(folder.name))
    return found
