"""What a person decides about an issue: schedule, pause, resume, cancel; and about a batch that nobody can vouch for."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from service import queue
from service.db import Transaction, transaction
from service.domain.outcomes import Reason
from service.domain.permissions import Permission
from service.errors import Conflict, Invalid, NotFound
from service.operations import alarms, approving, epochs, preflighting
from service.operations.auditing import audit
from service.operations.bells import go_on, ring
from service.operations.permitting import require
from service.operations.preflighting import Blocked
from service.settings import current

_SCHEDULE = """
    UPDATE issues SET state = 'scheduled', provider = :provider, local_at = :local,
        scheduled_at = greatest(CAST(:at AS timestamptz), clock_timestamp() + CAST(:wait AS interval)) WHERE id = :id
"""
EARLIEST = timezone(timedelta(hours=14))
"""Where a day begins first (Kiribati)."""


def schedule(
    issue_id: int,
    *,
    actor: str,
    override: str | None = None,
    wait: timedelta = timedelta(0),
    at: datetime | None = None,
    local: datetime | None = None,
    seen: str | None = None,
) -> None:
    """Send the issue as soon as possible, or once `wait` is over, in which it can be taken back, or `at` a moment, or when each
    reader's own clock shows `local`, which has no zone. The provider is frozen here. A second call changes nothing. `override`:
    the reason, which is kept, to send it despite what preflight found. `seen`: the content hash, in hex, of what whoever sends
    it looked at.

    Raises NotFound; Conflict when it cannot be scheduled as it is; Blocked when preflight stops it; Invalid for an empty reason,
    and for an hour that is over somewhere; Forbidden.
    """
    _check_reason(override)
    first = None if local is None else _first_place(local)
    stopping = preflighting.blocking(issue_id)
    with transaction() as tx:
        row = _locked(tx, issue_id)
        require(actor, Permission.SEND, row["newsletter_id"])
        if row["state"] in ("scheduled", "preparing", "sending", "sent"):
            return
        epochs.refuse_if_restored(tx)
        _check_sendable(tx, row, seen)
        if stopping and override is None:
            raise Blocked(stopping)
        given = {"at": first or at, "local": local, "wait": wait, "provider": current().provider, "id": issue_id}
        tx.execute(_SCHEDULE, given)
        despite = {"despite": sorted({one.rule for one in stopping}), "reason": override} if stopping else {}
        audit(tx, actor, "schedule", f"issue {issue_id}", **despite, **_later(at, local))
        # Before its time nobody answers; then the sweep rings.
        tx.enqueue(queue.PREPARE_ISSUE, issue_id)


def _check_reason(override: str | None) -> None:
    if override is not None and not override.strip():
        raise Invalid("Say why it is sent all the same: the reason is kept with the decision.")


def _later(at: datetime | None, local: datetime | None) -> dict[str, str]:
    """For the audit log: when it is sent, if not at once."""
    if local is not None:
        return {"at_each_readers": local.isoformat()}
    return {} if at is None else {"at": at.isoformat()}


def _first_place(local: datetime) -> datetime:
    """The moment at which the first clock on earth shows it. Raises Invalid when that is over."""
    first = local.replace(tzinfo=EARLIEST)
    if datetime.now(UTC) >= first:
        raise Invalid(
            "In some places it is later than that already. Choose an hour at least a day from now, or another way."
        )
    return first


def _check_sendable(tx: Transaction, row: dict[str, Any], seen: str | None) -> None:
    if row["needs_approval"] and not approving.holds(tx, row):
        raise Conflict("This newsletter asks for a second person's approval before an issue is sent.")
    if seen is not None and bytes(row["content_hash"]).hex() != seen:
        raise Conflict("The issue was changed since you looked at it. Look again before you send it.")
    if row["state"] not in ("draft", "approved"):
        raise Conflict(f"Issue {row['id']} is {row['state']}; it cannot be scheduled.{_hint(row['state'])}")
    if row["problems"]:
        raise Conflict("The text has problems that keep it from being rendered. Mend them first; nothing was sent.")


def unschedule(issue_id: int, *, actor: str) -> None:
    """Take a sending back before anything of it was prepared: the issue can be written again, and an approval goes on to hold.
    Raises NotFound, Forbidden, and Conflict when it is too late."""
    with transaction() as tx:
        row = _locked(tx, issue_id)
        require(actor, Permission.SEND, row["newsletter_id"])
        if row["state"] in ("draft", "approved"):
            return
        if row["state"] not in ("scheduled", "held") or row["prepared_at"] is not None:
            raise Conflict("It is too late to take this back: the issue is being sent. Pause or cancel it instead.")
        tx.execute(
            "UPDATE issues SET state = 'draft', scheduled_at = NULL, local_at = NULL, provider = NULL WHERE id = :id",
            id=issue_id,
        )
        if approving.holds(tx, row):
            tx.execute("UPDATE issues SET state = 'approved' WHERE id = :id", id=issue_id)
        audit(tx, actor, "unschedule", f"issue {issue_id}")


def pause(issue_id: int, *, actor: str) -> None:
    """Send no more batches; requests under way may finish. Raises NotFound, Conflict."""
    with transaction() as tx:
        row = _locked(tx, issue_id)
        require(actor, Permission.SEND, row["newsletter_id"])
        if row["state"] == "paused":
            return
        if row["state"] not in ("scheduled", "preparing", "sending"):
            raise Conflict(f"Issue {issue_id} is {row['state']}; only one that is on its way can be paused.")
        tx.execute(
            "UPDATE issues SET state = 'paused', state_reason = 'paused by a person' WHERE id = :id",
            id=issue_id,
        )
        audit(tx, actor, "pause", f"issue {issue_id}")


def resume(issue_id: int, *, actor: str, audience: int | None = None) -> None:
    """Go on where the issue was paused or held. `audience`: let it through although it is meant for so many readers, more
    than the newsletter's maximum. Raises NotFound, Conflict."""
    with transaction() as tx:
        row = _locked(tx, issue_id)
        require(actor, Permission.SEND, row["newsletter_id"])
        epochs.refuse_if_restored(tx)
        if row["state"] not in ("paused", "held"):
            raise Conflict(f"Issue {issue_id} is {row['state']}; only a paused or held one can be resumed.")
        state = "sending" if row["prepared_at"] else "scheduled"
        tx.execute(
            """UPDATE issues SET state = CAST(:state AS text), state_reason = NULL, resumed_at = clock_timestamp(),
                   scheduled_at = CASE WHEN CAST(:state AS text) = 'scheduled' THEN greatest(scheduled_at, clock_timestamp()) ELSE scheduled_at END WHERE id = :id""",
            state=state,
            id=issue_id,
        )
        if audience is not None:
            tx.execute(
                "UPDATE issues SET audience = audience || jsonb_build_object('confirmed', CAST(:n AS int)) WHERE id = :id",
                n=audience,
                id=issue_id,
            )
        audit(tx, actor, "resume", f"issue {issue_id}", audience=audience)
        alarms.settle_with_issue(tx, issue_id, actor)
        if state == "scheduled":
            tx.enqueue(queue.PREPARE_ISSUE, issue_id)
    with transaction() as tx:
        # Bells rung before the pause were answered without effect.
        tx.execute("UPDATE batches SET rung_at = NULL WHERE issue_id = :id AND state = 'pending'", id=issue_id)
    with transaction() as tx:
        go_on(tx, issue_id)


