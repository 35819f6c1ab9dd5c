"""How one mail of the service itself is sent: once, to whom it still may go, with no word of a reader's in it."""

import json
import sqlite3
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service import queue
from service.db import transaction
from service.domain.outcomes import Answer, Verdict
from service.operations import mailing, mailing_sending, mailing_sweep
from service.operations.mailing_sending import _claim, _finish
from service.operations.suppressing import suppress
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter, readers
from tests.conftest import Sandbox, free_port
from tests.operations.mails import Bells, Sql, a_signup, states, work

ADA = "ada@readers.example"
pytestmark = pytest.mark.usefixtures("database")


def a_mail(bells: Bells, **words: Any) -> int:
    """A confirmation mail that waits to be sent."""
    a_signup([a_newsletter()], ADA, **words)
    work(bells, only=queue.ANSWER_SIGNUP)
    with transaction() as tx:
        found: int = tx.execute("SELECT max(id) FROM mails").scalar_one()
    return found


def a_welcome(bells: Bells, sql: Sql, **words: Any) -> int:
    """A welcome mail that waits to be sent to a reader of the newsletter."""
    newsletter = a_newsletter("welcoming")
    (subscription,) = readers(newsletter, [ADA])
    if words:
        sql("UPDATE newsletters SET welcome = %s", words["welcome"])
    with transaction() as tx:
        return mailing.ask_for(
            tx,
            "welcome",
            email_key=email_key(ADA),
            language="en",
            newsletter_id=newsletter,
            subscriber_id=tx.execute(
                "SELECT subscriber_id FROM subscriptions WHERE id = :id", id=subscription
            ).scalar_one(),
        )


def later(sql: Sql) -> None:
    """Let time pass for whatever waits."""
    sql("UPDATE mails SET not_before = NULL, rung_at = NULL WHERE state = 'pending'")
    sql("UPDATE mails SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'sending'")
    mailing_sweep.sweep_mail()


def stored_requests(database: Settings) -> list[dict[str, Any]]:
    """Every request as the sandbox got it."""
    with sqlite3.connect(f"file:{database.home}/sandbox/sandbox.sqlite3?mode=ro", uri=True) as store:
        rows = store.execute("SELECT gzipped FROM body").fetchall()
    return [json.loads(zlib.decompress(row[0], wbits=47)) for row in rows]


@pytest.mark.parametrize("answer", ["500", "500-after-accept", "drop", "drop-after-accept", "garbage", "redirect"])
def test_a_lost_answer_leaves_the_mail_unknown_and_it_is_not_sent_again(
    bells: Bells, sandbox: Sandbox, sql: Sql, answer: str
) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": answer}])
    a_mail(bells)
    work(bells)
    before = sandbox.stats["requests"]
    later(sql)
    work(bells)
    assert (states(sql), sandbox.stats["requests"]) == ([("confirm", "unknown")], before)


def test_the_reader_may_ask_for_another_when_the_answer_was_lost(bells: Bells, sandbox: Sandbox, sql: Sql) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": "drop"}])
    a_mail(bells)
    work(bells)
    sql("UPDATE signups SET created_at = created_at - interval '2 minutes'")
    ((signup,),) = sql("SELECT id FROM signups")
    assert mailing.resend(signup)
    work(bells)
    assert states(sql) == [("confirm", "unknown"), ("confirm", "sent")]


@pytest.mark.parametrize("answer", ["429", "429-bare", "401", "403"])
def test_what_is_refused_for_now_is_sent_later(bells: Bells, sandbox: Sandbox, sql: Sql, answer: str) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": answer, "reset_in": 60}])
    a_mail(bells)
    work(bells)
    assert states(sql) == [("confirm", "pending")]
    wait = sql("SELECT extract(epoch FROM not_before - clock_timestamp()) FROM mails")[0][0]
    assert (50 if answer == "429" else 0.5) < wait < 61
    sql("UPDATE mails SET rung_at = NULL")
    mailing_sweep.sweep_mail()
    assert work(bells) == 0, "not before its time"
    later(sql)
    work(bells)
    assert (states(sql), len(sandbox.messages(ADA))) == ([("confirm", "sent")], 1)


