"""Watches how much memory each process of an installation takes, from outside. Linux only; elsewhere it sees nothing."""

import re
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

# A worker is called by its queue, which stands behind its program's name.
_ROLES = (
    re.compile(rb"--hostname\x00(\w+)@|\x00(beat)\x00"),
    re.compile(rb"(gunicorn|postgres|valkey|redis|celery|importer)"),
)
_PARENT = re.compile(r"^PPid:\s+(\d+)$", re.MULTILINE)
# Pages of PostgreSQL's shared cache that one process alone has used so far would pass for its own.
_SIZES = (
    re.compile(r"^Private_\w+:\s+(\d+) kB", re.MULTILINE),
    re.compile(r"^Pss_Anon:\s+(\d+) kB", re.MULTILINE),
)
EVERY = 0.1
"""Seconds between two looks, which take some milliseconds each."""
CLOSE = 0.001
"""Seconds between two looks at PostgreSQL alone, whose statements take and give back memory in less time than EVERY."""


class Watch:
    """The highest resident memory by kind of process, of those whose environment or command names the home. `closely`: without missing
    what PostgreSQL takes for some milliseconds, which slows down what is watched."""

    def __init__(self, home: Path, every: float = EVERY, *, closely: bool = False) -> None:
        self._home = str(home).encode()
        self._every = every
        self._pause = min(CLOSE, every) if closely else every
        self._highest: dict[str, float] = {}
        self._ours: set[str] = set()
        self._postgres: set[Path] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_again, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        # What took less time than one look apart was not seen yet.
        self._look_at_all()

    def highest(self) -> dict[str, float]:
        """MiB by kind of process. What processes share, such as PostgreSQL's cache, is not counted twice: private memory."""
        return dict(sorted(self._highest.items()))

    def _look_again(self) -> None:
        looked = 0.0
        while not self._stop.wait(self._pause):
            if time.monotonic() < looked + self._every and self._pause < self._every:
                for folder in self._postgres:
                    with suppress(OSError):
                        self._measure(folder, "postgres")
            else:
                self._look_at_all()
                looked = time.monotonic()

    def _look_at_all(self) -> None:
        self._postgres.clear()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                self._look(folder)

    def _look(self, folder: Path) -> None:
        command = (folder / "cmdline").read_bytes()
        if not self._is_ours(folder, command):
            return
        self._ours.add(folder.name)
        name = next(
            (found[found.lastindex or 0].decode() for role in _ROLES if (found := role.search(command))), "other"
        )
        if name == "postgres":
            self._postgres.add(folder)
        self._measure(folder, name)

    def _measure(self, folder: Path, name: str) -> None:
        rollup = (folder / "smaps_rollup").read_text()
        taken = sum(int(kb) for kb in _SIZES[name == "postgres"].findall(rollup)) / 1024
        self._highest[name] = max(self._highest.get(name, 0.0), round(taken, 1))

    def _is_ours(self, folder: Path, command: bytes) -> bool:
        """PostgreSQL's processes name no home, but come from one that does."""
        if self._home in command:
            return True
        if command.startswith(b"postgres"):
            parent = _PARENT.search((folder / "status").read_text())
            return parent is not None and parent[1] in self._ours
        return self._home in (folder / "environ").read_bytes()
