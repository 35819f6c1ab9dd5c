"""What became of every copy: the ledger of an issue, its events, and the batches that nobody can vouch for. Reads only."""

from collections.abc import Mapping
from typing import Any

from service.db import Transaction, transaction
from service.domain.personalisation import Tag
from service.errors import NotFound
from service.operations import counting, looked_up
from service.rendering.webpage import impersonal
from service.settings import current

# Over the leaves: what is left of a batch's size shares the batch's state; a split batch's readers are its children's.
_BATCHES = """
    SELECT
        coalesce(sum(size - excluded - failed) FILTER (WHERE state = 'accepted'), 0) AS accepted,
        coalesce(sum(size - excluded - failed) FILTER (WHERE state = 'accepted' AND decided_at IS NOT NULL), 0) AS accepted_by_decision,
        coalesce(sum(size - excluded - failed) FILTER (WHERE state IN ('pending', 'claimed', 'sending')), 0) AS pending,
        coalesce(sum(size - excluded - failed) FILTER (WHERE state = 'unknown'), 0) AS unknown,
        coalesce(sum(size), 0) AS size, coalesce(sum(excluded), 0) AS excluded, coalesce(sum(failed), 0) AS failed
    FROM batches WHERE issue_id = :issue AND state <> 'split'
"""
_REASONS = """
    SELECT excluded, failed, count(*) AS n FROM deliveries
    WHERE issue_id = :issue AND (excluded IS NOT NULL OR failed IS NOT NULL) GROUP BY excluded, failed ORDER BY excluded, failed
"""


def ledger(tx: Transaction, issue_id: int) -> dict[str, Any]:
    """The ledger: candidates = accepted + excluded + failed + pending + unknown; closed when the last two are nought."""
    issue = tx.execute("SELECT candidates, prepared_at FROM issues WHERE id = :issue", issue=issue_id).one()
    sums = tx.execute(_BATCHES, issue=issue_id).mappings().one()
    excluded: dict[str, int] = {}
    failed: dict[str, int] = {}
    for row in tx.execute(_REASONS, issue=issue_id):
        book, reason = (failed, row.failed) if row.failed else (excluded, row.excluded)
        book[reason] = book.get(reason, 0) + row.n
    return {
        "candidates": int(issue.candidates or 0),
        "accepted": int(sums["accepted"]),
        "accepted_by_decision": int(sums["accepted_by_decision"]),
        "excluded": excluded,
        "failed": failed,
        "pending": int(sums["pending"]),
        "unknown": int(sums["unknown"]),
        "closed": issue.prepared_at is not None and sums["pending"] == 0 and sums["unknown"] == 0,
    }


def ledger_faults(issue_id: int) -> list[str]:
    """As check_ledger, of an issue by itself."""
    with transaction() as tx:
        return check_ledger(tx, issue_id)


def check_ledger(tx: Transaction, issue_id: int) -> list[str]:
    """What does not add up, comparing the batches' counts with a count of rows. Nothing when all is well."""
    found = []
    row = (
        tx.execute(
            """SELECT coalesce(sum(abs(b.size - c.all_rows)), 0) AS size, coalesce(sum(abs(b.excluded - c.excluded)), 0) AS excluded,
               coalesce(sum(abs(b.failed - c.failed)), 0) AS failed
           FROM batches b CROSS JOIN LATERAL (
               SELECT count(*) AS all_rows, count(d.excluded) AS excluded, count(d.failed) AS failed FROM deliveries d WHERE d.batch_id = b.id
           ) c WHERE b.issue_id = :issue AND b.state <> 'split'""",
            issue=issue_id,
        )
        .mappings()
        .one()
    )
    found += [f"issue {issue_id}: the batches' {name} differs from their rows by {n}" for name, n in row.items() if n]
    totals = tx.execute(
        """SELECT i.candidates, i.excluded_at_freeze, (SELECT count(*) FROM deliveries WHERE issue_id = i.id) AS deliveries,
               (SELECT coalesce(sum(size), 0) FROM batches WHERE issue_id = i.id AND state <> 'split') AS in_batches
           FROM issues i WHERE i.id = :issue AND i.prepared_at IS NOT NULL""",
        issue=issue_id,
    ).one_or_none()
    if totals and not (totals.candidates == totals.deliveries == totals.in_batches + totals.excluded_at_freeze):
        found.append(
            f"issue {issue_id}: {totals.candidates} candidates, {totals.deliveries} deliveries, {totals.in_batches} in batches"
        )
    return found


