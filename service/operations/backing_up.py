"""Makes a backup: one consistent moment of the database, with the pictures and the evidence outside it, and tries it out before it
counts as made. The keys are kept apart from it. A backup that failed leaves nothing behind."""

import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
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
from service.operations.backup_files import ENDING, KEYS, draft, name_of, remove_old, settle
from service.operations.certificates import keep_certificates
from service.settings import ROOT, current

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
    """Make a backup in the folder, and its keys in another: both or neither. `keep`: delete all but so many of the newest there
    afterwards, with their keys. One at a time. Raises Invalid, BroadsheetError; then nothing is left of it."""
    _check_folders(folder, keys_folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with postgresql.alone(current().database_owner_url):
        at = datetime.now(UTC)
        name = name_of(at)
        target = folder / (name + ENDING[0 if secret else 1])
        keep_certificates()
        with _keys(keys_folder, name, secret) as keys, draft(target) as (unnamed, file):
            manifest = _pack(file, programs, secret, at)
            _to_disk(file)
            findings = _try_out(unnamed, programs, secret) if try_it else 0
            size = unnamed.stat().st_size
            # Keys without a backup do no harm; a backup without its keys would look like a whole one.
            settle(*keys, (unnamed, target))
        with transaction() as tx:
            audit(tx, actor, "back up", target.name, bytes=size, encrypted=secret is not None, tried=try_it)
        removed = remove_old(folder, keys_folder, keep) if keep else 0
    rows, files, bucket = sum(manifest.tables.values()), len(manifest.files) - 1, manifest.bucket
    written = keys[0][1] if keys else None
    return Backup(target, size, rows, files, secret is not None, try_it, findings, written, removed, bucket)


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


@contextmanager
def _keys(folder: Path | None, name: str, secret: bytes | None) -> Iterator[list[tuple[Path, Path]]]:
    """The keys as a draft with its name to be, encrypted by the same secret where one is given: apart from the backup, and 0600."""
    if folder is None:
        yield []
        return
    made = {"secret_keys": ",".join(current().secret_keys), "address_key": current().address_key.decode()}
    target = folder / (name + KEYS)
    with draft(target) as (unnamed, file):
        _put(file, json.dumps(made, indent=1).encode() + b"\n", secret)
        _to_disk(file)
        yield [(unnamed, target)]


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _put(file: BinaryIO, content: bytes, secret: bytes | None) -> None:
    if secret is None:
        file.write(content)
        return
    sealing = Sealing(file, secret)
    sealing.write(content)
    sealing.finish()
