"""Keeps the certificate of every erasure as a file outside the database, too: a restored backup does not know of those made
after it. They name nobody."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import structlog

from service import seals
from service.db import transaction
from service.errors import BroadsheetError, Invalid
from service.operations.outside import write_once
from service.settings import current

log = structlog.get_logger(__name__)


def folder() -> Path:
    """Where certificates are kept outside the database: copy this folder to where a lost disk does not take it along."""
    return current().home / "erasures"


def keep_certificates(number: int | None = None) -> None:
    """Write the file of each certificate that has none, or of this one. By moment and keyed hash: after a restore, numbers come
    again."""
    with transaction() as tx:
        rows = tx.execute(
            "SELECT email_key, at, certificate, signature FROM erasures WHERE CAST(:number AS bigint) IS NULL OR id = :number ORDER BY id",
            number=number,
        ).all()
    for row in rows:
        path = folder() / f"{row.at.timestamp():017.6f}-{bytes(row.email_key).hex()}.json"
        if not path.exists():
            kept = {"text": row.certificate, "signature": base64.b64encode(bytes(row.signature)).decode()}
            write_once(path, json.dumps(kept, indent=1) + "\n")


def keep_at_once(number: int) -> None:
    """The same right after an erasure: a database that is lost within the hour must not lose it, too. Where the file cannot be
    written, the erasure stands, and the next digest tries again."""
    try:
        keep_certificates(number)
    except (OSError, BroadsheetError) as error:
        log.warning("certificate not written yet", number=number, error=type(error).__name__)


def read_certificates() -> Iterator[tuple[list[bytes], datetime]]:
    """The keyed hashes that each file names, and when they were erased. Raises Invalid for a file that is no certificate of ours."""
    for path in sorted(folder().glob("*.json")):
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            text, signature = kept["text"], base64.b64decode(kept["signature"])
        except (ValueError, KeyError, TypeError):
            raise Invalid(f"{path} is no certificate of an erasure.") from None
        if not seals.check(text.encode(), signature):
            raise Invalid(f"{path} was changed, or not made here: the signature does not match.")
        body = json.loads(text)
        names = [body["keyed_hash"], *body.get("keyed_hashes_of_former_addresses", [])]
        yield [bytes.fromhex(name) for name in names], datetime.fromisoformat(body["at"])