def unknown_batches(tx: Transaction, issue_id: int) -> list[dict[str, Any]]:
    """Batches that only an event or a person can settle, with all the evidence there is."""
    rows = tx.execute(
        """SELECT b.id AS batch, b.size - b.excluded - b.failed AS readers, b.reason, b.review_at IS NOT NULL AS review, a.id AS attempt,
               a.armed_at, a.http_status, a.evidence_at IS NOT NULL AS evidence,
               (SELECT count(*) FROM deliveries d WHERE d.batch_id = b.id AND (d.processed_at IS NOT NULL OR d.delivered_at IS NOT NULL OR d.opened_at IS NOT NULL)) AS readers_with_events
           FROM batches b JOIN attempts a ON a.batch_id = b.id AND a.number = b.attempts
           WHERE b.issue_id = :issue AND b.state = 'unknown' ORDER BY b.id""",
        issue=issue_id,
    )
    found = rows.mappings().all()
    asked = looked_up.of_attempts(tx, [row["attempt"] for row in found]) if found else {}
    return [
        {
            **row,
            "attempt": str(row["attempt"]),
            "armed_at": row["armed_at"].isoformat() if row["armed_at"] else None,
            "lookups": asked.get(row["attempt"], []),
        }
        for row in found
    ]


def variants(tx: Transaction, issue_id: int) -> list[dict[str, Any]]:
    """An issue's variants, and how many readers the batches of each are meant for; none before it is prepared."""
    rows = tx.execute(
        """SELECT v.name, v.language, v.subject, v.tags, octet_length(v.html) AS html_bytes, (
               SELECT coalesce(sum(b.size), 0) FROM batches b JOIN cohorts c ON c.id = b.cohort_id
               WHERE b.issue_id = v.issue_id AND c.variant_id = v.id AND b.state <> 'split') AS readers
           FROM variants v WHERE v.issue_id = :issue ORDER BY v.position, v.id""",
        issue=issue_id,
    )
    return [
        {
            "name": row.name,
            "language": row.language,
            "subject": impersonal(row.subject, [Tag.from_json(tag) for tag in row.tags]),
            "html_bytes": row.html_bytes,
            "readers": int(row.readers),
        }
        for row in rows
    ]


def halted(tx: Transaction) -> str | None:
    """Why nothing at all is sent just now, if so."""
    reason: str | None = tx.execute(
        "SELECT 'everything is halted: ' || stopped_because FROM installation WHERE stopped_at IS NOT NULL"
    ).scalar_one_or_none()
    if reason is not None:
        return reason
    restored: str | None = tx.execute(
        """SELECT 'this database was restored: ' || restored_because || '; to go on with it: `broadsheet epoch accept --reason "…"`, or the settings page'
           FROM installation WHERE restored_at IS NOT NULL"""
    ).scalar_one_or_none()
    if restored is not None:
        return restored
    refused: str | None = tx.execute(
        "SELECT 'SendGrid refuses the key; see the alarm' FROM breakers WHERE provider = :provider AND state = 'refused'",
        provider=current().provider,
    ).scalar_one_or_none()
    return refused


