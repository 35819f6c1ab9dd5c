"""Keeps each accepted request once and knows who got what: written before the 202 goes out, never changed afterwards."""

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import orjson

from service.sandbox.database import Database

ISSUE_PREFIX = "i-"
_ROW = (
    "SELECT recipient.id, recipient.address, recipient.position, request.seq, request.id, request.at "
    "FROM recipient JOIN request ON request.seq = recipient.request"
)


@dataclass(frozen=True)
class Copy:
    """One mail to one recipient: where it lies, and in which request."""

    number: int
    address: str
    position: int
    request: int
    request_id: str
    at: float


@dataclass(frozen=True)
class Stats:
    requests: int
    recipients: int
    duplicates: int
    duplicates_any: int


def recipients(body: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Index of the personalization and address as written, for everyone in to, cc and bcc."""
    for position, entry in enumerate(body["personalizations"]):
        for kind in ("to", "cc", "bcc"):
            for person in entry.get(kind) or ():
                yield position, person["email"]


def issue_of(body: dict[str, Any]) -> str | None:
    return next((one for one in body.get("categories") or () if one.startswith(ISSUE_PREFIX)), None)


class _Fingerprints:
    """Digests of subject and body before substitution, markers blanked: equal for copies of one mail, whoever reads it.

    Markers look random and differ between requests; the set of markers is usually one per request, so one digest serves
    all its recipients.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self._subject = str(body.get("subject", ""))
        self._parts = [str(block["value"]) for block in body.get("content") or ()]
        self._known: dict[tuple[str, ...], bytes] = {}

    def of(self, entry: dict[str, Any]) -> bytes:
        subject = entry.get("subject", self._subject)
        key = (subject, *(entry.get("substitutions") or ()))
        if key not in self._known:
            text = "\0".join([subject, *self._parts])
            for marker in sorted(key[1:], key=len, reverse=True):
                text = text.replace(marker, "\1") if marker else text
            self._known[key] = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        return self._known[key]


class Store:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._recent_lock = Lock()

    def accept(self, request_id: str, raw: bytes, body: dict[str, Any], *, now: float, behaviour: str | None) -> None:
        """Writes the request and one row per recipient in one transaction; when this returns it survives `kill -9`."""
        prints, entries, issue = _Fingerprints(body), body["personalizations"], issue_of(body)
        digests = [prints.of(entry).hex() for entry in entries]
        # One statement for all recipients: a thousand single inserts hand the interpreter's lock back and forth.
        rows = orjson.dumps([(position, email.lower(), digests[position]) for position, email in recipients(body)])
        count = sum(1 for _ in recipients(body))
        packed = gzip.compress(raw, 1)
        subject = str(body.get("subject") or entries[0].get("subject") or "")
        due = max(now, float(body.get("send_at") or 0))
        with self._database.writing() as tx:
            inserted = tx.execute(
                "INSERT INTO request (id, at, due, subject, recipients, behaviour) VALUES (?, ?, ?, ?, ?, ?)",
                (request_id, now, due, subject, count, behaviour),
            )
            seq = inserted.lastrowid
            tx.execute("INSERT INTO body (request, gzipped) VALUES (?, ?)", (seq, packed))
            tx.execute(
                "INSERT INTO recipient (request, position, address, issue, fingerprint) "
                "SELECT ?, value ->> 0, value ->> 1, ?, value ->> 2 FROM json_each(?) ORDER BY key",
                (seq, issue, rows.decode()),
            )

    def body(self, request: int) -> dict[str, Any]:
        """The request as it was sent. The last few stay decoded: a page of mails often comes from one request."""
        with self._recent_lock:
            if request in self._recent:
                self._recent.move_to_end(request)
                return self._recent[request]
        with self._database.reading() as connection:
            row = connection.execute("SELECT gzipped FROM body WHERE request = ?", (request,)).fetchone()
        if row is None:
            raise KeyError(request)
        body: dict[str, Any] = orjson.loads(gzip.decompress(row[0]))
        with self._recent_lock:
            self._recent[request] = body
            while len(self._recent) > 4:
                self._recent.popitem(last=False)
        return body

    def copies(self, *, address: str = "", limit: int = 50, offset: int = 0) -> list[Copy]:
        """Newest first; of one address if one is given."""
        chosen, values = ("WHERE recipient.address = ?", [address.lower()]) if address else ("", [])
        query = f"{_ROW} {chosen} ORDER BY recipient.id DESC LIMIT ? OFFSET ?"
        with self._database.reading() as connection:
            return [Copy(*row) for row in connection.execute(query, (*values, limit, offset))]

    def copy(self, number: int) -> Copy | None:
        with self._database.reading() as connection:
            row = connection.execute(f"{_ROW} WHERE recipient.id = ?", (number,)).fetchone()
        return Copy(*row) if row else None

    def count(self, *, address: str = "") -> int:
        query = "SELECT count(*) FROM recipient" + (" WHERE address = ?" if address else "")
        with self._database.reading() as connection:
            return int(connection.execute(query, (address.lower(),) if address else ()).fetchone()[0])

    def stats(self) -> Stats:
        # Grouped by address alone the query follows the index; the distinct counts inside a group are tiny.
        query = """
            SELECT coalesce(sum(copies), 0), coalesce(sum(of_issue - issues), 0), coalesce(sum(copies - mails), 0)
            FROM (SELECT count(*) AS copies, count(issue) AS of_issue, count(DISTINCT issue) AS issues,
                         count(DISTINCT fingerprint) AS mails
                  FROM recipient GROUP BY address)"""
        with self._database.reading() as connection:
            requests = connection.execute("SELECT count(*) FROM request").fetchone()[0]
            copies, duplicates, duplicates_any = connection.execute(query).fetchone()
        return Stats(requests, copies, duplicates, duplicates_any)

    def empty(self) -> None:
        self._database.empty()
        with self._recent_lock:
            self._recent.clear()
