"""Alarms: opened once for each kind and subject, told by mail to whom they concern, acknowledged by a person, closed when it is over.
No address of a reader is in one."""

import json
from typing import Any

import structlog

from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.errors import Invalid, NotFound
from service.operations.auditing import audit
from service.operations.permitting import require, within

log = structlog.get_logger(__name__)

_OPEN = """
    INSERT INTO alarms (kind, subject, newsletter_id, issue_id, told, figures)
    VALUES (:kind, :subject, (SELECT newsletter_id FROM issues WHERE id = CAST(:issue AS bigint)), :issue, :told, CAST(:figures AS jsonb))
    ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING RETURNING id
"""
# Owners of all; and whoever owns or approves in the newsletter that it concerns.
_MAILS = """
    INSERT INTO team_mails (operator_id, kind, alarm_id, issue_id)
    SELECT o.id, 'alarm', a.id, a.issue_id FROM alarms a, operators o
    WHERE a.id = :alarm AND o.disabled_at IS NULL
      AND (o.role = 'owner' OR a.newsletter_id IS NOT NULL AND (o.role = 'approver' OR EXISTS (
          SELECT FROM memberships m WHERE m.operator_id = o.id AND m.newsletter_id = a.newsletter_id AND m.role IN ('owner', 'approver'))))
"""
_LISTED = """
    SELECT a.id, a.kind, a.subject, a.issue_id, a.newsletter_id, a.told, a.opened_at, a.acknowledged_at, a.acknowledged_because, i.subject AS issue
    FROM alarms a LEFT JOIN issues i ON i.id = a.issue_id
    WHERE a.closed_at IS NULL AND (a.newsletter_id IS NULL AND :all OR a.newsletter_id IS NOT NULL
        AND (CAST(:only AS bigint[]) IS NULL OR a.newsletter_id = ANY(:only)))
    ORDER BY a.acknowledged_at IS NOT NULL, a.id DESC LIMIT 50
"""


def open_alarm(
    tx: Transaction,
    kind: str,
    subject: str,
    told: str,
    *,
    issue_id: int | None = None,
    figures: dict[str, int] | None = None,
) -> bool:
    """Open an alarm, and ask for its mails; nothing happens while one of the kind and subject is open. Whether it is new."""
    made = tx.execute(
        _OPEN, kind=kind, subject=subject, issue=issue_id, told=told, figures=json.dumps(figures or {})
    ).scalar_one_or_none()
    if made is None:
        return False
    tx.execute(_MAILS, alarm=made)
    log.error("alarm", alarm=made, kind=kind, subject=subject)
    return True


def close(tx: Transaction, kind: str, subject: str) -> None:
    """It is over."""
    tx.execute(
        "UPDATE alarms SET closed_at = clock_timestamp() WHERE kind = :kind AND subject = :subject AND closed_at IS NULL",
        kind=kind,
        subject=subject,
    )


def listed(*, actor: str) -> list[dict[str, Any]]:
    """The open alarms that the actor may see, those that nobody has acknowledged first."""
    only = within(actor, Permission.SEE)
    with transaction() as tx:
        rows = tx.execute(_LISTED, only=only, all=only is None).mappings()
        return [dict(row) for row in rows]


def acknowledge(alarm_id: int, *, reason: str, actor: str) -> None:
    """Somebody has seen to it. Of a refused key: it is tried again. Raises NotFound, Invalid without a reason, Forbidden."""
    with transaction() as tx:
        row = tx.execute(
            "SELECT kind, subject, newsletter_id FROM alarms WHERE id = :id AND closed_at IS NULL FOR UPDATE",
            id=alarm_id,
        ).one_or_none()
        if row is None:
            raise NotFound(f"There is no open alarm {alarm_id}.")
        require(actor, Permission.ADMINISTER if row.newsletter_id is None else Permission.SEND, row.newsletter_id)
        if not reason.strip():
            raise Invalid("Say what you found: it is kept with the alarm.")
        tx.execute(
            """UPDATE alarms SET acknowledged_at = clock_timestamp(), acknowledged_by = :actor, acknowledged_because = :reason,
                   closed_at = CASE WHEN kind = 'key' OR figures <> '{}' AND EXISTS (
                       SELECT FROM issues i WHERE i.id = alarms.issue_id AND i.state IN ('sent', 'cancelled')) THEN clock_timestamp() END
               WHERE id = :id""",
            id=alarm_id,
            actor=actor,
            reason=reason.strip(),
        )
        if row.kind == "key":
            tx.execute(
                "UPDATE breakers SET state = 'closed', faults = '{}' WHERE provider = :provider AND state = 'refused'",
                provider=row.subject,
            )
        audit(tx, actor, "acknowledge", f"alarm {alarm_id}", kind=row.kind, reason=reason.strip())


def settle_with_issue(tx: Transaction, issue_id: int, actor: str) -> None:
    """Whoever resumes an issue has seen its figures: its alarms are acknowledged and over, and do not come again for the same."""
    tx.execute(
        """UPDATE alarms SET closed_at = clock_timestamp(), acknowledged_at = coalesce(acknowledged_at, clock_timestamp()),
               acknowledged_by = coalesce(acknowledged_by, :actor), acknowledged_because = coalesce(acknowledged_because, 'the issue was resumed')
           WHERE issue_id = :issue AND closed_at IS NULL AND kind <> 'unknown'""",
        issue=issue_id,
        actor=actor,
    )
