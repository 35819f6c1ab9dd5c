"""Runs the processes of the service on one machine: starts them, starts again what ended, keeps what they print, and ends
them with itself. Refuses to give up on a process, and to leave one behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from service.procfile import read_procfile

__all__ = ["Process", "Supervisor", "read_procfile"]

_FIRST_PAUSE = timedelta(seconds=0.5)
_LONGEST_PAUSE = timedelta(seconds=30)
_HEALTHY = timedelta(seconds=60)
_LOG_LIMIT = 10 * 1024 * 1024
_LOG_FILES = 3
_LONGEST_LINE = 64 * 1024
_TICK = 0.1
_CHILD = str(Path(__file__).with_name("supervisor_child.py"))


@dataclass(frozen=True)
class Process:
    """One process to run. A command in one string is given to the shell, as Procfiles expect; the environment is whole."""

    name: str
    command: str | list[str]
    environment: Mapping[str, str]

    def arguments(self) -> list[str]:
        if isinstance(self.command, list):
            return self.command
        # exec: no shell stays between the signals and the process. A compound command needs its shell.
        compound = any(sign in self.command for sign in ";&|\n(")
        return ["/bin/sh", "-c", self.command if compound else f"exec env {self.command}"]


class Supervisor:
    """The processes of one machine. Its own words come on `on_line` too, under the name `broadsheet`."""

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        log_directory: Path,
        on_line: Callable[[str, str], None] | None = None,
    ) -> None:
        if len({process.name for process in processes}) != len(processes):
            raise ValueError("Two processes have the same name.")
        log_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._on_line = on_line
        self._runs = [_Run(process, _Log(log_directory / f"{process.name}.log"), self._tell) for process in processes]

    def start(self) -> None:
        """Start all of them; if one cannot be started, none is left."""
        try:
            for run in self._runs:
                run.start()
        except BaseException:
            self.stop(timeout=0)
            raise

    def run_until(self, stop: threading.Event) -> None:
        """Start again whatever ends, after a pause that doubles from 0.5 s to 30 s and is forgotten after a healthy
        minute, until told to stop. Leaves the processes running: stop() ends them."""
        while not stop.wait(_TICK):
            for run in self._runs:
                run.look_after()

    def stop(self, timeout: float = 20) -> None:
        """SIGTERM to all at once; whoever is still there after `timeout` seconds gets SIGKILL, with its children."""
        for run in self._runs:
            run.ask_to_end()
        deadline = time.monotonic() + timeout
        for run in self._runs:
            run.end_by(deadline)

    def pids(self) -> dict[str, int]:
        """The processes that run now. Each leads a process group of its own."""
        return {run.process.name: run.child.pid for run in self._runs if run.child and run.child.poll() is None}

    def _tell(self, name: str, line: str) -> None:
        if self._on_line is not None:
            # Nobody to read it (a closed terminal) must not stop us from reading: a full pipe would stop the process.
            with suppress(OSError, ValueError):
                self._on_line(name, line)


class _Run:
    """A process and what became of it so far."""

    def __init__(self, process: Process, log: "_Log", tell: Callable[[str, str], None]) -> None:
        self.process = process
        self.child: subprocess.Popen[bytes] | None = None
        self._log = log
        self._tell = tell
        self._lifeline = -1
        self._reader: threading.Thread | None = None
        self._started = 0.0
        self._pause = _FIRST_PAUSE
        self._again_at: float | None = None

    def start(self) -> None:
        reading, writing = os.pipe()
        try:
            self.child = subprocess.Popen(  # noqa: S603 (the operator's own command)
                [sys.executable, "-I", "-S", _CHILD, str(reading), *self.process.arguments()],
                env=dict(self.process.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[reading],
                # A session of its own: Ctrl-C reaches the supervisor alone, which ends the processes in order.
                start_new_session=True,
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        self._lifeline, self._started, self._again_at = writing, time.monotonic(), None
        self._reader = threading.Thread(target=self._read, args=(self.child,), daemon=True)
        self._reader.start()

    def look_after(self) -> None:
        now = time.monotonic()
        if self._again_at is not None and now >= self._again_at:
            self.start()
        code = self.child.poll() if self.child else None
        if code is None:
            return
        self._let_go()
        if now - self._started >= _HEALTHY.total_seconds():
            self._pause = _FIRST_PAUSE
        seconds = self._pause.total_seconds()
        how = f"exited with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        self._say(f"{self.process.name} {how}, starting it again in {seconds:g} s")
        self._again_at = now + seconds
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def ask_to_end(self) -> None:
        self._again_at = None
        if self.child is not None:
            self.child.terminate()

    def end_by(self, deadline: float) -> None:
        if self.child is None:
            return
        try:
            self.child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._say(f"{self.process.name} did not end in time, killing it")
        # Also after a clean end: what the process left in its group is a stray.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        self._let_go()

    def _let_go(self) -> None:
        """Done with this child: its watcher ends what is left of its group."""
        os.close(self._lifeline)
        self.child = None
        if self._reader is not None:
            self._reader.join(1)

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        if child.stdout is None:
            return
        with child.stdout as output:
            for line in iter(lambda: output.readline(_LONGEST_LINE), b""):
                self._log.write(line)
                self._tell(self.process.name, line.decode(errors="replace").rstrip("\n"))

    def _say(self, text: str) -> None:
        self._log.write(f"[broadsheet] {text}\n".encode())
        self._tell("broadsheet", text)


class _Log:
    """A file that is set aside when it is full, the oldest forgotten. A full disk loses lines, never a process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        with self._lock, suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
            if size + len(line) > _LOG_LIMIT:
                self._set_aside()

    def _set_aside(self) -> None:
        for number in range(_LOG_FILES - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            with suppress(FileNotFoundError):
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
