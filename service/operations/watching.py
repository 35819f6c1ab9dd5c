"""What the clock looks for: things that a person must know of. Opens an alarm for each, holds an issue whose figures are bad, closes what
is over, and posts what was opened to the outgoing webhook. Sending never waits for it."""

import structlog

from service.clients import alarm_webhook
from service.clients.alarm_webhook import NotTakenError
from service.db import Transaction, transaction
from service.operations import alarms, duties, figures, resending, workers
from service.operations.duties import duty
from service.settings import current

log = structlog.get_logger(__name__)

POSTS = 12
"""Tries to post an alarm; each wait is twice the one before, from half a minute to an hour."""

# Issue by issue: what stopped it, unless a person did, or an alarm of its own has said so.
_STOPPED = """
    SELECT i.id, i.subject, i.state, CASE WHEN i.state_reason LIKE 'a worker refused to send it%' THEN 'provider' ELSE 'stopped' END AS kind, i.state_reason
    FROM issues i WHERE i.state_reason IS NOT NULL
      AND (i.state IN ('held', 'paused') AND i.state_reason <> 'paused by a person' OR i.state_reason LIKE 'a worker refused to send it%' AND i.state IN ('scheduled', 'preparing', 'sending'))
      AND NOT EXISTS (SELECT FROM alarms a WHERE a.issue_id = i.id AND a.closed_at IS NULL AND a.kind NOT IN ('stopped', 'provider', 'unknown'))
"""
_UNKNOWN = """
    SELECT i.id, i.subject, count(*) AS batches FROM batches b JOIN issues i ON i.id = b.issue_id
    WHERE b.state = 'unknown' AND b.review_at IS NOT NULL GROUP BY i.id, i.subject
"""
SILENT = """
    SELECT x.sent FROM (SELECT max(recorded_at) AS sent FROM attempts WHERE state = 'accepted' AND issue_id IN
        (SELECT id FROM issues WHERE state = 'sending' OR sent_at > clock_timestamp() - interval '2 days')) x
    WHERE x.sent < clock_timestamp() - interval '1 hour' AND NOT EXISTS (SELECT FROM payloads WHERE received_at >= x.sent - interval '1 hour')
"""
_POST = """
    UPDATE alarms SET post_tries = post_tries + 1,
        post_not_before = clock_timestamp() + least(interval '1 hour', interval '30 seconds' * (2 ^ post_tries))
    WHERE id = (SELECT id FROM alarms WHERE posted_at IS NULL AND post_tries < :most AND closed_at IS NULL
                AND (post_not_before IS NULL OR post_not_before <= clock_timestamp()) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, subject, issue_id, told, opened_at
"""
_HOLD = "UPDATE issues SET state = 'held', state_reason = :why WHERE id = :id AND state = 'sending'"


def watch() -> None:
    """Look at everything once."""
    duty("watch", _watch)


def _watch() -> None:
    with transaction() as tx:
        watched = tx.execute(
            "SELECT id FROM issues WHERE state IN ('sending', 'paused', 'held') AND prepared_at IS NOT NULL OR sent_at > clock_timestamp() - interval '2 days'"
        )
        issues = list(watched.scalars())
    for issue_id in issues:
        judge(issue_id)
    with transaction() as tx:
        _compare(tx, "stopped", {})
        _compare(tx, "unknown", _unknown(tx))
        _compare(tx, "late", _late(tx))
        _compare(tx, "silent", {"webhook": (None, _SILENCE)} if tx.execute(SILENT).one_or_none() else {})
    resending.resend_quiet()
    _post_all()


_SILENCE = (
    "Mail was sent more than an hour ago, and no event has come since. Look whether SendGrid can reach the webhook."
)


def judge(issue_id: int) -> None:
    """Open an alarm for each figure that is bad, and hold the issue for it; unless somebody has seen the same already."""
    with transaction() as tx:
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found = figures.bad_of(tx, issue_id)
    if not found:
        return
    with transaction() as tx:
        for one in found:
            if _is_seen(tx, issue_id, one):
                continue
            tx.execute(_HOLD, why=one.told, id=issue_id)
            _tell(tx, issue_id, one)


