"""A restore that is killed at a certain point; for a process that is wired to a home's servers."""

import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from service import settings
from service.clients import postgresql
from service.db import transaction
from service.errors import BroadsheetError
from service.operations import backing_up, digesting, restoring, restoring_files
from service.running import bundled_programs, servers

KILLED = 9


def _die(*_arguments: Any, **_words: Any) -> NoReturn:
    os._exit(KILLED)


def restore_until(point: str, file: str, key: str) -> None:
    """`swap`: killed before the databases change places; `finish`: right after; a number: at that digest's change of places; `full`: no digest has its place."""
    if point == "swap":
        postgresql.swap = _die
    elif point == "finish":
        # The first call looks for what another restore has left.
        calls = [lambda: None, _die]
        restoring_files.finish = lambda: calls.pop(0)()
    elif point == "full":
        Path.rename = _full  # type: ignore[assignment,method-assign]
    else:
        _die_at_rename(int(point))
    with servers(settings.load()) as connected:
        programs = postgresql.programs(connected.database_owner_url, bundled_programs())
        secret = backing_up.read_key(Path(key))
        restoring.restore(Path(file), programs=programs, secret=secret, replace=True, actor="test")


def _full(path: Path, to: Path) -> Path:
    if "digests" in path.parts:
        raise OSError(errno.ENOSPC, "No space left on device")
    os.rename(path, to)
    return to


def _die_at_rename(number: int) -> None:
    rename, left = Path.rename, [number]

    def counted(path: Path, to: Path) -> Path:
        if "digests" in path.parts:
            left[0] -= 1
            if left[0] == 0:
                _die()
        return rename(path, to)

    Path.rename = counted  # type: ignore[assignment,method-assign]


def readers() -> int:
    with transaction() as tx:
        return int(tx.execute("SELECT count(*) FROM subscribers").scalar_one())


def told_by_the_digest() -> str:
    try:
        digesting.make_digest(not_within=timedelta(0))
    except BroadsheetError as error:
        return str(error)
    return ""
