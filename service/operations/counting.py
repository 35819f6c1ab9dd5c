"""Counts of large issues and of growth, made in the background: a page shows what was counted a moment ago and says when. Small ones
are counted as the page is asked for. A count is always one of the rows themselves, so it cannot drift from them."""

import json
import time
from datetime import datetime
from typing import Any

from service.db import Transaction, transaction
from service.domain.events import EventType
from service.operations import wording_counts
from service.operations.duties import duty

DIRECT = 20_000
"""Copies that are counted within some ten milliseconds."""
_ROUND = 30.0
"""Seconds after which a round of counting gives way to other duties."""

FACTS = (
    "SELECT "
    + ", ".join(f"count({kind.value}_at) AS {kind.value}" for kind in EventType)
    + " FROM deliveries WHERE issue_id = :issue"
)
_TRACKED = """
    SELECT coalesce(sum(b.size - b.excluded - b.failed), 0)::bigint AS n FROM batches b JOIN cohorts c ON c.id = b.cohort_id
    WHERE b.issue_id = :issue AND b.state = 'accepted' AND c.tracked
"""
_LINKS = """
    SELECT url, count(*) AS clicks, count(DISTINCT delivery_id) AS readers FROM events
    WHERE issue_id = :issue AND type = 'clicked' AND url IS NOT NULL GROUP BY url ORDER BY readers DESC, url LIMIT 200
"""
_HOURS = """
    SELECT to_char(date_trunc('hour', at AT TIME ZONE 'UTC'), 'YYYY-MM-DD"T"HH24:00:00"+00:00"') AS hour,
        count(*) FILTER (WHERE type = 'delivered') AS delivered, count(*) FILTER (WHERE type = 'opened') AS opened,
        count(*) FILTER (WHERE type = 'opened_by_machine') AS by_machines, count(*) FILTER (WHERE type = 'clicked') AS clicked
    FROM events WHERE issue_id = :issue AND type IN ('delivered', 'opened', 'opened_by_machine', 'clicked') GROUP BY 1 ORDER BY 1 LIMIT 72
"""
_DOMAINS = """
    SELECT split_part(s.normalised_address, '@', 2) AS domain, count(*) AS readers, count(d.delivered_at) AS delivered,
        count(*) FILTER (WHERE d.bounced_at IS NOT NULL OR d.dropped_at IS NOT NULL) AS bounced, count(d.complained_at) AS complained
    FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE d.issue_id = :issue AND d.excluded IS NULL AND d.failed IS NULL
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20
"""
_BOUNCES = """
    SELECT coalesce(detail, 'without a reason') AS why, count(DISTINCT delivery_id) AS n FROM events
    WHERE issue_id = :issue AND type IN ('bounced', 'dropped') GROUP BY 1 ORDER BY 2 DESC LIMIT 20
"""
_TABLES = {"links": _LINKS, "hours": _HOURS, "domains": _DOMAINS, "bounces": _BOUNCES}
# The older an issue, the slower its counts change; and counting takes no more than a thirtieth of the time.
_STALE = """
    SELECT i.id FROM issues i LEFT JOIN issue_counts c ON c.issue_id = i.id
    WHERE i.prepared_at IS NOT NULL AND i.candidates > :direct AND (c.issue_id IS NULL OR clock_timestamp() - c.counted_at > greatest(
        interval '15 seconds', make_interval(secs => c.took_ms * 0.03), (clock_timestamp() - coalesce(i.sent_at, i.prepared_at)) / 200))
    ORDER BY c.counted_at NULLS FIRST
"""
_GROWTH = """
    SELECT CAST(at AT TIME ZONE 'UTC' AS date) AS day, newsletter_id, count(*) FILTER (WHERE action = 'given') AS joined,
        count(*) FILTER (WHERE action = 'withdrawn') AS gone
    FROM consent_records WHERE purpose = 'newsletter' AND action IN ('given', 'withdrawn') AND at > :since GROUP BY 1, 2
"""
GROWTH_DAYS = 30


def of_issue(tx: Transaction, issue_id: int) -> dict[str, Any]:
    """The counts: `events` by kind, `tracked` copies, `links`, `hours`, `domains`, `bounces`; and `counted_at`, None for now."""
    row = tx.execute(
        """SELECT c.counts, c.counted_at FROM issues i JOIN issue_counts c ON c.issue_id = i.id
           WHERE i.id = :issue AND i.candidates > :direct""",
        issue=issue_id,
        direct=DIRECT,
    ).one_or_none()
    counts = _count(tx, issue_id) if row is None else dict(row.counts)
    hours = [{**one, "hour": datetime.fromisoformat(one["hour"])} for one in counts["hours"]]
    return counts | {"hours": hours, "counted_at": None if row is None else row.counted_at}


