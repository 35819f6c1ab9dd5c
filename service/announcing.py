"""The notice of a home's running `up`: that it runs, by a lock which dies with its process, and by which ports. Whoever reads it while
it is being written waits for it, and never takes the `up` for none."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from service.errors import BroadsheetError

PATIENCE = 3.0
"""Seconds; a notice is there a moment after the lock."""
_NAMES = ("port", "sandbox_port")


@contextmanager
def announced(home: Path, ports: Mapping[str, int]) -> Iterator[None]:
    """Be the home's `up` until leaving. Raises BroadsheetError when another one is."""
    folder = home / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    notice = folder / "up.json"
    with (folder / "up.lock").open("w") as file:
        if not _locked(file):
            raise already_up(home)
        # What an `up` before has left says other ports.
        notice.unlink(missing_ok=True)
        draft = folder / f".up.json.{os.getpid()}"
        draft.write_text(json.dumps({name: ports[name] for name in _NAMES}))
        draft.replace(notice)
        try:
            yield
        finally:
            notice.unlink(missing_ok=True)


def already_up(home: Path) -> BroadsheetError:
    """What a second `up` of the home is told."""
    return BroadsheetError(f"`broadsheet up` is running for {home} already.")


def running_up(home: Path) -> dict[str, int] | None:
    """The ports of the home's running `up`, or None. Raises BroadsheetError when it runs and does not say them."""
    deadline = time.monotonic() + PATIENCE
    while _is_locked(home / "run" / "up.lock"):
        if found := _read(home / "run" / "up.json"):
            return found
        if time.monotonic() > deadline:
            raise BroadsheetError(
                f"`broadsheet up` is running for {home}, but {home / 'run' / 'up.json'} does not say where. Stop it and start it again, which writes it anew."
            )
        time.sleep(0.02)
    return None


def _locked(file: TextIO) -> bool:
    """Whether the lock is ours now. Whoever asks whether an `up` runs holds it for a moment, too."""
    deadline = time.monotonic() + 0.5
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)


def _is_locked(path: Path) -> bool:
    with suppress(OSError), path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _read(path: Path) -> dict[str, int] | None:
    try:
        said = json.loads(path.read_text())
        return {name: int(said[name]) for name in _NAMES}
    except (OSError, ValueError, KeyError, TypeError):
        return None
