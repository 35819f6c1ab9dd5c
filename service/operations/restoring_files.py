"""Puts a backup's files where they belong, so that those of one database are there whatever breaks a restore off: pictures and designs
are only added, and taken away again; digests wait beside the others until the databases have changed places."""

import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from service.clients import postgresql
from service.errors import BroadsheetError
from service.operations import digesting
from service.operations.backup_archive import Unpacked
from service.operations.outside import settle_names, write_once
from service.settings import current

_PLAN = "plan.json"


@dataclass(frozen=True)
class _Plan:
    """What is to be done once the database of that number (PostgreSQL's, which a new name does not change) is in place."""

    database: int
    aside: str
    names: list[str]


@dataclass
class Added:
    """Pictures and designs that were not there; how many were and differ: those stay as they are."""

    written: list[Path] = field(default_factory=list)
    different: int = 0


def add(folder: Path, to: Added) -> None:
    """Put the pictures and designs in that folder into their places."""
    for name, base in (("media", current().media), ("designs", current().designs)):
        for path in sorted(one for one in (folder / name).rglob("*") if one.is_file()):
            target = base / path.relative_to(folder / name)
            if target.exists():
                to.different += target.read_bytes() != path.read_bytes()
                continue
            _copy(path, target)
            to.written.append(target)


def take_back(added: Added) -> None:
    """As if none of it had been added, and no digest laid ready."""
    for path in added.written:
        path.unlink(missing_ok=True)
    shutil.rmtree(digesting.staged(), ignore_errors=True)


def _copy(path: Path, to: Path) -> None:
    """Whole or not at all: one that was cut off would be taken for one that differs, and stay."""
    to.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
    try:
        with path.open("rb") as source, draft.open("xb") as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(to)
    finally:
        draft.unlink(missing_ok=True)


def stage_digests(found: Unpacked, database: int) -> None:
    """Lay the backup's digests ready beside the present ones, and write down which of those are of later, or of another line: they
    say which acts the restored database has lost."""
    folder, made, staged = digesting.folder(), found.folder / "digests", digesting.staged()
    names = [f"{number:08d}.json" for number in digesting.files()]
    same = {name for name in names if _is_same(made / name, folder / name)}
    for path in sorted(made.glob("*.json")):
        if path.name not in same:
            write_once(staged / path.name, path.read_text(encoding="utf-8"))
    aside = [
        name
        for name in names
        if name not in same and ((made / name).exists() or int(Path(name).stem) > found.manifest.last_digest)
    ]
    lost = f"not-in-the-backup-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    plan = _Plan(database, lost, aside)
    write_once(staged / _PLAN, json.dumps(asdict(plan)))
    for one in (staged, folder):
        settle_names(one)


def finish() -> int | None:
    """Give the digests that wait their place where their database has its own, and throw them away where it has not. How many others
    went aside; None where none waited, or their database is not in place. Raises BroadsheetError."""
    staged = digesting.staged()
    if not staged.exists():
        return None
    owner, plan = current().database_owner_url, _read_plan(staged)
    if plan is None or plan.database != postgresql.number_of(owner, postgresql.name_of(owner)):
        shutil.rmtree(staged)
        return None
    try:
        _change_places(plan, staged)
    except OSError as error:
        raise BroadsheetError(
            f"The backup is restored, but for its digests, which wait in {staged}: {error.strerror or error}. Mend that, then run "
            "`broadsheet restore --finish`; no new digest is made before."
        ) from None
    return len(plan.names)


def _change_places(plan: _Plan, staged: Path) -> None:
    """Any step may have been done before."""
    folder = digesting.folder()
    lost = folder / plan.aside
    for name in plan.names:
        if not (lost / name).exists():
            lost.mkdir(mode=0o700, exist_ok=True)
            (folder / name).rename(lost / name)
    for path in sorted(staged.glob("[0-9]*.json")):
        path.rename(folder / path.name)
    shutil.rmtree(staged)


def _read_plan(staged: Path) -> _Plan | None:
    try:
        return _Plan(**json.loads((staged / _PLAN).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None  # it is written last, before the databases change places


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and one.read_bytes() == other.read_bytes()
