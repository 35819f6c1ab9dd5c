"""The mails that a reader waits for have a queue and a worker of their own; one request, one mail a task, and sign-ups as they were rung
for together."""

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from service import queue
from service.operations import linking, mailing, mailing_sending, mailing_sweep, team_mails, upkeep
from tasks.app import app

log = structlog.get_logger(__name__)


@app.task(name=queue.ANSWER_SIGNUP)
def answer_signups(*signup_ids: int) -> None:
    """Each by itself: one that fails keeps no other from its answer."""
    failed: Exception | None = None
    for signup_id in signup_ids:
        try:
            mailing.answer_signup(signup_id)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            log.exception("sign-up not answered", signup=signup_id)
            failed = error
    if failed is not None:
        raise failed


@app.task(name=queue.ANSWER_LINK_REQUEST)
def answer_link_request(request_id: int) -> None:
    linking.answer(request_id)


@app.task(name=queue.SEND_MAIL)
def send_mail(mail_id: int) -> None:
    mailing_sending.send_mail(mail_id)


@app.task(name=queue.SEND_TEAM_MAIL)
def send_team_mail(mail_id: int) -> None:
    team_mails.send(mail_id)


@app.task(name=queue.SWEEP_TEAM_MAIL)
def sweep_team_mail() -> None:
    team_mails.sweep()


@app.task(name=queue.SWEEP_MAIL)
def sweep_mail() -> None:
    mailing_sweep.sweep_mail()


@app.task(name=queue.HEARTBEAT_MAIL)
def heartbeat() -> None:
    upkeep.heartbeat("mail worker")
