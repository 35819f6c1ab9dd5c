"""Mails to the team: asked for, claimed, posted once, recorded. What cannot be known is unknown and never sent again by itself.
Whoever asks for a link is told the same whatever we know of the address."""

from datetime import timedelta
from typing import Any

import structlog

from service import epoch, queue
from service.clients import sendgrid
from service.clients.sendgrid_events import OWN_ARGUMENT
from service.db import transaction
from service.domain.outcomes import Answer
from service.log import named
from service.operations import signing_in
from service.operations.auditing import audit
from service.operations.duties import duty
from service.operations.epochs_known import ANSWERING, IN_FORCE
from service.operations.team_letters import TeamLetter, write

log = structlog.get_logger(__name__)

RESETS_A_DAY = 5
"""Mails with a link that one person gets within 24 hours."""
TRIES = 5
LEASE = timedelta(minutes=5)
PAUSE = timedelta(minutes=1)
REPORT_AFTER = timedelta(hours=24)
"""Most events have come by then."""
REPORT_WITHIN = timedelta(days=7)

_RESET = """
    INSERT INTO team_mails (operator_id, kind)
    SELECT o.id, 'reset' FROM operators o WHERE o.address = :address AND o.disabled_at IS NULL
      AND (SELECT count(*) FROM team_mails m WHERE m.operator_id = o.id AND m.kind = 'reset' AND m.created_at > clock_timestamp() - interval '1 day') < :most
"""
# Who made, approved or sent it, and is still let in.
_REPORTS = f"""
    INSERT INTO team_mails (operator_id, kind, issue_id)
    SELECT DISTINCT o.id, 'report', i.id FROM issues i
    JOIN audit_entries a ON a.subject = 'issue ' || i.id AND a.action IN ('create', 'approve', 'schedule')
    JOIN operators o ON a.actor = 'operator ' || o.id AND o.disabled_at IS NULL
    WHERE i.state IN ('sent', 'cancelled') AND i.sent_at < clock_timestamp() - CAST(:after AS interval) AND i.sent_at > clock_timestamp() - CAST(:within AS interval) AND {IN_FORCE}
    ON CONFLICT DO NOTHING
"""
_CLAIM = f"""
    UPDATE team_mails m SET state = 'sending', tries = tries + 1, lease_until = clock_timestamp() + CAST(:lease AS interval)
    FROM operators o WHERE m.id = :id AND o.id = m.operator_id AND m.state = 'pending'
      AND (m.not_before IS NULL OR m.not_before <= clock_timestamp()) AND {ANSWERING}
    RETURNING m.id, m.operator_id, m.kind, m.issue_id, m.alarm_id, m.created_at, o.address, o.name, o.time_zone, o.password_hash, o.disabled_at
"""


def ask_for_reset(typed: str, *, network: str) -> None:
    """Ask for a link to set the password to be mailed, if there is such a person. The mail is made later, so that nobody sees by
    the time whether there is. Raises TooManyTries."""
    address, account = signing_in.account_of("reset", typed)
    with transaction() as tx:
        signing_in.make_wait(tx, account, network)
        tx.execute(_RESET, address=address, most=RESETS_A_DAY)
    signing_in.note_failure(account, network)


@named("team_mail")
def send(mail_id: int) -> None:
    """Send the mail, unless it is not due, or somebody else has it."""
    with transaction() as tx:
        row = tx.execute(_CLAIM, epoch.parameters(), id=mail_id, lease=LEASE).mappings().one_or_none()
        if row is None:
            return
        letter = write(tx, dict(row))
        if isinstance(letter, str):
            _finish(tx, mail_id, "failed", letter)
            return
        audit(tx, "service", f"mail a {row['kind']}", f"operator {row['operator_id']}", issue=row["issue_id"])
    verdict = sendgrid.post(_body(letter))
    with transaction() as tx:
        if verdict.answer is Answer.ACCEPTED:
            tx.execute("UPDATE team_mails SET sent_at = clock_timestamp() WHERE id = :id", id=mail_id)
            _finish(tx, mail_id, "sent", None)
        elif verdict.answer in (Answer.NOT_CONNECTED, Answer.THROTTLED, Answer.UNAUTHORISED):
            _finish(tx, mail_id, "pending", verdict.reason)
        else:
            _finish(tx, mail_id, "unknown" if verdict.answer is Answer.UNKNOWN else "failed", verdict.reason)


def sweep() -> None:
    """Ask for the reports that are due, ring for what waits, and give up what nobody recorded."""
    duty("sweep team mails", _sweep)


def _sweep() -> None:
    with transaction() as tx:
        tx.execute(
            "UPDATE team_mails SET state = 'unknown', reason = 'no answer was recorded' WHERE state = 'sending' AND lease_until < clock_timestamp()"
        )
        tx.execute(_REPORTS, epoch.parameters(), after=REPORT_AFTER, within=REPORT_WITHIN)
        waiting = tx.execute(
            "SELECT id FROM team_mails WHERE state = 'pending' AND (not_before IS NULL OR not_before <= clock_timestamp()) ORDER BY id LIMIT 100"
        ).scalars()
        for mail_id in list(waiting):
            tx.enqueue(queue.SEND_TEAM_MAIL, mail_id)


def _finish(tx: Any, mail_id: int, state: str, reason: str | None) -> None:
    """`pending`: once more later, but not for ever."""
    tx.execute(
        """UPDATE team_mails SET state = CASE WHEN CAST(:state AS text) = 'pending' AND tries >= :tries THEN 'failed' ELSE :state END,
               reason = :reason, lease_until = NULL, not_before = clock_timestamp() + CAST(:pause AS interval) * tries WHERE id = :id""",
        id=mail_id,
        state=state,
        reason=reason,
        tries=TRIES,
        pause=PAUSE,
    )


def _body(letter: TeamLetter) -> dict[str, Any]:
    return {
        "from": {"email": letter.sender_address, "name": letter.sender_name},
        "subject": letter.subject,
        "content": [{"type": "text/plain", "value": letter.text}, {"type": "text/html", "value": letter.html}],
        "categories": ["team"],
        "custom_args": {OWN_ARGUMENT: "team"},
        "headers": {"Auto-Submitted": "auto-generated"},
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
        "personalizations": [{"to": [{"email": letter.to}]}],
    }
