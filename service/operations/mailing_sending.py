"""Sends one mail of the service: claim, call, record. One row is one POST at a time; what cannot be known is unknown and never
sent again by itself, because its reader can ask for another."""

import time
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError, OperationalError

from service import epoch
from service.clients import sendgrid
from service.clients.sendgrid_events import MAIL_ARGUMENT
from service.db import Transaction, transaction
from service.domain.outcomes import Answer, Verdict
from service.errors import RetryLater
from service.log import named
from service.operations.epochs_known import ANSWERING
from service.operations.mailing_letters import Addressed, addressed
from service.operations.recording import LONGEST_WAIT
from service.operations.sending import LEASE, RECORD_PAUSES
from service.rendering import service_mail
from service.settings import current

log = structlog.get_logger(__name__)

CATEGORY = "service"

# A reader waits for every kind but the welcome mail, which therefore waits while sending is stopped; whoever stops sending
# does not mean to leave people without their confirmation.
DUE = f"""
    m.state = 'pending' AND (m.not_before IS NULL OR m.not_before <= clock_timestamp())
    AND (m.kind <> 'welcome' OR i.stopped_at IS NULL) AND {ANSWERING}
"""
_CLAIM = f"""
    UPDATE mails m SET state = 'sending', tries = m.tries + 1, provider = :provider, rung_at = NULL, lease_until = clock_timestamp() + :lease
    FROM installation i WHERE m.id = :mail AND i.kind = :kind AND {DUE}
    RETURNING m.id
"""
_MAY_PASS = (Answer.THROTTLED, Answer.NOT_CONNECTED, Answer.UNAUTHORISED)


@named("mail")
def send_mail(mail_id: int) -> None:
    """Send the mail, unless it is not due, or somebody else has it. Raises RetryLater when its answer could not be recorded."""
    letter = _claim(mail_id)
    if letter is None:
        return
    try:
        body = build(letter)
    except Exception:
        # Nothing was written to anybody.
        _finish(mail_id, Verdict(Answer.REQUEST_REJECTED, reason="the mail could not be rendered"))
        raise
    _finish(mail_id, sendgrid.post(body))


def build(letter: Addressed) -> dict[str, Any]:
    """The body of POST /v3/mail/send: the mail's id, but no word about its reader, in what SendGrid keeps and shows."""
    mail = service_mail.render(letter.kind, letter.language, letter.letter)
    body: dict[str, Any] = {
        "from": letter.sender,
        "subject": mail.subject,
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}],
        "categories": [CATEGORY],
        "custom_args": {MAIL_ARGUMENT: str(letter.mail_id)},
        # So that no absence notice answers it.
        "headers": {"Auto-Submitted": "auto-generated"} | _leaving(letter),
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
        "personalizations": [{"to": [{"email": letter.address}]}],
    }
    if letter.reply_to:
        body["reply_to"] = {"email": letter.reply_to}
    return body


def _leaving(letter: Addressed) -> dict[str, str]:
    """The headers by which inboxes offer leaving: only in a mail that a subscription is the reason for."""
    if letter.letter.leave_url is None:
        return {}
    return {
        "List-Unsubscribe": f"<{letter.letter.leave_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": letter.list_id,
    }


def _claim(mail_id: int) -> Addressed | None:
    """Take the mail and read whether and where it may go; committed before a byte is written."""
    with transaction() as tx:
        tx.execute("UPDATE installation SET kind = :kind WHERE kind IS NULL", kind=current().kind)
        taken = tx.execute(
            _CLAIM, epoch.parameters(), mail=mail_id, provider=current().provider, kind=current().kind, lease=LEASE
        ).one_or_none()
        if taken is None:
            _refuse_if_foreign(tx, mail_id)
            return None
        letter = addressed(tx, mail_id)
        if isinstance(letter, Addressed):
            return letter
        tx.execute(
            "UPDATE mails SET state = 'failed', reason = :why, lease_until = NULL WHERE id = :id",
            why=letter,
            id=mail_id,
        )
    log.info("mail not sent", mail=mail_id, why=letter)
    return None


def _refuse_if_foreign(tx: Transaction, mail_id: int) -> None:
    """Be loud when this process is for trials and the installation is not, or the other way round."""
    kind = tx.execute(
        "SELECT i.kind FROM installation i, mails m WHERE m.id = :id AND m.state = 'pending' AND i.kind <> :mine",
        id=mail_id,
        mine=current().kind,
    ).scalar_one_or_none()
    if kind is not None:
        log.error("refused: another kind of provider", mail=mail_id, installation=kind, mine=current().kind)


def _finish(mail_id: int, verdict: Verdict) -> None:
    """Record the answer, which exists nowhere else: a database that restarts just now is worth a few tries."""
    for pause in RECORD_PAUSES:
        try:
            with transaction() as tx:
                state = _record(tx, mail_id, verdict)
            break
        except DBAPIError as error:
            if not error.connection_invalidated and not isinstance(error, OperationalError):
                raise
            log.warning("answer not recorded yet", mail=mail_id, answer=str(verdict.answer))
            time.sleep(pause)
    else:
        raise RetryLater(f"the answer to mail {mail_id} could not be recorded: its lease ends, and then it is unknown")
    level = log.info if verdict.answer is Answer.ACCEPTED else log.warning
    level("mail recorded", mail=mail_id, state=state, answer=str(verdict.answer), status=verdict.status)


def _record(tx: Transaction, mail_id: int, verdict: Verdict) -> str | None:
    """The state that the mail came to; None when an event or the end of its lease came first, and stays right."""
    if verdict.answer is Answer.ACCEPTED:
        return _move(tx, mail_id, "sent", verdict, "sending", "unknown")
    if verdict.answer is Answer.UNKNOWN:
        return _move(tx, mail_id, "unknown", verdict, "sending")
    if verdict.answer in _MAY_PASS:
        return _move(tx, mail_id, "pending", verdict, "sending")
    return _move(tx, mail_id, "failed", verdict, "sending")


def _move(tx: Transaction, mail_id: int, state: str, verdict: Verdict, *expected: str) -> str | None:
    found: str | None = tx.execute(
        """UPDATE mails SET state = :state, reason = :reason, lease_until = NULL,
               sent_at = CASE WHEN :state = 'sent' THEN clock_timestamp() END,
               not_before = CASE WHEN :state = 'pending' THEN clock_timestamp() + least(:longest, greatest(interval '1 second',
                   coalesce(to_timestamp(CAST(:until AS double precision)) - clock_timestamp(), interval '1 second' * (2 ^ least(tries, 10))))) END
           WHERE id = :id AND state = ANY(:expected) RETURNING state""",
        state=state,
        reason=verdict.reason or None,
        longest=LONGEST_WAIT,
        until=verdict.wait_until,
        id=mail_id,
        expected=list(expected),
    ).scalar_one_or_none()
    return found
