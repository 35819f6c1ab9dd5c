"""What somebody must know first: what needs a person, what goes out next, how the last issues did, how the audience grows."""

from typing import Any

from service.db import transaction
from service.domain.permissions import Permission
from service.operations import alarms, checking, counting, duties, reporting, workers
from service.operations.permitting import within

MANY_COMPLAINTS, MANY_BOUNCES = 0.001, 0.05
"""Shares of delivered copies above which mail providers begin to distrust a sender."""

_ISSUES = """
    SELECT i.id, i.subject, i.state, i.state_reason, i.scheduled_at, i.sent_at, w.name AS newsletter_name,
        (SELECT count(*) FROM batches b WHERE b.issue_id = i.id AND b.state = 'unknown') AS unknown_batches
    FROM issues i JOIN newsletters w ON w.id = i.newsletter_id
    WHERE i.state = ANY(:states) AND i.archived_at IS NULL AND (CAST(:only AS bigint[]) IS NULL OR i.newsletter_id = ANY(:only))
    ORDER BY coalesce(i.sent_at, i.scheduled_at, i.created_at) DESC LIMIT :limit
"""


def overview(actor: str) -> dict[str, Any]:
    """All of it, as far as this actor may see."""
    only = within(actor, Permission.SEE)
    with transaction() as tx:

        def issues(*states: str, limit: int = 10) -> list[dict[str, Any]]:
            return [dict(row) for row in tx.execute(_ISSUES, states=list(states), only=only, limit=limit).mappings()]

        last = issues("sent", limit=5)
        for one in last:
            one["ledger"], one["events"] = reporting.ledger(tx, one["id"]), counting.events(tx, one["id"])
        stuck = [
            one
            for one in issues("sending", "paused", "held", "cancelled", limit=50)
            if one["unknown_batches"] or one["state"] == "held"
        ]
        found = {
            "halted": reporting.halted(tx),
            "checks": checking.problems(tx),
            "stuck": stuck,
            "coming": list(reversed(issues("scheduled", "preparing", "sending", "paused"))),
            "last": last,
            "growth": counting.growth(tx, only),
            "has_newsletter": tx.execute("SELECT EXISTS (SELECT FROM newsletters)").scalar_one(),
            "has_readers": tx.execute("SELECT EXISTS (SELECT FROM subscriptions)").scalar_one(),
        }
    return (
        found
        | {"alarms": [one for one in alarms.listed(actor=actor) if one["acknowledged_at"] is None]}
        | {"warnings": [told for one in last if (told := _told(one))], "late": _late_duties()}
    )


def _told(issue: dict[str, Any]) -> str | None:
    delivered = issue["events"].get("delivered", 0)
    if not delivered:
        return None
    complaints, bounces = (issue["events"].get(kind, 0) / delivered for kind in ("complained", "bounced"))
    if complaints > MANY_COMPLAINTS:
        return f"{complaints:.1%} of the readers of “{issue['subject']}” reported it as unwanted; above 0.1 % providers begin to distrust a sender. Look at who was imported last."
    if bounces > MANY_BOUNCES:
        return f"{bounces:.0%} of the copies of “{issue['subject']}” bounced. Look at where these addresses came from."
    return None


def _late_duties() -> list[str]:
    """A sentence for each; and for each process that is missed, which no duty can tell of when it is beat."""
    with transaction() as tx:
        late = [duties.told(one) for one in duties.states(tx) if one["late"]]
        return [*workers.missed(tx).values(), *late]
