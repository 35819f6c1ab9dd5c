"""The files of backups in their folders: drafts until they are whole, their names, and which are old. Deletes only what is named as
ours, and no draft that somebody is writing."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from service.errors import BroadsheetError
from service.operations.outside import settle_names

BEGINNING, ENDING, KEYS = "broadsheet-", (".backup", ".tar"), ".keys"
_UNFINISHED = ".unfinished"


def name_of(at: datetime) -> str:
    """Of a backup made then, without its ending: they sort by time."""
    return f"{BEGINNING}{at:%Y%m%dT%H%M%SZ}"


@contextmanager
def draft(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file under another name, for `settle` to give it its own; it is gone on leaving where that was not done. What a killed
    process left in the folder is removed first. Raises BroadsheetError, and where `target` is there already."""
    made = target.with_name(f".{target.name}{_UNFINISHED}")
    try:
        _remove_left(target.parent)
        descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _hold(descriptor, made)
                # Whoever makes the target has had this draft, which is ours now: nobody can make it from here on.
                if target.exists():
                    raise BroadsheetError(
                        f"{target} is there already: a backup was made in this very second. Run it again."
                    )
                yield made, cast(BinaryIO, file)
        finally:
            made.unlink(missing_ok=True)
    except OSError as error:
        raise BroadsheetError(
            f"{error.filename or target.parent}: {error.strerror or error}. No backup was made."
        ) from None


def settle(*drafts: tuple[Path, Path]) -> None:
    """Give each draft, whose bytes are on the disk, the name that goes with it: all of them, or none. Raises OSError."""
    done: list[Path] = []
    try:
        for made, target in drafts:
            made.rename(target)
            done.append(target)
            settle_names(target.parent)
    except BaseException:
        for target in done:
            target.unlink(missing_ok=True)
        raise


def remove_old(folder: Path, keys_folder: Path | None, keep: int) -> int:
    """Delete all backups but the newest, and the keys that were copied with each. Returns how many backups."""
    ours = sorted(path for path in folder.glob(f"{BEGINNING}*Z.*") if path.suffix in ENDING)
    removed = 0
    for path in ours[:-keep]:
        with suppress(FileNotFoundError):
            # The keys first: whatever comes between, the backup is found again the next time, and its keys with it.
            if keys_folder is not None:
                (keys_folder / f"{path.stem}{KEYS}").unlink(missing_ok=True)
            path.unlink()
            removed += 1
    return removed


def _hold(descriptor: int, path: Path) -> None:
    """A lock for as long as the file is open, so that others see that somebody writes it. Where the file system has no locks, nobody
    gets one, and what a killed process left there stays."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if not path.exists():
        raise BroadsheetError("Another backup into this folder was begun in this very moment. Run it again.")


def _remove_left(folder: Path) -> None:
    for path in folder.glob(f".{BEGINNING}*{_UNFINISHED}"):
        with suppress(OSError), path.open("r+b") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
