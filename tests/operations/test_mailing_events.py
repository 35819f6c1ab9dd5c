"""What SendGrid tells of the service's own mails: no strays, first times only, and the same consequences as elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest

from service import queue
from service.db import transaction
from service.operations import alarms, looking, newsletter_settings, scheduling, sweeping, team_mails
from service.operations.mailing_sending import _claim
from service.tokens import email_key
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.operations.mails import Bells, Sql, states, work
from tests.operations.test_mailing_sending import ADA, a_mail, a_welcome, later
from tests.operations.test_tracking import NOW, deliver
from tests.team import an_operator

__all__ = ["deliver"]

Deliver = Callable[..., None]


def an_event(kind: str, mail: int, at: int = NOW, **more: Any) -> dict[str, Any]:
    return {"email": ADA, "event": kind, "timestamp": at, "mail": str(mail), "category": ["service"], **more}


def strays(sql: Sql) -> int:
    return int(sql("SELECT coalesce(sum(strays), 0) FROM payloads")[0][0])


def test_events_of_the_sandbox_about_a_confirmation_are_no_strays(
    bells: Bells, drain: Callable[..., int], sandbox: Sandbox, web: str, sql: Sql
) -> None:
    sandbox.script(events={"enabled": True, "delay_ms": 0, "bounce": 0, "blocked": 0, "deferred": 0, "complaint": 0})
    a_mail(bells)
    work(bells)
    sandbox.wait_until_told()
    drain(only=queue.INGEST_PAYLOADS)
    assert strays(sql) == 0
    assert sql("SELECT state, delivered_at IS NOT NULL, bounced_at FROM mails") == [("sent", True, None)]


def test_events_about_mails_to_the_team_to_seeds_and_about_tests_are_no_strays(
    drain: Callable[..., int], sandbox: Sandbox, web: str, sql: Sql
) -> None:
    sandbox.script(events={"enabled": True, "delay_ms": 0, "bounce": 0, "blocked": 0, "deferred": 0, "complaint": 0})
    newsletter = a_newsletter()
    readers(newsletter, ["mei@readers.example"])
    newsletter_settings.change("monthly", actor="test", seeds=["seed@team.example"])
    issue = an_issue(newsletter)
    looking.send_test(issue, ["test@team.example"], actor="test")
    scheduling.schedule(issue, actor="test")
    an_operator("owner", address="ada@team.example")
    with transaction() as tx:
        alarms.open_alarm(tx, "late", "sweep sending", "A duty is late.")
    team_mails.sweep()
    drain()
    sweeping.sweep_sending()
    drain()
    for address in ("ada", "seed", "test"):
        assert len(sandbox.messages(f"{address}@team.example")) == 1
    sandbox.wait_until_told()
    drain(only=queue.INGEST_PAYLOADS)
    assert sql("SELECT sum(events) >= 8, sum(strays) FROM payloads WHERE state = 'ingested'") == [(True, 0)]


def test_only_the_first_times_are_kept_in_any_order(bells: Bells, sandbox: Sandbox, deliver: Deliver, sql: Sql) -> None:
    mail = a_mail(bells)
    work(bells)
    events = [an_event("delivered", mail, NOW + 9), an_event("delivered", mail, NOW + 3), an_event("processed", mail)]
    deliver(*events)
    for event in [*events, *reversed(events)]:
        deliver(event)
    assert sql("SELECT extract(epoch FROM delivered_at)::bigint FROM mails") == [(NOW + 3,)]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"event": "bounce", "type": "bounce", "status": "5.1.1"}, "hard-bounce"),
        ({"event": "bounce", "type": "blocked", "status": "4.2.2"}, None),
        ({"event": "spamreport"}, "complaint"),
        ({"event": "dropped", "reason": "Bounced Address"}, "hard-bounce"),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, "provider"),
        ({"event": "delivered"}, None),
    ],
)
def test_a_confirmation_that_comes_back_suppresses_the_address_as_elsewhere(
    bells: Bells, sandbox: Sandbox, deliver: Deliver, sql: Sql, event: dict[str, Any], kind: str | None
) -> None:
    mail = a_mail(bells)
    work(bells)
    deliver(an_event(event.pop("event"), mail, **event))
    assert sql("SELECT kind FROM suppressions WHERE email_key = %s", email_key(ADA)) == ([(kind,)] if kind else [])


def test_a_complaint_about_a_welcome_ends_the_subscription(
    bells: Bells, sandbox: Sandbox, deliver: Deliver, sql: Sql
) -> None:
    mail = a_welcome(bells, sql)
    work(bells)
    deliver(an_event("spamreport", mail, NOW + 60))
    assert sql("SELECT state FROM subscriptions") == [("unsubscribed",)]
    assert sql("SELECT action, method FROM consent_records ORDER BY id") == [("withdrawn", "event-complained")]


def test_an_event_proves_that_an_unknown_mail_was_sent(
    bells: Bells, sandbox: Sandbox, deliver: Deliver, sql: Sql
) -> None:
    mail = a_mail(bells)
    _claim(mail)
    later(sql)
    assert states(sql) == [("confirm", "unknown")]
    deliver(an_event("processed", mail))
    assert states(sql) == [("confirm", "sent")]


def test_an_event_about_a_mail_that_was_never_handed_over_does_nothing(
    bells: Bells, sandbox: Sandbox, deliver: Deliver, sql: Sql
) -> None:
    mail = a_mail(bells)
    deliver(an_event("spamreport", mail), an_event("spamreport", mail + 1), an_event("spamreport", 10**17))
    assert (strays(sql), states(sql)) == (3, [("confirm", "pending")])
    assert sql("SELECT count(*) FROM suppressions") == [(0,)]


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "٣", "9" * 19, 7, None, ["1"]])
def test_an_id_that_is_none_is_a_stray(bells: Bells, deliver: Deliver, sql: Sql, value: object) -> None:
    deliver(an_event("delivered", 1) | {"mail": value})
    assert strays(sql) == 1