def test_a_provider_that_cannot_be_reached_is_tried_again(
    bells: Bells, sandbox: Sandbox, other_settings: Callable[..., Settings], database: Settings, sql: Sql
) -> None:
    a_mail(bells)
    other_settings(sendgrid_url=f"http://127.0.0.1:{free_port()}")
    work(bells)
    assert states(sql) == [("confirm", "pending")]
    other_settings(sendgrid_url=database.sendgrid_url)
    later(sql)
    work(bells)
    assert states(sql) == [("confirm", "sent")]


@pytest.mark.parametrize("answer", ["400-unnamed", "400-named", "413"])
def test_a_definite_refusal_is_the_end_of_it(bells: Bells, sandbox: Sandbox, sql: Sql, answer: str) -> None:
    sandbox.script(rules=[{"when": {"nth": 1}, "do": answer}])
    a_mail(bells)
    work(bells)
    later(sql)
    work(bells)
    assert (states(sql), sandbox.messages(ADA)) == ([("confirm", "failed")], [])


def test_a_mail_whose_worker_died_after_the_claim_is_unknown_and_not_sent_again(
    bells: Bells, sandbox: Sandbox, sql: Sql
) -> None:
    mail = a_mail(bells)
    assert _claim(mail) is not None
    mailing_sweep.sweep_mail()
    assert states(sql) == [("confirm", "sending")], "its lease has not ended"
    later(sql)
    work(bells)
    assert (states(sql), sandbox.messages(ADA)) == ([("confirm", "unknown")], [])


def test_an_answer_that_comes_after_the_lease_still_counts_when_it_is_yes(
    bells: Bells, sandbox: Sandbox, sql: Sql
) -> None:
    mail = a_mail(bells)
    _claim(mail)
    later(sql)
    _finish(mail, Verdict(Answer.THROTTLED))
    assert states(sql) == [("confirm", "unknown")], "a late no proves nothing about what was sent"
    _finish(mail, Verdict(Answer.ACCEPTED))
    assert states(sql) == [("confirm", "sent")]


def test_workers_side_by_side_send_a_mail_once(bells: Bells, sandbox: Sandbox, sql: Sql) -> None:
    mail = a_mail(bells)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(mailing_sending.send_mail, [mail] * 24))
    assert (len(sandbox.messages(ADA)), sandbox.stats["requests"]) == (1, 1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE signups SET email_key = '\\x00'", "address_changed"),
        ("UPDATE signups SET state = 'confirmed', confirmed_at = clock_timestamp()", "settled"),
        ("UPDATE signups SET created_at = clock_timestamp() - interval '8 days'", "expired"),
    ],
)
def test_what_changed_since_it_was_asked_for_keeps_a_confirmation_back(
    bells: Bells, sandbox: Sandbox, sql: Sql, change: str, why: str
) -> None:
    a_mail(bells)
    sql(change)
    work(bells)
    assert sql("SELECT state, reason FROM mails") == [("failed", why)]
    assert sandbox.messages(ADA) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE subscriptions SET state = 'unsubscribed'", "left"),
        ("UPDATE mails SET created_at = created_at - interval '4 days'", "expired"),
        ("UPDATE subscribers SET email_key = '\\x01'", "address_changed"),
    ],
)
def test_what_changed_since_it_was_asked_for_keeps_a_welcome_back(
    bells: Bells, sandbox: Sandbox, sql: Sql, change: str, why: str
) -> None:
    a_welcome(bells, sql)
    sql(change)
    work(bells)
    assert sql("SELECT state, reason FROM mails") == [("failed", why)]