def cancel(issue_id: int, *, actor: str) -> int:
    """Send it to nobody else. Returns how many readers will not get it. Raises NotFound, Conflict."""
    with transaction() as tx:
        row = _locked(tx, issue_id)
        require(actor, Permission.SEND, row["newsletter_id"])
        if row["state"] == "cancelled":
            return 0
        if row["state"] not in ("scheduled", "preparing", "sending", "paused", "held"):
            raise Conflict(f"Issue {issue_id} is {row['state']}; it cannot be cancelled any more.")
        tx.execute(
            "UPDATE issues SET state = 'cancelled', state_reason = 'cancelled by a person' WHERE id = :id", id=issue_id
        )
        audit(tx, actor, "cancel", f"issue {issue_id}")
    # Apart from the decision, which must stand whatever happens here: a claim under way locks its batch before the issue.
    # Batches that fall back to pending later are cancelled by the sweep.
    with transaction() as tx:
        return cancel_pending(tx, issue_id)


def cancel_pending(tx: Transaction, issue_id: int) -> int:
    """Exclude every reader of a cancelled issue whose batch is still pending."""
    batches = list(
        tx.execute(
            "SELECT id FROM batches WHERE issue_id = :issue AND state = 'pending' ORDER BY id FOR UPDATE",
            issue=issue_id,
        ).scalars()
    )
    cancelled = tx.execute(
        "UPDATE deliveries SET excluded = :why WHERE batch_id = ANY(:batches) AND excluded IS NULL AND failed IS NULL",
        why=Reason.CANCELLED.value,
        batches=batches,
    ).rowcount
    tx.execute(
        "UPDATE batches SET state = 'failed', excluded = size - failed, reason = 'cancelled' WHERE id = ANY(:batches)",
        batches=batches,
    )
    return cancelled