def events(tx: Transaction, issue_id: int) -> dict[str, int]:
    """Deliveries with at least one event of each kind; opens by machines are apart."""
    counted = tx.execute(
        """SELECT c.counts -> 'events' FROM issues i JOIN issue_counts c ON c.issue_id = i.id
           WHERE i.id = :issue AND i.candidates > :direct""",
        issue=issue_id,
        direct=DIRECT,
    ).scalar_one_or_none()
    found = counted or tx.execute(FACTS, issue=issue_id).mappings().one()
    return {name: int(n) for name, n in found.items()}


def growth(tx: Transaction, only: list[int] | None) -> list[dict[str, Any]]:
    """Who joined and left in the last thirty days, by day, the newest first: `day`, `joined`, `gone`. `only`: newsletters' ids."""
    rows = tx.execute(
        """SELECT day, sum(joined)::bigint AS joined, sum(gone)::bigint AS gone FROM growth_days
           WHERE day > current_date - CAST(:days AS int) AND (CAST(:only AS bigint[]) IS NULL OR newsletter_id = ANY(:only))
           GROUP BY day HAVING sum(joined) + sum(gone) > 0 ORDER BY day DESC"""
        if _is_large(tx)
        else f"""SELECT day, sum(joined)::bigint AS joined, sum(gone)::bigint AS gone FROM ({_GROWTH_NOW}) g
           WHERE CAST(:only AS bigint[]) IS NULL OR newsletter_id = ANY(:only) GROUP BY day ORDER BY day DESC""",
        days=GROWTH_DAYS,
        only=only,
    ).mappings()
    return [dict(row) for row in rows]


_GROWTH_NOW = _GROWTH.replace(":since", "statement_timestamp() - make_interval(days => CAST(:days AS int))")


def count_issues() -> None:
    """Count anew what may have changed: large issues, the days of growth, and last who agreed to which words, which may take longest
    and changes least."""
    duty("count issues", _count_all)


def _count_all() -> None:
    _count_issues()
    wording_counts.count_grown()


def _count_issues() -> None:
    begun = time.monotonic()
    with transaction() as tx:
        stale = list(tx.execute(_STALE, direct=DIRECT).scalars())
    for issue_id in stale:
        if time.monotonic() - begun > _ROUND:
            return
        _keep(issue_id)
    with transaction() as tx:
        if _is_large(tx):
            _keep_growth(tx)


def _keep(issue_id: int) -> None:
    begun = time.monotonic()
    with transaction() as tx:
        counts = _count(tx, issue_id)
        tx.execute(
            """INSERT INTO issue_counts (issue_id, took_ms, counts) VALUES (:issue, :took, CAST(:counts AS jsonb))
               ON CONFLICT (issue_id) DO UPDATE SET counted_at = clock_timestamp(), took_ms = excluded.took_ms, counts = excluded.counts""",
            issue=issue_id,
            took=int((time.monotonic() - begun) * 1000),
            counts=json.dumps(counts),
        )


def _count(tx: Transaction, issue_id: int) -> dict[str, Any]:
    facts = tx.execute(FACTS, issue=issue_id).mappings().one()
    return {
        "events": {name: int(n) for name, n in facts.items()},
        "tracked": int(tx.execute(_TRACKED, issue=issue_id).scalar_one()),
        **{name: [dict(row) for row in tx.execute(sql, issue=issue_id).mappings()] for name, sql in _TABLES.items()},
    }


def _is_large(tx: Transaction) -> bool:
    """By PostgreSQL's own estimate: the acts of the last month may be too many to count for a page."""
    estimate = tx.execute("SELECT reltuples FROM pg_class WHERE oid = 'consent_records'::regclass").scalar_one()
    return float(estimate) > DIRECT * 5


def _keep_growth(tx: Transaction) -> None:
    """The last two days anew, and at first all thirty."""
    known = tx.execute("SELECT max(day) FROM growth_days").scalar_one_or_none()
    since = tx.execute(
        "SELECT CAST(current_date - CAST(:days AS int) AS timestamp) AT TIME ZONE 'UTC'",
        days=1 if known else GROWTH_DAYS,
    ).scalar_one()
    tx.execute("DELETE FROM growth_days WHERE day >= CAST(:since AS date)", since=since)
    tx.execute(f"INSERT INTO growth_days (day, newsletter_id, joined, gone) {_GROWTH}", since=since)
