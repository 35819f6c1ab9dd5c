"""The mails that a reader waits for have a queue and a worker of their own; one request, one mail a task, and sign-ups as they were rung
for together."""

from service import queue
from service.operations import linking, mailing, mailing_sending, mailing_sweep, team_mails, upkeep
from tasks.app import app


@app.task(name=queue.ANSWER_SIGNUP)
def answer_signups(*signup_ids: int) -> None:
    mailing.answer_signups(signup_ids)


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
