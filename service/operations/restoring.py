"""Puts a backup back: into a new database, which takes the place of the present one only when it is loaded, counted, brought up to
date, marked as restored, and rid of whom was erased since. The present one is kept under another name. Sends nothing."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import structlog
from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from service import db, wiring
from service.clients import postgresql
from service.clients.postgresql import Programs
from service.db import transaction
from service.errors import BroadsheetError, Conflict
from service.migrations import runner
from service.operations import certificates, epochs, erasing_again, restoring_files, verifying
from service.operations.auditing import audit
from service.operations.backup_archive import Manifest, Unpacked, unpacked
from service.operations.carrying_over import Carried, carry_over
from service.operations.outside import write_once
from service.operations.restoring_files import Added
from service.operations.trying_out import load, new_database, using
from service.settings import current

log = structlog.get_logger(__name__)

OLD = "_before_"


@dataclass(frozen=True)
class Restored:
    """What was put back. `held`: issues that would have gone out. `old`: the name of the database that was there."""

    made_at: str
    rows: int
    held: int
    certificates: int
    erased: int
    carried: Carried
    digests_aside: int
    files: int
    different_files: int
    findings: int
    old: str
    bucket: str | None


def restore(
    file: Path, *, programs: Programs, secret: bytes | None, replace: bool, erasures: Path | None = None, actor: str
) -> Restored:
    """Put the backup back. `replace`: a database that is in use may be put aside for it. `erasures`: certificates that were kept
    elsewhere, beside those in the home. Raises BroadsheetError, and then the present database is as it was."""
    with postgresql.alone(current().database_owner_url):
        return _restore(file, programs, secret, replace, erasures, actor)


def _restore(
    file: Path, programs: Programs, secret: bytes | None, replace: bool, erasures: Path | None, actor: str
) -> Restored:
    owner = current().database_owner_url
    name = postgresql.name_of(owner)
    if not replace and _is_used(owner):
        raise Conflict(
            f"The database {name} is in use: there are newsletters or readers in it. To put it aside and restore the backup in its place, add --replace. Nothing was changed."
        )
    _check_unused(owner, name)
    restoring_files.finish()
    with unpacked(file, secret, current().home) as found:
        _check_fits(found.manifest)
        _take_certificates(found, erasures)
        old = f"{name}{OLD}{datetime.now(UTC):%Y%m%d%H%M%S}"
        with new_database("restoring") as fresh:
            load(found, programs, fresh)
            with using(postgresql.with_database(owner, fresh), postgresql.with_database(current().database_url, fresh)):
                held, read, erased = _make_ready(found, actor)
                carried = carry_over(owner, name, found.manifest)
                findings = _verify(found)
            db.engine().dispose()
            added = _change_places(found, fresh=fresh, into=name, old=old)
        aside = restoring_files.finish() or 0
    made = found.manifest
    return Restored(
        made_at=made.made_at,
        rows=sum(made.tables.values()),
        held=held,
        certificates=read,
        erased=erased,
        carried=carried,
        digests_aside=aside,
        files=len(added.written),
        different_files=added.different,
        findings=findings,
        old=old,
        bucket=made.bucket,
    )


def finish() -> bool:
    """Bring a restore to its end that was broken off when the databases had changed places, and clear away one that was broken off
    before. Whether there was one of the first kind. Raises BroadsheetError."""
    with postgresql.alone(current().database_owner_url):
        return restoring_files.finish() is not None


def _change_places(found: Unpacked, *, fresh: str, into: str, old: str) -> Added:
    """The new database in the place of the present one, whose files are there before it is; or nothing of it. Its digests wait, for
    the present one has its own. Raises BroadsheetError."""
    owner, added = current().database_owner_url, Added()
    number = postgresql.number_of(owner, fresh)
    try:
        restoring_files.add(found.folder, added)
        restoring_files.stage_digests(found, number)
        postgresql.swap(owner, fresh=fresh, into=into, old=old)
    except BaseException as error:
        # The server's answer may be what was lost, or Ctrl-C have come after it.
        if not _is_in_place(owner, into, number):
            restoring_files.take_back(added)
            if isinstance(error, OSError):
                raise BroadsheetError(
                    f"{error.filename or current().home}: {error.strerror or error}. Nothing was changed: the database is as it was."
                ) from None
            raise
    return added


def _is_in_place(owner: str, name: str, number: int) -> bool:
    try:
        return postgresql.number_of(owner, name) == number
    except psycopg.OperationalError:
        raise BroadsheetError(
            "The database server broke off while the databases were changing places. When it answers again, run `broadsheet restore --finish`, "
            "which looks which of them is in place and puts the digests that go with it beside it."
        ) from None


def old_databases() -> list[str]:
    """The databases that were put aside by restoring."""
    owner = current().database_owner_url
    return postgresql.databases(owner, postgresql.name_of(owner) + OLD)


def drop_old(*, actor: str) -> list[str]:
    """Delete the databases that were put aside; what they hold of people goes with them. Returns their names."""
    owner = current().database_owner_url
    with postgresql.alone(owner):
        restoring_files.finish()
        dropped = old_databases()
        for name in dropped:
            postgresql.drop(owner, name)
    if dropped:
        with transaction() as tx:
            audit(tx, actor, "drop databases", "database", names=dropped)
    return dropped


def _check_unused(owner: str, name: str) -> None:
    """Nobody else may be in a database that is to be renamed: better found out before an hour of loading. Raises BroadsheetError."""
    db.engine().dispose()
    deadline = time.monotonic() + 3
    while users := postgresql.users_of(owner, name):
        if time.monotonic() > deadline:
            raise BroadsheetError(
                f"Something still uses the database ({users} connections): stop every process of Broadsheet, and what else is connected. Nothing was changed."
            )
        time.sleep(0.1)


def _is_used(owner: str) -> bool:
    with psycopg.connect(postgresql.conninfo(owner), connect_timeout=10) as connection:
        row = connection.execute("SELECT to_regclass('newsletters') IS NOT NULL").fetchone()
        if row is None or not row[0]:
            return False
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM newsletters) OR EXISTS (SELECT FROM subscribers) OR EXISTS (SELECT FROM operators)"
        ).fetchone()
        return bool(row and row[0])


def _check_fits(manifest: Manifest) -> None:
    """Whether it can be restored here: keys, kind, versions. Raises BroadsheetError."""
    if manifest.address_key_check and manifest.address_key_check != wiring.key_check(current().address_key).hex():
        raise BroadsheetError(
            "The backup was made with another ADDRESS_KEY: without it nobody who left or was erased is recognised. Put the keys back first "
            "(`broadsheet secrets import`). Nothing was changed."
        )
    if manifest.kind not in (None, current().kind):
        raise BroadsheetError(
            f"The backup is of an installation that sends {'real mail' if manifest.kind == 'real' else 'to the sandbox'}, and this one does not. Nothing was changed."
        )
    if not runner.knows(db.owner_engine(), manifest.migration):
        raise BroadsheetError(
            f"The backup was made by a newer Broadsheet ({manifest.version}). Use that one. Nothing was changed."
        )
    major = postgresql.server_major(current().database_owner_url)
    if manifest.postgresql > major:
        raise BroadsheetError(
            f"The backup was made by PostgreSQL {manifest.postgresql}, and the server here is {major}. Restore it into one that is as new. Nothing was changed."
        )


def _make_ready(found: Unpacked, actor: str) -> tuple[int, int, int]:
    """What must be done before anybody uses the loaded database: this process is on it."""
    role = make_url(current().database_url).username
    try:
        runner.upgrade(
            db.owner_engine(), for_role=None if role == make_url(current().database_owner_url).username else role
        )
    except CommandError as error:
        raise BroadsheetError(f"The backup was made by a newer Broadsheet ({error}). Nothing was changed.") from None
    # Before all else, so that nothing can be sent from it whatever comes next.
    with transaction() as tx:
        held = epochs.mark_restored(tx, f"from the backup of {found.manifest.made_at}")
        audit(tx, actor, "restore", "database", backup_of=found.manifest.made_at, held=held)
    wiring.check_installation()
    read, erased = erasing_again.erase_again(actor=actor)
    return held, read, erased


def _verify(found: Unpacked) -> int:
    """How many things are not as they were written, by the digests in the backup: those in the home may be of later."""
    owner, service = current().database_owner_url, current().database_url
    with using(owner, service, home=found.folder):
        verified = verifying.verify()
    return len(verified.findings) + verified.more_findings


def _take_certificates(found: Unpacked, more: Path | None) -> None:
    """All that there are into the home. Raises BroadsheetError."""
    _keep_present_certificates(found.manifest)
    for folder in filter(None, (found.folder / "erasures", more)):
        _merge_certificates(folder)
    # Before anything is loaded: one that is no certificate of ours must not be found out when half is done.
    list(certificates.read_certificates())


def _keep_present_certificates(manifest: Manifest) -> None:
    """Those that the present database has and this machine no file of: they were made by another machine's web process, say. A
    database that cannot be read, or is another's, has none for us."""
    try:
        with transaction() as tx:
            same = tx.execute("SELECT epoch = :name FROM installation", name=manifest.installation).scalar_one_or_none()
        if same:
            certificates.keep_certificates()
    except DBAPIError as error:
        log.warning("the present database tells nothing of erasures", error=type(error).__name__)


def _merge_certificates(folder: Path) -> None:
    """Those that the home lacks. One of that name that says something else is refused. Raises BroadsheetError."""
    for path in sorted(folder.glob("*.json")):
        write_once(certificates.folder() / path.name, path.read_text(encoding="utf-8"))