def show(issue_id: int) -> dict[str, Any]:
    """An issue with its ledger, events, and phases in seconds. Raises NotFound."""
    with transaction() as tx:
        # Several statements about something that moves: they must see one moment, or the sums would not add up.
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = (
            tx.execute(
                """SELECT i.*, v.html, v.text, w.slug FROM issues i JOIN variants v ON v.issue_id = i.id AND v.position = 0 JOIN newsletters w ON w.id = i.newsletter_id
               WHERE i.id = :issue""",
                issue=issue_id,
            )
            .mappings()
            .one_or_none()
        )
        if row is None:
            raise NotFound(f"There is no issue {issue_id}.")
        requests = tx.execute(
            "SELECT count(*) FROM attempts WHERE issue_id = :issue AND armed_at IS NOT NULL", issue=issue_id
        ).scalar_one()
        return {
            "issue": {
                "id": row["id"],
                "newsletter": row["slug"],
                "subject": row["subject"],
                "state": row["state"],
                "state_reason": row["state_reason"] or halted(tx),
                "html_bytes": len(row["html"].encode()),
                "text_bytes": len(row["text"].encode()),
                "content_hash": bytes(row["content_hash"]).hex(),
            },
            "variants": variants(tx, issue_id),
            "ledger": ledger(tx, issue_id),
            "events": counting.events(tx, issue_id),
            "requests": int(requests),
            "seconds": _phases(dict(row)),
            "unknown_batches": unknown_batches(tx, issue_id),
        }


def _phases(row: Mapping[str, Any]) -> dict[str, float]:
    moments = [("preparing", "scheduled_at", "prepared_at"), ("sending", "prepared_at", "sent_at")]
    return {
        name: round((row[end] - row[start]).total_seconds(), 3)
        for name, start, end in moments
        if row[start] and row[end]
    }


def list_issues(newsletter: str | None = None, *, before: int | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """The newest issues, page by page: `before` is the id of the last one seen."""
    with transaction() as tx:
        rows = tx.execute(
            """SELECT i.id, w.slug AS newsletter, i.subject, i.state, i.candidates, i.created_at FROM issues i JOIN newsletters w ON w.id = i.newsletter_id
               WHERE (CAST(:slug AS text) IS NULL OR w.slug = :slug) AND (CAST(:before AS bigint) IS NULL OR i.id < :before) ORDER BY i.id DESC LIMIT :limit""",
            slug=newsletter,
            before=before,
            limit=limit,
        ).mappings()
        return [{**row, "created_at": row["created_at"].isoformat()} for row in rows]


def latest_subscriptions(issue_id: int, limit: int) -> list[int]:
    """Subscriptions of the readers whose batches come last."""
    with transaction() as tx:
        return list(
            tx.execute(
                "SELECT subscription_id FROM deliveries WHERE issue_id = :issue AND batch_id IS NOT NULL ORDER BY batch_id DESC, id DESC LIMIT :limit",
                issue=issue_id,
                limit=limit,
            ).scalars()
        )


def readers_left_out(
    issue_id: int, *, reason: str | None = None, after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """Readers of the audience who got no copy, page by page: `after` is the last delivery seen. An erased reader has no
    address any more. Raises NotFound."""
    with transaction() as tx:
        if tx.execute("SELECT 1 FROM issues WHERE id = :issue", issue=issue_id).scalar_one_or_none() is None:
            raise NotFound(f"There is no issue {issue_id}.")
        rows = tx.execute(
            """SELECT d.id AS delivery, s.address, coalesce(d.failed, d.excluded) AS reason
               FROM deliveries d LEFT JOIN subscribers s ON s.id = d.subscriber_id
               WHERE d.issue_id = :issue AND (d.excluded IS NOT NULL OR d.failed IS NOT NULL) AND d.id > :after
                 AND (CAST(:reason AS text) IS NULL OR coalesce(d.failed, d.excluded) = :reason) ORDER BY d.id LIMIT :limit""",
            issue=issue_id,
            reason=reason,
            after=after,
            limit=limit,
        ).mappings()
        return [dict(row) for row in rows]
