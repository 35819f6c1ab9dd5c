"""Compares, reader by reader, what the database says of an issue with what the sandbox accepted. Reads both, changes
neither; knows none of the product's code, so that a mistake there cannot hide itself here."""

import gzip
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

ERASED = "erased "
"""Before the number of a delivery, in place of an address that nobody here knows any more."""


@dataclass(frozen=True)
class Fate:
    """What the database says of one reader."""

    delivery: str
    excluded: str | None
    failed: str | None
    batch: int | None
    state: str | None
    """Of the batch."""


@dataclass(frozen=True)
class Attempt:
    batch: int
    state: str
    claimed_at: datetime
    armed: bool


@dataclass(frozen=True)
class Copy:
    """One mail that the sandbox accepted."""

    address: str
    request: str
    attempt: str
    delivery: str


@dataclass(frozen=True)
class Books:
    """Both sides of one issue."""

    state: str
    candidates: int
    fates: Mapping[str, Fate]
    attempts: Mapping[str, Attempt]
    copies: Collection[Copy] = field(default_factory=list)


def read(connection: "psycopg.Connection[Any]", sandbox: Path, issue: int) -> Books:
    """Both sides, when nothing of the issue is under way. The database first: what it calls accepted must be there after."""
    ((state, candidates),) = connection.execute(
        "SELECT state, candidates FROM issues WHERE id = %s", [issue]
    ).fetchall()
    fates = {
        address: Fate(*rest)
        for address, *rest in connection.execute(
            """SELECT coalesce(lower(s.address), 'erased ' || d.id), d.id::text, d.excluded, d.failed, b.id, b.state FROM deliveries d
               LEFT JOIN subscribers s ON s.id = d.subscriber_id LEFT JOIN batches b ON b.id = d.batch_id WHERE d.issue_id = %s""",
            [issue],
        )
    }
    attempts = {
        name: Attempt(*rest)
        for name, *rest in connection.execute(
            "SELECT id::text, batch_id, state, claimed_at, armed_at IS NOT NULL FROM attempts WHERE issue_id = %s",
            [issue],
        )
    }
    copies = list(_copies(sandbox, issue))
    for copy in copies:
        # Of somebody who was erased since, only the sandbox knows the address.
        if (fate := fates.pop(f"{ERASED}{copy.delivery}", None)) is not None:
            fates[copy.address] = fate
    return Books(state, int(candidates or 0), fates, attempts, copies)


def _copies(sandbox: Path, issue: int) -> Iterator[Copy]:
    file = sqlite3.connect(f"file:{sandbox / 'sandbox.sqlite3'}?mode=ro", uri=True, timeout=60)
    try:
        for request, packed in file.execute(
            "SELECT r.id, b.gzipped FROM request r JOIN body b ON b.request = r.seq ORDER BY r.seq"
        ):
            body = json.loads(gzip.decompress(packed))
            if f"i-{issue}" not in body["categories"]:
                continue
            attempt = body["custom_args"]["bs_attempt"]
            for entry in body["personalizations"]:
                yield Copy(entry["to"][0]["email"].lower(), request, attempt, entry["custom_args"]["bs_delivery"])
    finally:
        file.close()


def faults(books: Books, meant: Collection[str], left: Mapping[str, datetime] | None = None) -> list[str]:
    """Every broken promise, each beginning with its invariant. `meant`: the addresses with a subscription at the freeze;
    `left`: when, by the database's clock, somebody had the answer that he or she had left."""
    return [
        *_twice(books),
        *_missing(books, meant),
        *_after_leaving(books, left or {}),
        *_contradicted(books),
        *_posted_again(books),
    ]


def _twice(books: Books) -> Iterator[str]:
    for address, number in Counter(copy.address for copy in books.copies).items():
        if number > 1:
            yield f"I1: {address} got {number} copies"


def _missing(books: Books, meant: Collection[str]) -> Iterator[str]:
    if books.candidates != len(books.fates):
        yield f"I2: {books.candidates} candidates, {len(books.fates)} deliveries"
    for address in set(meant) - books.fates.keys():
        yield f"I2: {address} was meant and has no delivery"
    for address in books.fates.keys() - set(meant):
        yield f"I2: {address} has a delivery and was not meant"
    for address, fate in books.fates.items():
        settled = fate.excluded or fate.failed
        if settled is None and fate.batch is None:
            yield f"I2: {address} is in no batch, and nothing says why"
        if books.state == "sent" and settled is None and fate.state != "accepted":
            yield f"I2: the issue is sent, and {address} is {fate.state}"


def _after_leaving(books: Books, left: Mapping[str, datetime]) -> Iterator[str]:
    for copy in books.copies:
        attempt = books.attempts.get(copy.attempt)
        if attempt and copy.address in left and left[copy.address] < attempt.claimed_at:
            yield f"I3: {copy.address} had left before the copy was claimed"


def _contradicted(books: Books) -> Iterator[str]:
    there = {copy.address for copy in books.copies}
    for address, fate in books.fates.items():
        settled = fate.excluded or fate.failed
        if address not in there and settled is None and fate.state == "accepted":
            yield f"I4: {address} is accepted and has no copy"
        if address in there and settled is not None:
            yield f"I4: {address} has a copy and is recorded as {settled}"
        if address in there and settled is None and fate.state not in ("accepted", "unknown"):
            yield f"I4: {address} has a copy and is {fate.state}"
    for copy in books.copies:
        owner, attempt = books.fates.get(copy.address), books.attempts.get(copy.attempt)
        if owner is None or owner.delivery != copy.delivery:
            yield f"I4: {copy.address} got the copy of another delivery"
        elif attempt is None or not attempt.armed or attempt.batch != owner.batch:
            yield f"I4: {copy.address} has a copy by an attempt that was not armed for it"


def _posted_again(books: Books) -> Iterator[str]:
    requests: dict[str, set[str]] = defaultdict(set)
    for copy in books.copies:
        requests[copy.attempt].add(copy.request)
    for attempt, several in requests.items():
        if len(several) > 1:
            yield f"I5: attempt {attempt} is in {len(several)} requests"
