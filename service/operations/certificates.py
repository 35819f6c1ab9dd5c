"""Keeps the certificate of every erasure as a file outside the database, too: a restored backup does not know of those made
after it. They name nobody."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from service import seals
from service.db import transaction
from service.errors import Invalid
from service.operations.outside import write_once
from service.settings import current


def folder() -> Path:
    """Where certificates are kept outside the database: copy this folder to where a lost disk does not take it along."""
    return current().home / "erasures"


def keep_certificates() -> None:
    """Write the file of each certificate that has none. By moment and keyed hash: after a restore, numbers come again."""
    with transaction() as tx:
        rows = tx.execute("SELECT email_key, at, certificate, signature FROM erasures ORDER BY id").all()
    for row in rows:
        path = folder() / f"{row.at.timestamp():017.6f}-{bytes(row.email_key).hex()}.json"
        if not path.exists():
            kept = {"text": row.certificate, "signature": base64.b64encode(bytes(row.signature)).decode()}
            write_once(path, json.dumps(kept, indent=1) + "\n")


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
