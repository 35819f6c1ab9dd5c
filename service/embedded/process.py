"""One server process: started without root's rights, in its own session, and ended by the kernel when its parent dies.
Refuses to signal a process it cannot tell to be ours."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_LOG_LIMIT = 10 * 1024 * 1024


class EmbeddedError(RuntimeError):
    """The embedded servers cannot run here; the text is one line that says what to do."""


@dataclass(frozen=True)
class Account:
    """The account without rights that root hands the servers to."""

    uid: int
    gid: int


def start(
    command: Sequence[str | Path], *, account: Account | None, log: Path, ends_with: signal.Signals, stdin: str = ""
) -> subprocess.Popen[bytes]:
    """Start a program that gets `ends_with` from the kernel when the thread that called this ends. What it prints goes to
    the end of the log; what it reads is closed after `stdin`."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_name(f"{log.name}.1"))
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 (our own programs, no shell)
            list(command),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            umask=0o077,
            start_new_session=True,
            preexec_fn=_tied_to_parent(ends_with),
        )
    finally:
        os.close(output)
    with suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.write(stdin.encode())
            process.stdin.close()
    return process


def _tied_to_parent(ends_with: signal.Signals) -> Callable[[], None] | None:
    """Runs in the child after it has dropped its rights: setuid would clear the wish again."""
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(ends_with))
        if os.getppid() != parent:
            os._exit(1)

    return tie


def stop(process: subprocess.Popen[bytes], *signals: tuple[signal.Signals, float]) -> None:
    """Send each signal in turn and give the process that many seconds; the last resort is SIGKILL."""
    for signum, patience in signals:
        if process.poll() is not None:
            return
        process.send_signal(signum)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    if process.poll() is None:
        process.kill()
        process.wait()


def end_remains(pid: int, mark: str, *signals: tuple[signal.Signals, float]) -> None:
    """End what a killed run left: first let it end by itself, then signal it. A process without our mark in its command
    line has only inherited the number and is left alone."""
    for signum, patience in ((signal.Signals.SIGCONT, 2.0), *signals, (signal.SIGKILL, 5.0)):
        if not _carries(pid, mark):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
        deadline = time.monotonic() + patience
        while _carries(pid, mark) and time.monotonic() < deadline:
            time.sleep(0.05)


def _carries(pid: int, mark: str) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except FileNotFoundError:
        if sys.platform == "linux":
            return False
        asked = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
        command = subprocess.run(asked, capture_output=True, check=False).stdout  # noqa: S603
    return os.fsencode(mark) in command


def last_words(log: Path) -> str:
    """The last line of a log that says something, for an error of one line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except FileNotFoundError:
        lines = []
    return lines[-1] if lines else "nothing was logged"
