"""Looks at this machine: settings, files that hold secrets, disk, the folder of pictures."""

import json
import os
import platform
import stat
from collections.abc import Iterator
from pathlib import Path

from service.operations import workers
from service.operations.diagnosing_findings import Finding, Room, Surroundings, doubtful, faulty, fine, unknown
from service.variables import VARIABLES

_KEPT = ("secrets.json", "sandbox_webhook.pem", "embedded.json", "run/servers.json", "run/valkey.json")
_SHOWN_BY_OTHERS = "/run/secrets/"
"""Where container engines put secrets, readable by all, inside a container that nobody else is in."""
MB = 1024 * 1024
_TOO_LITTLE, _LITTLE, _PLENTY = 500 * MB, 2048 * MB, 20_480 * MB


def version(_: Surroundings) -> Iterator[Finding]:
    """What runs here."""
    yield from fine(
        f"Broadsheet {workers.version()}, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    )


def settings(where: Surroundings) -> Iterator[Finding]:
    """Whether the service would start with them."""
    for problem in where.problems:
        text, _, example = problem.partition(" Example: ")
        text, _, advice = text.partition(". ")
        remedy = f"{advice.rstrip('.')}. " if advice else ""
        remedy += f"Set it where the service gets its environment, for example {example}" if example else ""
        yield from faulty(
            text.rstrip("."), remedy or "Mend it where the service gets its environment, and start it again."
        )
    if not where.problems:
        yield from fine("every setting can be read")


def secrets(where: Surroundings) -> Iterator[Finding]:
    """Whether only the service can read the files that hold keys and passwords."""
    home = where.settings.home
    shown = [path for name in _KEPT if (path := home / name).exists() and _mode(path) & 0o077]
    for variable in VARIABLES:
        given = where.environ.get(f"{variable.name}_FILE", "").strip()
        if not variable.secret or not given or given.startswith(_SHOWN_BY_OTHERS):
            continue
        path = Path(given)
        if path.exists() and _mode(path) & 0o007:
            shown.append(path)
    for path in shown:
        yield from faulty(
            f"{path} holds a secret, and others may read it (mode {_mode(path):04o})",
            f"chmod 600 {path}; if others have an account here, make the secret anew.",
        )
    if not shown:
        yield from fine("nobody else may read the files with secrets")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def disk(where: Surroundings) -> Iterator[Finding]:
    """Whether there is room for data, pictures and logs."""
    disks = {folder.stat().st_dev: folder for folder in map(_nearest, _folders(where.settings.home))}
    for folder in disks.values():
        yield from _of_disk(folder, where.room(folder))


def _folders(home: Path) -> list[Path]:
    """Where much is written: the home, and the embedded servers' data where it had to be laid elsewhere."""
    try:
        data = home / str(json.loads((home / "embedded.json").read_text())["data"])
    except (OSError, ValueError, KeyError):
        return [home]
    return [data, home]


def _of_disk(folder: Path, found: Room) -> Iterator[Finding]:
    free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    remedy = "Make room, or move BROADSHEET_HOME to a larger disk: a full one stops PostgreSQL and the logs."
    if free < _TOO_LITTLE:
        yield from faulty(f"the disk of {folder} is nearly full: {free // MB:,} MB are free", remedy)
    elif free < _LITTLE or (free < size / 20 and free < _PLENTY):
        yield from doubtful(f"the disk of {folder} fills up: {free // MB:,} of {size // MB:,} MB are free", remedy)
    elif found.f_files and found.f_favail < found.f_files / 100:
        yield from faulty(
            f"the disk of {folder} takes hardly another file: {found.f_favail:,} of {found.f_files:,} inodes are free",
            "Delete files that nobody needs, however small.",
        )
    else:
        yield from fine(f"{free // MB:,} MB are free at {folder}")


def media(where: Surroundings) -> Iterator[Finding]:
    """Whether pictures can be kept."""
    folder = where.settings.media
    place = _nearest(folder)
    if not place.is_dir():
        yield from faulty(f"{place} is a file, where a folder for pictures should be", f"Move {place} away.")
    elif not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        yield from faulty(
            f"this account may not write to {place}, where pictures are kept",
            f"Give it to the account that the service runs as (chown), or run this as that account. Then: chmod u+rwx {place}",
        )
    elif os.geteuid() == 0 and place.stat().st_uid != 0:
        yield from unknown("this is root, who may write anywhere", "Run this as the account that the service runs as.")
    else:
        yield from fine("pictures can be kept")


def _nearest(folder: Path) -> Path:
    """The folder, or what there is of the way to it."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
