"""Makes a backup: one consistent moment of the database, with the pictures and the evidence outside it, and tries it out before it
counts as made. The keys are kept apart from it. A backup that failed leaves nothing behind."""

import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import psycopg

from service.clients import postgresql
from service.clients.postgresql import Programs
from service.db import transaction
from service.encryption import Sealing
from service.errors import BroadsheetError, Invalid
from service.operations import trying_out
from service.operations.auditing import audit
from service.operations.backup_archive import DUMP, FOLDERS, Manifest, Packing, unpacked
from service.operations.certificates import keep_certificates
from service.settings import ROOT, current

BEGINNING, ENDING = "broadsheet-", (".backup", ".tar")
SHORTEST_KEY = 16

_FACTS = """
    SELECT epoch, mark, kind, encode(address_key_check, 'hex') AS address_key_check, (SELECT version_num FROM alembic_version) AS migration,
        (SELECT coalesce(max(number), 0) FROM consent_digests) AS last_digest, current_setting('server_version_num')::int / 10000 AS major
    FROM installation
"""


@dataclass(frozen=True)
class Backup:
    """What was made. `findings`: what verifying the evidence found in the loaded backup."""

    file: Path
    size: int
    rows: int
    files: int
    encrypted: bool
    tried: bool
    findings: int
    keys: Path | None
    removed: int
    bucket: str | None


def read_key(path: Path) -> bytes:
    """The key or passphrase in a file: all of it, but for spaces and line ends around. Raises Invalid."""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise Invalid(f"--key-file: {path}: {error.strerror}.") from None
    if len(secret) < SHORTEST_KEY:
        raise Invalid(
            f"--key-file: {path} holds fewer than {SHORTEST_KEY} characters. Make a key with `openssl rand -base64 32`."
        )
    return secret


def back_up(
    folder: Path,
    *,
    programs: Programs,
    secret: bytes | None,
    keys_folder: Path | None = None,
    keep: int | None = None,
    try_it: bool = True,
    actor: str,
) -> Backup:
    """Make a backup in the folder, and its keys in another. `keep`: delete all but so many of the newest there afterwards. Raises
    Invalid, BroadsheetError; then nothing is left of it."""
    _check_folders(folder, keys_folder)
    at = datetime.now(UTC)
    name = f"{BEGINNING}{at:%Y%m%dT%H%M%SZ}"
    target = folder / (name + ENDING[0 if secret else 1])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep_certificates()
    with _draft(target) as (draft, file):
        manifest = _pack(file, programs, secret, at)
        file.flush()
        os.fsync(file.fileno())
        findings = _try_out(draft, programs, secret) if try_it else 0
        size = draft.stat().st_size
        keys = _write_keys(keys_folder / f"{name}.keys", secret) if keys_folder else None
        if target.exists():
            raise BroadsheetError(f"{target} is there already: a backup was made in this very second. Run it again.")
        draft.rename(target)
        _settle(folder)
    removed = _remove_old(folder, keep) if keep else 0
    with transaction() as tx:
        audit(tx, actor, "back up", target.name, bytes=size, encrypted=secret is not None, tried=try_it)
    rows, files, bucket = sum(manifest.tables.values()), len(manifest.files) - 1, manifest.bucket
    return Backup(target, size, rows, files, secret is not None, try_it, findings, keys, removed, bucket)


def _try_out(draft: Path, programs: Programs, secret: bytes | None) -> int:
    """How many things in the evidence of the loaded backup are not as they were written. Raises BroadsheetError where it is not
    what was backed up."""
    with unpacked(draft, secret, current().home) as found:
        verified = trying_out.try_out(found, programs)
    return len(verified.findings) + verified.more_findings


def _check_folders(folder: Path, keys_folder: Path | None) -> None:
    if keys_folder is None:
        return
    one, other = folder.resolve(), keys_folder.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise Invalid(
            "--keys: choose a folder apart from the backups': whoever gets hold of both can try out every address."
        )
    keys_folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def _draft(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file of this name's own until it is whole. What a killed process left there is removed first."""
    for left in target.parent.glob(f".{BEGINNING}*.unfinished"):
        left.unlink(missing_ok=True)
    draft = target.with_name(f".{target.name}.unfinished")
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield draft, cast(BinaryIO, file)
    except OSError as error:
        raise BroadsheetError(f"{target.parent}: {error.strerror or error}. No backup was made.") from None
    finally:
        draft.unlink(missing_ok=True)


def _pack(file: BinaryIO, programs: Programs, secret: bytes | None, at: datetime) -> Manifest:
    owner, home = current().database_owner_url, current().home
    packing = Packing(file, secret)
    with tempfile.TemporaryFile(dir=home) as dumped:
        with postgresql.snapshot(owner) as (connection, snapshot):
            manifest = _manifest(connection, at)
            postgresql.dump(owner, programs, snapshot=snapshot, into=dumped)
        size = dumped.seek(0, os.SEEK_END)
        dumped.seek(0)
        packing.add(DUMP, cast(BinaryIO, dumped), size)
    # After the snapshot: whatever it names is there by now, and is never written again.
    for member, path in _files(manifest):
        packing.add_file(member, path)
    packing.finish(manifest)
    return manifest


def _manifest(connection: psycopg.Connection[Any], at: datetime) -> Manifest:
    row = connection.execute(_FACTS).fetchone()
    if row is None:
        raise BroadsheetError("The database has no installation in it: it was never used. No backup was made.")
    bucket = current().bucket
    return Manifest(
        made_at=at.isoformat(),
        version=tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
        migration=row[4],
        postgresql=row[6],
        installation=row[0] or "",
        mark=row[1],
        kind=row[2],
        address_key_check=row[3] or "",
        last_digest=row[5],
        bucket=bucket.name if bucket else None,
        tables=postgresql.counts(connection),
    )


def _files(manifest: Manifest) -> Iterator[tuple[str, Path]]:
    """The files to take along. A digest that was made after the snapshot would speak of records that are not in it."""
    for name in FOLDERS:
        base = current().designs if name == "designs" else current().home / name
        for path in sorted(base.rglob("*")):
            inner = path.relative_to(base)
            if not path.is_file() or path.is_symlink() or any(part.startswith(".") for part in inner.parts):
                continue
            if name == "digests" and (not path.stem.isdigit() or int(path.stem) > manifest.last_digest):
                continue
            yield f"{name}/{inner.as_posix()}", path


def _write_keys(path: Path, secret: bytes | None) -> Path:
    """The keys, encrypted by the same secret where one is given: apart from the backup, and 0600."""
    made = {"secret_keys": ",".join(current().secret_keys), "address_key": current().address_key.decode()}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _put(cast(BinaryIO, file), json.dumps(made, indent=1).encode() + b"\n", secret)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _settle(folder: Path) -> None:
    """So that the file's name is on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put(file: BinaryIO, content: bytes, secret: bytes | None) -> None:
    if secret is None:
        file.write(content)
        return
    sealing = Sealing(file, secret)
    sealing.write(content)
    sealing.finish()


def _remove_old(folder: Path, keep: int) -> int:
    """Delete all but the newest; their names sort by time. Only what is named as ours."""
    ours = sorted(path for path in folder.glob(f"{BEGINNING}*Z.*") if path.suffix in ENDING)
    removed = 0
    for path in ours[:-keep]:
        with suppress(FileNotFoundError):
            path.unlink()
            removed += 1
    return removed
