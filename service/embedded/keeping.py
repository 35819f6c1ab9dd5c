"""Starts a server of the pair again when it ended by itself: out of memory, a full disk, a stray kill. Refuses to give up, and
to move it: whoever was told its address finds it there."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Protocol

from service.embedded.process import EmbeddedError

_TICK = 0.5
_LONGEST_PAUSE = 30.0


class Server(Protocol):
    """What the keeper needs of PostgreSQL and Valkey."""

    @property
    def died(self) -> bool: ...

    def start(self) -> object:
        """Started again, it answers where it did before."""


class Keeper:
    """One thread, which outlives the servers it starts: Linux ends them with the thread that started them."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        self._leaving = threading.Event()
        self._stopped = threading.Event()
        self._looking = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="embedded-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def let_go(self) -> None:
        """From now on a server that ends is left so; a start under way comes to its end first."""
        self._leaving.set()
        with self._looking:
            pass

    def end(self) -> None:
        """Once the servers are stopped."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = _TICK
        while not self._leaving.wait(pause):
            with self._looking:
                pause = _TICK if self._all_run() else min(2 * pause, _LONGEST_PAUSE)
        self._stopped.wait()

    def _all_run(self) -> bool:
        for server in self._servers:
            if self._leaving.is_set() or not server.died:
                continue
            _say(f"{type(server).__name__} ended by itself; starting it again")
            try:
                server.start()
            except (EmbeddedError, OSError, subprocess.SubprocessError) as error:
                _say(str(error))
                return False
        return True


def _say(line: str) -> None:
    print(f"Embedded servers: {line}", file=sys.stderr, flush=True)
