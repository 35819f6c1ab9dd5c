"""Checks the evidence of consent from end to end: chains, details, wordings, digests, their files, notes of removals,
certificates, and that whoever is written to has agreed. Believes no hash of the database's; changes nothing."""

import base64
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from service import seals
from service.db import Transaction, transaction
from service.domain.consent import Finding, Part, Record, Sum, check_chain, erased_parts
from service.operations import digesting
from service.operations.digesting import Digest, moment, read_sealed, stream
from service.operations.limits import CONFIRM_WITHIN

MOST_FINDINGS = 1000
"""Named one by one; the others are counted."""
SLACK = timedelta(hours=1)
"""For a clock that was set, and for records that are being written while a digest is made."""

# A moment that is none must be a finding, not an error of the driver. Everything is read by the one index that has this order.
_RECORDS = """
    SELECT r.id, r.email_key, r.number, r.newsletter_id, r.purpose, r.action,
        CASE WHEN isfinite(r.at) THEN (extract(epoch FROM r.at) * 1000000)::bigint END AS microseconds,
        r.method, r.wording_sha256, r.import_id, r.act_hash, r.origin_hash, r.previous, r.hash, r.details::text AS details,
        a.salt AS act_salt, a.details AS act, o.salt AS origin_salt, o.details AS origin
    FROM consent_records r
    LEFT JOIN consent_details a ON a.record_id = r.id AND a.part = 'act'
    LEFT JOIN consent_details o ON o.record_id = r.id AND o.part = 'origin'
    {only}
    ORDER BY r.email_key, r.number
"""
_OF_READER = "WHERE r.email_key = ANY(CAST(:keys AS bytea[]))"
_AND_OF_READER = "AND r.email_key = ANY(CAST(:keys AS bytea[]))"
_COVERING = """
    SELECT number, through_id, body, signature, created_at FROM consent_digests d
    WHERE EXISTS (SELECT FROM unnest(CAST(:ids AS bigint[])) AS i WHERE i <= d.through_id
        AND i > coalesce((SELECT max(through_id) FROM consent_digests e WHERE e.number < d.number), 0))
    ORDER BY number
"""
# A record lies between two digests: it was written after the first and before the second was made, whatever it says itself.
# Only a sign-up is recorded later than it was sent, when it is confirmed.
_MOMENTS = """
    WITH stretches AS (
        SELECT lag(through_id, 1, CAST(0 AS bigint)) OVER (ORDER BY number) AS after, through_id AS through,
            lag(created_at) OVER (ORDER BY number) AS since, created_at AS made_at FROM consent_digests
        UNION ALL (SELECT through_id, 9223372036854775807, created_at, clock_timestamp() FROM consent_digests ORDER BY number DESC LIMIT 1)
    )
    SELECT r.id FROM stretches d JOIN consent_records r ON r.id > d.after AND r.id <= d.through {only}
    WHERE r.at > d.made_at + :slack OR r.at < d.since - :slack - CASE r.action WHEN 'confirmed' THEN interval '0' ELSE :within END
    ORDER BY r.id
"""
_ORPHANS = "SELECT d.record_id, d.part FROM consent_details d WHERE NOT EXISTS (SELECT FROM consent_records r WHERE r.id = d.record_id)"
_DIGESTS = "SELECT number, through_id, body, signature, created_at FROM consent_digests ORDER BY number"
_REMOVED = """
    SELECT t.id AS tombstone, t.body, t.signature, x.id, x.hash, EXISTS (SELECT FROM consent_records r WHERE r.id = x.id) AS still_there
    FROM consent_tombstones t LEFT JOIN removed_consent_records x ON x.tombstone_id = t.id ORDER BY t.id, x.id
"""
# The last act of (reader, newsletter, purpose) decides what is in force; one index look-up for each answer that is a yes.
_UNFOUNDED = """
    SELECT n.id, p.purpose FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
    CROSS JOIN LATERAL (VALUES
        ('newsletter', n.state = 'active'), ('tracking', n.tracking = 'agreed'), ('export', n.export_consent = 'agreed')
    ) p (purpose, is_yes)
    WHERE p.is_yes AND coalesce((
        SELECT r.action FROM consent_records r
        WHERE r.email_key = s.email_key AND r.newsletter_id = n.newsletter_id AND r.purpose = p.purpose ORDER BY r.number DESC LIMIT 1
    ), 'withdrawn') = 'withdrawn' ORDER BY n.id
"""


