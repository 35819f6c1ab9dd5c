"""Becomes one supervised process, after leaving a watcher beside it that ends the whole process group when the supervisor is
gone, however it went. Refuses to do anything else; needs the standard library alone, so that it costs little memory."""

import os
import signal
import sys
import time

_GRACE = 5.0  # seconds between SIGTERM and SIGKILL


def main(lifeline: int, command: list[str]) -> None:
    """Replace this process by the command. The lifeline is a pipe that only the supervisor can write to: its end says that
    the supervisor is gone, or done with us."""
    group = os.getpid()
    middle = os.fork()
    if middle == 0:
        # Twice forked: the command must not meet a child it never made, and its group must not contain the watcher.
        os.setsid()
        if os.fork() == 0:
            _watch(lifeline, group)
        os._exit(0)
    os.waitpid(middle, 0)
    os.close(lifeline)
    try:
        os.execvp(command[0], command)  # noqa: S606 (the command is the operator's own)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def _watch(lifeline: int, group: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):  # else whoever reads the command's output never sees its end
        os.dup2(nowhere, descriptor)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    os.read(lifeline, 1)
    try:
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # the group is empty


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
