"""Sums up the consent records in sealed digests, each chained to the one before, and keeps every digest as a file outside the
database, too. Makes no writer wait; sums up nothing that is not settled."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import text as sql

from service import seals
from service.db import Transaction, transaction
from service.domain.consent import Sum
from service.errors import BroadsheetError
from service.operations.certificates import keep_certificates
from service.operations.duties import duty
from service.operations.outside import write_once
from service.settings import current

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=1)
PATIENCE = timedelta(seconds=10)
"""How long a digest waits for transactions that are writing records. Not long: its worker has other duties. It tries again at
the next beat."""
PAUSE = 0.2

# Read after the horizon was chosen. Whoever has taken a number at or below it holds this lock since before, and until after
# the commit has become visible. Transaction ids would not do: an insert that waits for its reader's row has a number
# already, and no transaction id yet. `virtualtransaction` names a transaction for as long as it runs.
WRITING = """
    SELECT virtualtransaction FROM pg_locks
    WHERE relation = 'consent_records'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND mode = 'RowExclusiveLock' AND granted
"""
# What was removed when its period ended still counts, so that a digest made before stays true.
STRETCH = """
    SELECT id, hash FROM consent_records WHERE id > :after AND id <= :through
    UNION ALL SELECT id, hash FROM removed_consent_records WHERE id > :after AND id <= :through
    ORDER BY id
"""


@dataclass(frozen=True)
class Digest:
    """A digest as stored; `text` is what was sealed."""

    number: int
    through_id: int
    text: str
    signature: bytes

    @property
    def body(self) -> dict[str, Any]:
        return read_sealed(self.text)

    @property
    def file(self) -> Path:
        return folder() / f"{self.number:08d}.json"

    @property
    def content(self) -> str:
        """What stands in the file."""
        kept = {
            "body": self.text,
            "signature": base64.b64encode(self.signature).decode(),
            "public_key": seals.public_key(),
        }
        return json.dumps(kept, indent=1) + "\n"


def folder() -> Path:
    """Where digests are kept outside the database: copy this folder to where an intruder here cannot reach it."""
    return current().home / "digests"


def staged() -> Path:
    """Where the digests of a backup wait while it is restored."""
    return folder() / ".restoring"


def stream(tx: Transaction, statement: str, **parameters: Any) -> Iterator[Any]:
    """The rows of a statement as they come, from a cursor on the server: memory stays the same for a million."""
    from_server = {"stream_results": True, "yield_per": 5000}
    return iter(tx.connection.execute(sql(statement), parameters, execution_options=from_server))


def moment(at: datetime) -> str:
    """A moment as it stands in what is sealed, whatever time zone the database speaks in."""
    return at.astimezone(UTC).isoformat()


def make_digest(*, not_within: timedelta = EVERY) -> None:
    """Sum up what was recorded since the last digest, if anything was, and unless that digest is as young as `not_within`. Files
    that a crash left unwritten are written first, those of erasures too."""
    duty("make digest", lambda: _make_digest(not_within))


def _make_digest(not_within: timedelta) -> None:
    with transaction() as tx:
        last = latest(tx)
        is_young = tx.execute(
            "SELECT EXISTS (SELECT FROM consent_digests WHERE created_at > clock_timestamp() - CAST(:age AS interval))",
            age=not_within,
        ).scalar_one()
        through = tx.execute("SELECT coalesce(max(id), 0) FROM consent_records").scalar_one()
    keep_certificates()
    _write_missing_files(last)
    if is_young or through <= (last.through_id if last else 0):
        return
    if not _is_settled():
        log.warning("no digest yet: records are being written", through=through)
        return
    with transaction() as tx:
        digest = _sum_up(tx, last, through)
    if digest is not None:
        write_once(digest.file, digest.content)
        log.info("digest made", number=digest.number, through=digest.through_id)


def latest(tx: Transaction) -> Digest | None:
    """The newest digest."""
    row = tx.execute(
        "SELECT number, through_id, body, signature FROM consent_digests ORDER BY number DESC LIMIT 1"
    ).one_or_none()
    return None if row is None else Digest(row.number, row.through_id, row.body, bytes(row.signature))


def _is_settled() -> bool:
    """Wait until every transaction is over that was writing records when this began. False when one takes too long."""
    deadline = time.monotonic() + PATIENCE.total_seconds()
    waiting = _writing()
    while waiting:
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
        waiting &= _writing()
    return True


def _writing() -> set[str]:
    with transaction() as tx:
        return set(tx.execute(WRITING).scalars())


def _sum_up(tx: Transaction, last: Digest | None, through: int) -> Digest | None:
    """Store the digest of the stretch after the last one. None when somebody else has just done so."""
    after = last.through_id if last else 0
    total = Sum()
    for row in stream(tx, STRETCH, after=after, through=through):
        total.add(row.id, bytes(row.hash))
    at: datetime = tx.execute("SELECT clock_timestamp()").scalar_one()
    number = last.number + 1 if last else 1
    text = json.dumps(
        {
            "format": 1,
            "kind": "digest",
            "number": number,
            "made_at": moment(at),
            "after_id": after,
            "through_id": through,
            "records": total.records,
            "sha256": total.hex(),
            "previous": hash_of_text(last.text) if last else None,
        }
    )
    signature = seals.seal(text.encode())
    stored = tx.execute(
        """INSERT INTO consent_digests (number, through_id, body, signature, created_at)
           VALUES (:number, :through, :body, :signature, :at) ON CONFLICT DO NOTHING""",
        number=number,
        through=through,
        body=text,
        signature=signature,
        at=at,
    )
    return Digest(number, through, text, signature) if stored.rowcount else None


def read_sealed(text: str) -> dict[str, Any]:
    """What was sealed; nothing, where it is no longer what it was."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def hash_of_text(text: str) -> str:
    """By which a digest names the one before it."""
    return hashlib.sha256(text.encode()).hexdigest()


def _write_missing_files(last: Digest | None) -> None:
    """After a crash between the commit and the file. Raises BroadsheetError when files know of digests that the table lost."""
    if staged().exists():
        raise BroadsheetError(
            "A restore was broken off before its digests had their place. Stop every process of Broadsheet and run `broadsheet restore --finish`; then digests go on."
        )
    ahead = [number for number in files() if number > (last.number if last else 0)]
    if ahead:
        raise BroadsheetError(
            f"{folder()} has digest {max(ahead)}, and the database has none of that number: records may be missing. If a backup was "
            "restored, move the newer files elsewhere and keep them; then digests go on. Otherwise run `broadsheet consent verify`."
        )
    if last is not None and not last.file.exists():
        write_once(last.file, last.content)


def files() -> list[int]:
    """The numbers of the digests that are kept as files."""
    return sorted(int(path.stem) for path in folder().glob("[0-9]*.json") if path.stem.isdigit())