@dataclass
class Verification:
    """What was looked at and what was found. `notes` are worth knowing and no fault."""

    readers: int = 0
    acts: int = 0
    erased_details: int = 0
    removed: int = 0
    removals: int = 0
    digests: int = 0
    covered: int = 0
    certificates: int = 0
    findings: list[Finding] = field(default_factory=list)
    more_findings: int = 0
    notes: list[str] = field(default_factory=list)

    def take(self, findings: Iterator[Finding]) -> None:
        for finding in findings:
            if len(self.findings) < MOST_FINDINGS:
                self.findings.append(finding)
            else:
                self.more_findings += 1


def verify() -> Verification:
    """Look at everything. Memory stays the same however many records there are, but for their wordings."""
    found = Verification()
    with transaction() as tx:
        # Everything is seen at one moment: records go on being written meanwhile.
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # Where statistics take a table for empty that is not any more, the planner would look through all of its rows for each
        # record (seen: no end in ten minutes for 100,000 records). Joined by hashes or in order, it is read once.
        tx.execute("SET LOCAL enable_nestloop = off")
        wordings = {
            bytes(row.sha256): row.wording for row in tx.execute("SELECT sha256, wording FROM consent_wordings")
        }
        found.take(_check_wordings(wordings))
        found.take(check_chain(_counted(_records(tx, set(wordings), only=""), found)))
        found.take(Finding(row.record_id, f"has no record, but details ({row.part})") for row in stream(tx, _ORPHANS))
        found.take(_check_digests(tx, found))
        found.take(_check_moments(tx, only=""))
        found.take(_check_removals(tx, found))
        found.take(_check_certificates(tx, found))
        found.take(
            Finding(None, f"subscription {row.id}: nothing that was recorded is a consent in force ({row.purpose})")
            for row in stream(tx, _UNFOUNDED)
        )
    return found


def _check_wordings(wordings: dict[bytes, str]) -> Iterator[Finding]:
    for expected, wording in wordings.items():
        if hashlib.sha256(wording.encode()).digest() != expected:
            yield Finding(None, f"wording {expected.hex()[:16]}: was changed: its hash does not match it")


def check_reader(tx: Transaction, keys: list[bytes]) -> list[Finding]:
    """As verify, for the chains of these keys and their wordings alone."""
    wordings = {bytes(row.sha256): row.wording for row in tx.execute("SELECT sha256, wording FROM consent_wordings")}
    return [
        *_check_wordings(wordings),
        *check_chain(_records(tx, set(wordings), only=_OF_READER, keys=keys)),
        *_check_moments(tx, only=_AND_OF_READER, keys=keys),
    ]


def _check_moments(tx: Transaction, *, only: str, **parameters: Any) -> Iterator[Finding]:
    for row in stream(tx, _MOMENTS.format(only=only), slack=SLACK, within=CONFIRM_WITHIN, **parameters):
        yield Finding(row.id, "was not written when it says: the digests before and after it were made at other times")


def covering(tx: Transaction, ids: list[int]) -> list[tuple[Digest, list[Finding]]]:
    """The digests that these records are part of, each with what is wrong with it."""
    return [
        (digest, [*_check_seal_and_stretch(tx, digest)])
        for digest in [
            Digest(row.number, row.through_id, row.body, bytes(row.signature)) for row in tx.execute(_COVERING, ids=ids)
        ]
    ]


def _check_seal_and_stretch(tx: Transaction, digest: Digest) -> Iterator[Finding]:
    name, body = f"digest {digest.number}", digest.body
    yield from _check_sealed(name, "digest", digest.text, digest.signature)
    yield from _check_stretch(tx, name, int(body.get("after_id") or 0), digest.through_id, body)


def _records(tx: Transaction, wordings: set[bytes], *, only: str, **parameters: Any) -> Iterator[Record]:
    for row in stream(tx, _RECORDS.format(only=only), **parameters):
        wording = _bytes(row.wording_sha256)
        yield Record(
            record_id=row.id,
            email_key=bytes(row.email_key),
            number=row.number,
            newsletter_id=row.newsletter_id,
            purpose=row.purpose,
            action=row.action,
            microseconds=row.microseconds,
            method=row.method,
            wording_sha256=wording,
            import_id=row.import_id,
            act_hash=_bytes(row.act_hash),
            origin_hash=_bytes(row.origin_hash),
            previous=_bytes(row.previous),
            hash=bytes(row.hash),
            details=row.details,
            wording_is_known=wording is None or wording in wordings,
            act=None if row.act is None else Part(bytes(row.act_salt), row.act),
            origin=None if row.origin is None else Part(bytes(row.origin_salt), row.origin),
        )


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