def resolve(batch_id: int, *, sent: bool, reason: str, actor: str) -> None:
    """A person's decision on an unknown batch: count it as sent, or send it again by a new attempt.

    Raises NotFound; Conflict when the batch is not unknown; Invalid without a reason.
    """
    with transaction() as tx:
        row = tx.execute(
            "SELECT b.state, b.issue_id, i.newsletter_id FROM batches b JOIN issues i ON i.id = b.issue_id WHERE b.id = :id FOR UPDATE OF b",
            id=batch_id,
        ).one_or_none()
        if row is None:
            raise NotFound(f"There is no batch {batch_id}.")
        require(actor, Permission.DECIDE, row.newsletter_id)
        if not reason.strip():
            raise Invalid("Say why: the reason is kept with the decision.")
        if row.state != "unknown":
            raise Conflict(f"Batch {batch_id} is {row.state}, not unknown; there is nothing to decide.")
        tx.execute(
            """UPDATE batches SET state = :state, review_at = NULL, rung_at = NULL, not_before = NULL, reason = :reason,
                   decided_at = CASE WHEN :sent THEN clock_timestamp() END WHERE id = :id""",
            state="accepted" if sent else "pending",
            sent=sent,
            reason=reason,
            id=batch_id,
        )
        audit(tx, actor, "resolve", f"batch {batch_id}", decision="sent" if sent else "not sent", reason=reason)
    with transaction() as tx:
        if tx.execute("SELECT state FROM issues WHERE id = :id", id=row.issue_id).scalar_one() == "cancelled":
            cancel_pending(tx, row.issue_id)
        else:
            go_on(tx, row.issue_id)


def rebind(issue_id: int, *, actor: str) -> str:
    """Send the issue through this process's provider from now on: a deliberate change of account. Returns the provider."""
    with transaction() as tx:
        row = _locked(tx, issue_id)
        require(actor, Permission.ADMINISTER)
        if row["state"] in ("sent", "cancelled"):
            raise Conflict(f"Issue {issue_id} is {row['state']}; nothing of it is left to send.")
        audit(tx, actor, "rebind", f"issue {issue_id}", before=row["provider"], after=current().provider)
        tx.execute(
            "UPDATE issues SET provider = :provider, state_reason = NULL WHERE id = :id",
            provider=current().provider,
            id=issue_id,
        )
    with transaction() as tx:
        ring(tx, issue_id)
    return current().provider


def halt(*, reason: str, actor: str) -> None:
    """Send nothing of any issue from now on; requests under way may finish. Raises Invalid without a reason."""
    require(actor, Permission.ADMINISTER)
    if not reason.strip():
        raise Invalid("Say why: the reason is kept and shown.")
    with transaction() as tx:
        tx.execute(
            "UPDATE installation SET stopped_at = coalesce(stopped_at, clock_timestamp()), stopped_because = :why",
            why=reason,
        )
        audit(tx, actor, "halt", "everything", reason=reason)


def unhalt(*, actor: str) -> None:
    """Take the stop back; the sweep rings for what is due."""
    require(actor, Permission.ADMINISTER)
    with transaction() as tx:
        tx.execute("UPDATE installation SET stopped_at = NULL, stopped_because = NULL")
        tx.execute("UPDATE batches SET rung_at = NULL WHERE state = 'pending'")
        audit(tx, actor, "unhalt", "everything")


def _locked(tx: Transaction, issue_id: int) -> dict[str, Any]:
    row = (
        tx.execute(
            "SELECT i.*, w.needs_approval FROM issues i JOIN newsletters w ON w.id = i.newsletter_id WHERE i.id = :id FOR UPDATE OF i",
            id=issue_id,
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound(f"There is no issue {issue_id}.")
    return dict(row)


def _hint(state: str) -> str:
    return " Resume it instead." if state in ("paused", "held") else ""
