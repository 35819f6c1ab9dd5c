"""How many readers agreed to which words: counted from the consent records, and kept, so that a page need not read a million of them.
A count is always one of the records themselves; what is kept covers every record up to a number, and says when it was counted."""

import json
import time
from datetime import datetime
from typing import NamedTuple

from service.db import Transaction, transaction
from service.operations import moving
from service.operations.digesting import WRITING

QUICK_MS = 200
"""Whoever is counted faster is counted at every turn that finds new records; the others rest for an hour."""
_ROUND = 5.0
"""Seconds after which a round gives way to other duties; a count that has begun is brought to its end."""

# Whoever moved to another address has agreed at the former one already.
_AGREEING = "action <> 'withdrawn' AND wording_sha256 IS NOT NULL AND method <> :moved"
# One hash aggregate over the acts; a count of distinct readers would sort them all.
_NOW = f"""
    SELECT a.purpose, w.wording, encode(w.sha256, 'hex') AS sha256, count(*) AS readers, min(a.since) AS since, max(a.until) AS until,
        bool_and(a.by_import) AS by_import
    FROM (
        SELECT purpose, wording_sha256, email_key, min(at) AS since, max(at) AS until, bool_and(method = 'import') AS by_import
        FROM consent_records WHERE newsletter_id = :id AND {_AGREEING} GROUP BY 1, 2, 3
    ) a JOIN consent_wordings w ON w.sha256 = a.wording_sha256 GROUP BY a.purpose, w.sha256 ORDER BY since, w.sha256
"""
_KEPT = """
    SELECT c.counted_at, a.purpose, w.wording, a.sha256, a.readers, a.since, a.until, a.by_import
    FROM wording_counts c
    LEFT JOIN LATERAL jsonb_to_recordset(c.counts)
        AS a (purpose text, sha256 text, readers bigint, since timestamptz, until timestamptz, by_import boolean) ON true
    LEFT JOIN consent_wordings w ON w.sha256 = decode(a.sha256, 'hex')
    WHERE c.newsletter_id = :id ORDER BY a.since, w.sha256
"""
# Counted ahead of the clock means that the clock was set back: that binds nobody. Removed records leave a tombstone.
_DUE = """
    SELECT n.id, c.through_id, c.newsletter_id IS NULL OR c.tombstone_id < (SELECT coalesce(max(id), 0) FROM consent_tombstones) AS is_stale
    FROM newsletters n LEFT JOIN wording_counts c ON c.newsletter_id = n.id
    WHERE (CAST(:only AS bigint) IS NULL OR n.id = :only) AND (c.newsletter_id IS NULL OR c.took_ms < :quick
        OR c.counted_at NOT BETWEEN clock_timestamp() - interval '1 hour' AND clock_timestamp())
    ORDER BY c.counted_at NULLS FIRST
"""
# `after` says it twice, and lets the server read the end of the table only.
_GROWN = f"""
    SELECT DISTINCT r.newsletter_id FROM consent_records r JOIN wording_counts c ON c.newsletter_id = r.newsletter_id AND r.id > c.through_id
    WHERE r.id > :after AND r.newsletter_id = ANY(:due) AND {_AGREEING}
"""
_NEWEST = "SELECT coalesce((SELECT max(id) FROM consent_records), 0) AS record, coalesce((SELECT max(id) FROM consent_tombstones), 0) AS tombstone"
# A record may get its number before another and be seen after it. What a digest has summed up is settled in any case.
_SETTLED = f"""
    SELECT CASE WHEN EXISTS ({WRITING}) THEN coalesce((SELECT through_id FROM consent_digests ORDER BY number DESC LIMIT 1), 0)
        ELSE CAST(:newest AS bigint) END
"""
_KEEP = """
    INSERT INTO wording_counts AS c (newsletter_id, took_ms, through_id, tombstone_id, counts)
    VALUES (:newsletter, :took, :through, :tombstone, CAST(:counts AS jsonb))
    ON CONFLICT (newsletter_id) DO UPDATE SET counted_at = clock_timestamp(), took_ms = excluded.took_ms,
        through_id = greatest(c.through_id, excluded.through_id), tombstone_id = excluded.tombstone_id, counts = excluded.counts
"""


class Agreed(NamedTuple):
    """Words for a purpose, how many readers ever agreed to them, when first and when last, and whether only imports said so."""

    purpose: str
    wording: str
    sha256: str
    readers: int
    since: datetime
    until: datetime
    by_import: bool


def now(tx: Transaction, newsletter_id: int) -> list[Agreed]:
    """Counted now, which reads every consent record of the newsletter: a second and more where there are a million."""
    return [Agreed(*row) for row in tx.execute(_NOW, id=newsletter_id, moved=moving.METHOD)]


def kept(tx: Transaction, newsletter_id: int) -> tuple[list[Agreed], datetime | None]:
    """As last counted, and when that was; None where it was not yet."""
    rows = tx.execute(_KEPT, id=newsletter_id).all()
    return [Agreed(*row[1:]) for row in rows if row.purpose is not None], rows[0].counted_at if rows else None


def count_grown() -> None:
    """Count anew where readers agreed since: large newsletters once an hour, those that wait longest first."""
    begun = time.monotonic()
    with transaction() as tx:
        stale = _stale(tx)
    for newsletter_id in stale:
        _count(newsletter_id)
        if time.monotonic() - begun > _ROUND:
            return


def _stale(tx: Transaction) -> list[int]:
    """Whoever has grown and may be counted. Of the others it is noted up to where they have not: that is not read again."""
    through = _settled(tx, tx.execute(_NEWEST).one().record)
    due = tx.execute(_DUE, only=None, quick=QUICK_MS).all()
    there = {row.id: row.through_id for row in due if not row.is_stale}
    if not there:
        return [row.id for row in due]
    grown = set(tx.execute(_GROWN, due=list(there), after=min(there.values()), moved=moving.METHOD).scalars())
    if resting := [one for one, known in there.items() if one not in grown and known < through]:
        tx.execute(
            "UPDATE wording_counts SET through_id = greatest(through_id, :through) WHERE newsletter_id = ANY(:resting)",
            through=through,
            resting=resting,
        )
    return [row.id for row in due if row.is_stale or row.id in grown]


def _settled(tx: Transaction, newest: int) -> int:
    """The number up to which every record there will be is seen from now on."""
    return int(tx.execute(_SETTLED, newest=newest).scalar_one())


def _count(newsletter_id: int) -> None:
    with transaction() as tx:
        # The duty's lease is no promise: a turn that outlives it has another beside it.
        alone = "SELECT pg_try_advisory_xact_lock(hashtextextended('count wordings', :newsletter))"
        if not tx.execute(alone, newsletter=newsletter_id).scalar_one():
            return
        if not tx.execute(_DUE, only=newsletter_id, quick=QUICK_MS).all():
            return
        newest = tx.execute(_NEWEST).one()
        through = _settled(tx, newest.record)
        begun = time.monotonic()
        found = now(tx, newsletter_id)
        tx.execute(
            _KEEP,
            newsletter=newsletter_id,
            took=int((time.monotonic() - begun) * 1000),
            through=through,
            tombstone=newest.tombstone,
            counts=json.dumps([_row(one) for one in found]),
        )


def _row(one: Agreed) -> dict[str, str | int | bool]:
    """What is kept of it: the words themselves are kept already."""
    return {
        "purpose": one.purpose,
        "sha256": one.sha256,
        "readers": one.readers,
        "since": one.since.isoformat(),
        "until": one.until.isoformat(),
        "by_import": one.by_import,
    }