def _counted(records: Iterator[Record], found: Verification) -> Iterator[Record]:
    reader = None
    for record in records:
        found.acts += 1
        found.readers += record.email_key != reader
        found.erased_details += erased_parts(record)
        reader = record.email_key
        yield record


def _check_digests(tx: Transaction, found: Verification) -> Iterator[Finding]:
    before: Digest | None = None
    for row in tx.execute(_DIGESTS).all():
        digest = Digest(row.number, row.through_id, row.body, bytes(row.signature))
        found.digests += 1
        found.covered = digest.through_id
        name = f"digest {digest.number}"
        yield from _check_sealed(name, "digest", digest.text, digest.signature)
        body = digest.body
        after = before.through_id if before else 0
        expected = {
            "number": before.number + 1 if before else 1,
            "after_id": after,
            "through_id": digest.through_id,
            "previous": digesting.hash_of_text(before.text) if before else None,
            "made_at": moment(row.created_at),
        }
        for key, value in expected.items():
            if body.get(key) != value:
                yield Finding(
                    None,
                    f"{name}: its {key.replace('_', ' ')} is not what it should be: a digest was changed or removed",
                )
        if digest.number != expected["number"]:
            yield Finding(None, f"{name}: comes where digest {expected['number']} should")
        yield from _check_stretch(tx, name, after, digest.through_id, body)
        yield from _check_file(digest, found)
        before = digest
    last = before.number if before else 0
    for number in digesting.files():
        if number > last:
            yield Finding(None, f"digest {number}: there is a file of it, but the database has lost it")


def _check_stretch(tx: Transaction, name: str, after: int, through: int, body: dict[str, Any]) -> Iterator[Finding]:
    total = Sum()
    for row in stream(tx, digesting.STRETCH, after=after, through=through):
        total.add(row.id, bytes(row.hash))
    if (total.records, total.hex()) != (body.get("records"), body.get("sha256")):
        yield Finding(
            None,
            f"{name}: records {after + 1} to {through} are not those it summed up: {body.get('records')} then, {total.records} now",
        )


def _check_file(digest: Digest, found: Verification) -> Iterator[Finding]:
    try:
        kept = read_sealed(digest.file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found.notes.append(f"digest {digest.number}: its file is not in {digesting.folder()}")
        return
    except (OSError, UnicodeDecodeError) as error:
        found.notes.append(f"digest {digest.number}: its file cannot be read ({type(error).__name__})")
        return
    signature = base64.b64encode(digest.signature).decode()
    if kept.get("body") != digest.text or kept.get("signature") != signature:
        yield Finding(None, f"digest {digest.number}: its file says something else than the database")


def _check_removals(tx: Transaction, found: Verification) -> Iterator[Finding]:
    for _, group in itertools.groupby(stream(tx, _REMOVED), key=lambda row: row.tombstone):
        first = next(group)
        name, total = f"removal {first.tombstone}", Sum()
        found.removals += 1
        yield from _check_sealed(name, "removal", first.body, bytes(first.signature))
        for row in itertools.chain([first], group):
            if row.id is None:
                continue
            total.add(row.id, bytes(row.hash))
            if row.still_there:
                yield Finding(row.id, "is there, though a note says that it was removed")
        found.removed += total.records
        body = read_sealed(first.body)
        if (total.records, total.hex()) != (body.get("records"), body.get("sha256")):
            yield Finding(None, f"{name}: the records it removed are not those it names")


def _check_certificates(tx: Transaction, found: Verification) -> Iterator[Finding]:
    for row in stream(tx, "SELECT id, email_key, at, certificate, signature FROM erasures ORDER BY id"):
        found.certificates += 1
        name = f"erasure {row.id}"
        yield from _check_sealed(name, "erasure", row.certificate, bytes(row.signature))
        body = read_sealed(row.certificate)
        if (body.get("keyed_hash"), body.get("at")) != (bytes(row.email_key).hex(), moment(row.at)):
            yield Finding(None, f"{name}: is not what its certificate says")


def _check_sealed(name: str, kind: str, text: str, signature: bytes) -> Iterator[Finding]:
    if not seals.check(text.encode(), signature):
        yield Finding(None, f"{name}: was changed, or not made here: the signature does not match")
    elif read_sealed(text).get("kind") != kind:
        yield Finding(None, f"{name}: what was sealed is no {kind}")
