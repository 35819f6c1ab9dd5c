"""Sends an unknown batch again without a person, where an issue has opted in to that risk and a quiet hour speaks for it: events come in
without a gap, later requests have theirs, and none of this one. Once a batch; otherwise it waits on."""

from datetime import timedelta

import structlog

from service.db import transaction
from service.domain.permissions import Permission
from service.errors import Conflict, NotFound
from service.operations.auditing import audit
from service.operations.bells import ring
from service.operations.permitting import require

log = structlog.get_logger(__name__)

QUIET = timedelta(minutes=60)
"""Longer than a request may take, its lease, and the worst delay of an event."""
FRESH = timedelta(minutes=5)
"""The webhook works when an event came so lately, and none of its silences since was longer."""
LATER_WITH_EVIDENCE = 3

# An event that was stored and not read yet may be the very proof, so nothing may wait. A reader on SendGrid's lists since is no
# proof, and too much for sending it again without a person.
_QUIET = """
    SELECT b.id, b.issue_id, a.armed_at FROM batches b JOIN issues i ON i.id = b.issue_id
    JOIN attempts a ON a.batch_id = b.id AND a.number = b.attempts AND a.state = 'unknown'
    WHERE b.state = 'unknown' AND i.state = 'sending' AND i.resends_unknown
      AND a.armed_at < clock_timestamp() - CAST(:quiet AS interval)
      AND a.evidence_at IS NULL
      AND NOT EXISTS (SELECT FROM attempts x WHERE x.batch_id = b.id AND x.id <> a.id AND (x.state = 'unknown' OR x.evidence_at IS NOT NULL))
      AND NOT EXISTS (SELECT FROM lookups u WHERE u.attempt_id = a.id AND u.found > 0)
      AND (SELECT count(*) FROM attempts l WHERE l.provider = a.provider AND l.armed_at > a.armed_at AND l.evidence_at IS NOT NULL) >= :later
      AND EXISTS (SELECT FROM payloads WHERE received_at > clock_timestamp() - CAST(:fresh AS interval))
      AND NOT EXISTS (SELECT FROM payloads WHERE state <> 'ingested' AND received_at > a.armed_at)
      AND NOT EXISTS (
          SELECT FROM (SELECT received_at - lag(received_at, 1, a.armed_at) OVER (ORDER BY received_at) AS gap
              FROM payloads WHERE received_at > a.armed_at) g WHERE g.gap > CAST(:fresh AS interval))
    ORDER BY b.id FOR UPDATE OF b SKIP LOCKED
"""


def resend_quiet() -> int:
    """Give back what a quiet hour speaks for. Returns how many batches."""
    with transaction() as tx:
        found = tx.execute(_QUIET, quiet=QUIET, fresh=FRESH, later=LATER_WITH_EVIDENCE).all()
        for row in found:
            tx.execute(
                """UPDATE batches SET state = 'pending', review_at = NULL, rung_at = NULL, not_before = NULL,
                       reason = 'sent again after a quiet hour' WHERE id = :id AND state = 'unknown'""",
                id=row.id,
            )
            audit(tx, "service", "resend", f"batch {row.id}", armed_at=row.armed_at.isoformat())
            log.warning("batch is sent again after a quiet hour", batch=row.id, issue=row.issue_id)
    for issue_id in sorted({row.issue_id for row in found}):
        with transaction() as tx:
            ring(tx, issue_id)
    return len(found)


def opt(issue_id: int, *, into: bool, actor: str) -> None:
    """Whether copies that nobody can vouch for are sent again after a quiet hour. Raises NotFound, Forbidden, Conflict."""
    with transaction() as tx:
        row = tx.execute("SELECT newsletter_id, state FROM issues WHERE id = :id FOR UPDATE", id=issue_id).one_or_none()
        if row is None:
            raise NotFound(f"There is no issue {issue_id}.")
        require(actor, Permission.DECIDE, row.newsletter_id)
        if row.state in ("sent", "cancelled"):
            raise Conflict(f"Issue {issue_id} is {row.state}; nothing of it is left to send.")
        tx.execute("UPDATE issues SET resends_unknown = :into WHERE id = :id", into=into, id=issue_id)
        audit(tx, actor, "resend unknown", f"issue {issue_id}", into=into)
