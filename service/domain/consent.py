"""What a consent act is, and the rule by which a reader's acts are chained: each hash covers the act and the hash before it.
Computed here from the columns alone, so that the database need not be believed."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

VERSION = "1"
"""Of the rule by which a record is hashed."""


@dataclass(frozen=True)
class Act:
    """One act as a person reads it. `details` and `origin` (network, browser's family) are None once they were erased, and
    empty when there never were any. `former`: it was recorded under an address that the reader has changed since."""

    record_id: int
    email_key: bytes
    number: int
    newsletter_id: int | None
    newsletter: str | None
    newsletter_name: str | None
    purpose: str
    action: str
    at: datetime
    method: str
    wording: str | None
    wording_sha256: bytes | None
    file_name: str | None
    file_sha256: bytes | None
    details: dict[str, Any] | None
    origin: dict[str, Any] | None
    hash: bytes
    former: bool = False


@dataclass(frozen=True)
class Part:
    """Details of an act as they are kept: the salt makes their hash say nothing about them."""

    salt: bytes
    details: str


@dataclass(frozen=True)
class Record:
    """One act as it is stored. `microseconds` since 1970, None for a moment that is none; `wording_is_known`: the words of
    that hash are there; `details` is what stands in the row itself, where nothing should."""

    record_id: int
    email_key: bytes
    number: int
    newsletter_id: int | None
    purpose: str
    action: str
    microseconds: int | None
    method: str
    wording_sha256: bytes | None
    import_id: int | None
    act_hash: bytes | None
    origin_hash: bytes | None
    previous: bytes | None
    hash: bytes
    details: str = "{}"
    wording_is_known: bool = True
    act: Part | None = None
    origin: Part | None = None


@dataclass(frozen=True)
class Finding:
    """Something that the rule does not allow, and the record that shows it."""

    record_id: int | None
    what: str


def _hex(value: bytes | None) -> str:
    return "" if value is None else value.hex()


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


def hash_of(record: Record) -> bytes:
    """The hash that the record should have. No value may hold the separator: the database checks the three that are words."""
    values = (
        VERSION,
        record.email_key.hex(),
        str(record.number),
        _text(record.newsletter_id),
        record.purpose,
        record.action,
        _text(record.microseconds),
        record.method,
        _hex(record.wording_sha256),
        _text(record.import_id),
        _hex(record.act_hash),
        _hex(record.origin_hash),
        _hex(record.previous),
    )
    return hashlib.sha256("|".join(values).encode()).digest()


def hash_of_part(part: Part) -> bytes:
    """The salted hash by which a record vouches for its details."""
    return hashlib.sha256(part.salt + part.details.encode()).digest()


def check_chain(records: Iterable[Record]) -> Iterator[Finding]:
    """What is wrong with records that come reader by reader, in the order of their numbers. Keeps one record in mind.

    Details that are gone are no fault: they were erased, and the chain holds without them.
    """
    before: Record | None = None
    for record in records:
        if before is None or before.email_key != record.email_key:
            before = None
        yield from _check_place(record, before)
        yield from _check_content(record)
        before = record


def _check_place(record: Record, before: Record | None) -> Iterator[Finding]:
    expected, previous = (1, None) if before is None else (before.number + 1, before.hash)
    if record.number != expected:
        yield Finding(record.record_id, f"is act {record.number} of its reader where act {expected} should come")
    if record.previous != previous:
        yield Finding(record.record_id, "does not follow from the act before it")


def _check_content(record: Record) -> Iterator[Finding]:
    if hash_of(record) != record.hash:
        yield Finding(record.record_id, "was changed: its hash does not match it")
    if record.details != "{}":
        yield Finding(record.record_id, "has details in the row itself, which no hash covers")
    if not record.wording_is_known:
        yield Finding(record.record_id, "refers to a wording that is not there")
    for name, part, expected in (
        ("details", record.act, record.act_hash),
        ("origin", record.origin, record.origin_hash),
    ):
        if part is not None and hash_of_part(part) != expected:
            yield Finding(record.record_id, f"has {name} that its hash does not match")


def erased_parts(record: Record) -> int:
    """How many of the record's two parts were erased."""
    return sum(
        part is None and expected is not None
        for part, expected in ((record.act, record.act_hash), (record.origin, record.origin_hash))
    )


def facts(details: str | None, expected: bytes | None) -> dict[str, Any] | None:
    """A part's details for reading: empty when there never were any, None when they were erased. What somebody has made
    unreadable is shown as it stands: the proof, which then says so, must not fail by it."""
    if details is None:
        return {} if expected is None else None
    try:
        found = json.loads(details)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"unreadable": details}


class Sum:
    """What a digest, or the note of a removal, says of records: how many, and one hash over their ids and hashes in the order
    of the ids."""

    def __init__(self) -> None:
        self.records = 0
        self._hash = hashlib.sha256()

    def add(self, record_id: int, record_hash: bytes) -> None:
        self.records += 1
        self._hash.update(record_id.to_bytes(8, "big", signed=True) + record_hash)

    def hex(self) -> str:
        return self._hash.hexdigest()