@pytest.mark.parametrize(
    ("kind", "confirm", "welcome"),
    [
        ("hard-bounce", "failed", "failed"),
        ("complaint", "failed", "failed"),
        ("provider", "failed", "failed"),
        ("manual", "failed", "failed"),
        ("left-all", "sent", "failed"),
    ],
)
def test_a_suppression_is_read_again_when_the_mail_is_sent(
    bells: Bells, sandbox: Sandbox, sql: Sql, kind: str, confirm: str, welcome: str
) -> None:
    a_mail(bells)
    with transaction() as tx:
        suppress(tx, email_key(ADA), kind=kind, source="test")
    work(bells)
    a_welcome(bells, sql)
    work(bells)
    assert states(sql) == [("confirm", confirm), ("welcome", welcome)]
    assert len(sandbox.messages(ADA)) == [confirm, welcome].count("sent")


def test_a_stop_holds_the_welcome_back_but_not_what_a_reader_waits_for(
    bells: Bells, sandbox: Sandbox, sql: Sql
) -> None:
    sql("UPDATE installation SET stopped_at = clock_timestamp()")
    a_mail(bells)
    work(bells)
    assert states(sql) == [("confirm", "sent")]
    a_welcome(bells, sql)
    work(bells)
    later(sql)
    assert work(bells) == 0, "the sweep does not ring for it either"
    assert states(sql)[1] == ("welcome", "pending")
    sql("UPDATE installation SET stopped_at = NULL")
    later(sql)
    work(bells)
    assert states(sql)[1] == ("welcome", "sent")


def test_no_word_of_a_readers_is_in_what_is_sent_and_no_address_but_where_it_goes(
    bells: Bells, sandbox: Sandbox, database: Settings
) -> None:
    a_mail(
        bells,
        first_name="Win at https://evil.example/now",
        last_name="Ludmilla",
        attributes={"organisation": "Cheap pills"},
    )
    work(bells)
    (request,) = stored_requests(database)
    written = json.dumps(request, ensure_ascii=False)
    assert "evil.example" not in written
    assert "Ludmilla" not in written
    assert "pills" not in written
    assert written.count(ADA) == 1
    assert request["personalizations"] == [{"to": [{"email": ADA}]}]
    assert request["categories"] == ["service"]
    assert list(request["custom_args"]) == ["mail"]
    assert "substitutions" not in written


def test_a_confirmation_is_not_tracked_and_offers_no_leaving(
    bells: Bells, sandbox: Sandbox, database: Settings
) -> None:
    a_mail(bells)
    work(bells)
    (request,) = stored_requests(database)
    assert not any(setting["enable"] for setting in request["tracking_settings"].values())
    assert request["headers"] == {"Auto-Submitted": "auto-generated"}


def test_a_welcome_mail_has_the_teams_words_as_text_and_a_way_to_leave(
    bells: Bells, sandbox: Sandbox, database: Settings, sql: Sql
) -> None:
    a_welcome(bells, sql, welcome="Good to have <you>.\n\nSee {{ 7 * 7 }}\n& more.")
    work(bells)
    (request,) = stored_requests(database)
    text, html = (part["value"] for part in request["content"])
    assert "Good to have &lt;you&gt;." in html
    assert "See {{ 7 * 7 }}<br>&amp; more." in html
    assert "Good to have <you>.\n\nSee {{ 7 * 7 }}\n& more." in text
    leave = request["headers"]["List-Unsubscribe"].strip("<>")
    assert leave.startswith(f"{database.public_url}/u/")
    assert leave in html
    assert leave in text
    assert request["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_first_mail_of_the_service_decides_whether_the_installation_is_a_trial(
    bells: Bells, sandbox: Sandbox, sql: Sql
) -> None:
    a_mail(bells)
    work(bells)
    assert sql("SELECT kind FROM installation") == [("sandbox",)]
    assert sql("SELECT provider FROM mails")[0][0].startswith("sandbox#")


def test_a_trials_worker_sends_no_mail_of_an_installation_that_sends_real_mail(
    bells: Bells, sandbox: Sandbox, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    sql("UPDATE installation SET kind = 'real'")
    a_mail(bells)
    work(bells)
    assert (states(sql), sandbox.stats["requests"]) == ([("confirm", "pending")], 0)
    assert "another kind of provider" in caplog.text