def _tell(tx: Transaction, issue_id: int, one: figures.Bad) -> None:
    """What was acknowledged before is another alarm; one that nobody has acknowledged yet keeps the newest count."""
    tx.execute(
        """UPDATE alarms SET figures = jsonb_build_object('number', CAST(:number AS bigint)),
               closed_at = CASE WHEN acknowledged_at IS NOT NULL THEN clock_timestamp() END
           WHERE issue_id = :issue AND kind = :kind AND closed_at IS NULL""",
        number=one.number,
        issue=issue_id,
        kind=one.kind,
    )
    counted = {"number": one.number}
    alarms.open_alarm(tx, one.kind, f"issue {issue_id}", one.told, issue_id=issue_id, figures=counted)


def _is_seen(tx: Transaction, issue_id: int, one: figures.Bad) -> bool:
    number = tx.execute(
        """SELECT max(CAST(figures ->> 'number' AS bigint)) FROM alarms
           WHERE issue_id = :issue AND kind = :kind AND acknowledged_at IS NOT NULL""",
        issue=issue_id,
        kind=one.kind,
    ).scalar_one()
    return number is not None and (one.number <= number or one.number < number * figures.GROWN)


def _unknown(tx: Transaction) -> dict[str, tuple[int | None, str]]:
    return {
        f"issue {row.id}": (
            row.id,
            f"{row.batches:,} {'batch' if row.batches == 1 else 'batches'} of “{row.subject}” nobody can vouch for since an hour or more. Decide about {'it' if row.batches == 1 else 'them'} where the issue is sent.",
        )
        for row in tx.execute(_UNKNOWN)
    }


def _late(tx: Transaction) -> dict[str, tuple[int | None, str]]:
    """Duties that are late, but this one, which is being done; and processes that are missed."""
    late: dict[str, tuple[int | None, str]] = {
        one["name"]: (None, duties.told(one)) for one in duties.states(tx) if one["late"] and one["name"] != "watch"
    }
    return late | {f"process {name}": (None, told) for name, told in workers.missed(tx).items()}


def _compare(tx: Transaction, kind: str, now: dict[str, tuple[int | None, str]]) -> None:
    """Open what is new of the kind, and close what is over. Of issues that were stopped, both kinds at once."""
    kinds = [kind]
    wanted = {(kind, subject): told for subject, told in now.items()}
    if kind == "stopped":
        kinds = ["stopped", "provider"]
        wanted = {
            (row.kind, f"issue {row.id}"): (row.id, f"“{row.subject}” is {row.state}: {row.state_reason}")
            for row in tx.execute(_STOPPED)
        }
    rows = tx.execute("SELECT kind, subject FROM alarms WHERE kind = ANY(:kinds) AND closed_at IS NULL", kinds=kinds)
    for old, subject in rows.all():
        if (old, subject) not in wanted:
            alarms.close(tx, old, subject)
    for (each, subject), (issue_id, told) in wanted.items():
        alarms.open_alarm(tx, each, subject, told, issue_id=issue_id)


def _post_all() -> None:
    """Post what was not posted yet: claimed, posted outside of any transaction, recorded."""
    while current().alarm_webhook_url:
        with transaction() as tx:
            row = tx.execute(_POST, most=POSTS).mappings().one_or_none()
        if row is None:
            return
        try:
            alarm_webhook.post({**row, "opened_at": row["opened_at"].isoformat(), "installation": current().public_url})
            error = None
        except NotTakenError as fault:
            error = str(fault)
            log.warning("alarm not posted", alarm=row["id"], error=error)
        with transaction() as tx:
            tx.execute(
                """UPDATE alarms SET post_error = :error, posted_at = CASE WHEN CAST(:error AS text) IS NULL THEN clock_timestamp() END
                   WHERE id = :id""",
                error=error,
                id=row["id"],
            )
