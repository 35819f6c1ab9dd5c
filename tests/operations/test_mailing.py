"""What a sign-up is answered with: one mail, for whoever may get one, whoever signs up for them and however often."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from service import queue, tokens
from service.db import transaction
from service.operations import mailing, mailing_sweep, retaining
from service.operations.limits import MAILS_PER_MAILBOX
from service.operations.suppressing import suppress
from service.settings import Settings
from service.tokens import Purpose, email_key
from tests.builders import a_newsletter, readers
from tests.conftest import Sandbox
from tests.operations.mails import Bells, Sql, a_signup, states, work

ADA = "ada@readers.example"
pytestmark = pytest.mark.usefixtures("database")


def signup_states(sql: Sql) -> list[str]:
    return [row[0] for row in sql("SELECT state FROM signups ORDER BY id")]


def test_a_sign_up_is_answered_with_a_link_that_confirms_it_and_nothing_else(
    bells: Bells, sandbox: Sandbox, database: Settings, sql: Sql
) -> None:
    signup = a_signup([a_newsletter(name="The Monthly")], ADA)
    work(bells)
    (mail,) = sandbox.messages(ADA)
    (found,) = set(re.findall(rf"{re.escape(database.public_url)}/c/([\w-]+)", mail["html"]))
    assert tokens.read(Purpose.CONFIRM, found) == signup
    assert f"<{database.public_url}/c/{found}>" in mail["text"]
    assert mail["subject"] == "Please confirm: The Monthly"
    assert (signup_states(sql), states(sql)) == (["asked"], [("confirm", "sent")])


def test_the_same_address_a_hundred_times_gets_one_mail(bells: Bells, sandbox: Sandbox, sql: Sql) -> None:
    newsletter = a_newsletter()
    for n in range(100):
        a_signup([newsletter], ADA if n % 2 else ADA.upper())
    work(bells)
    assert len(sandbox.messages("")) == 1
    assert sorted(set(signup_states(sql))) == ["asked", "limited"]


def test_workers_side_by_side_answer_one_address_once(bells: Bells, database: Settings, sql: Sql) -> None:
    newsletter = a_newsletter()
    signups = [a_signup([newsletter], ADA) for _ in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(mailing.answer_signup, signups))
    assert states(sql) == [("confirm", "pending")]


def test_one_who_asks_for_another_newsletter_is_answered_but_three_times_in_a_month_at_most(
    bells: Bells, database: Settings, sql: Sql
) -> None:
    newsletters = [a_newsletter(f"letter-{n}", name=f"Letter {n}") for n in range(5)]
    for newsletter in newsletters:
        a_signup([newsletter], ADA)
    work(bells, only=queue.ANSWER_SIGNUP)
    assert signup_states(sql) == ["asked", "asked", "asked", "limited", "limited"]
    sql("UPDATE mails SET created_at = created_at - interval '31 days'")
    a_signup(newsletters[:1], ADA)
    work(bells, only=queue.ANSWER_SIGNUP)
    assert signup_states(sql)[-1] == "asked"


def test_the_month_is_remembered_when_the_sign_ups_themselves_are_gone(
    bells: Bells, database: Settings, sql: Sql
) -> None:
    newsletters = [a_newsletter(f"letter-{n}", name=f"Letter {n}") for n in range(4)]
    for newsletter in newsletters[:3]:
        a_signup([newsletter], ADA)
    work(bells, only=queue.ANSWER_SIGNUP)
    for table in ("signups", "mails"):
        sql(f"UPDATE {table} SET created_at = created_at - interval '15 days'")
    sql("UPDATE mails SET state = 'sent' WHERE id <> (SELECT max(id) FROM mails)")
    assert retaining.delete_what_is_due()["unconfirmed_signups"] == 3
    a_signup(newsletters[3:], ADA)
    work(bells, only=queue.ANSWER_SIGNUP)
    assert signup_states(sql) == ["limited"]
    work(bells)
    assert states(sql)[-1] == ("confirm", "failed"), "a mail that waited so long goes nowhere"


def test_tags_and_dots_do_not_make_a_mailbox_many(bells: Bells, database: Settings, sql: Sql) -> None:
    newsletter = a_newsletter()
    for n in range(MAILS_PER_MAILBOX + 4):
        a_signup([newsletter], f"ada+{n}@readers.example")
        a_signup([newsletter], f"a{'.' * (n % 2)}da+{n}@gmail.com")
    a_signup([newsletter], "ida@readers.example")
    work(bells, only=queue.ANSWER_SIGNUP)
    asked = [row[0] for row in sql("SELECT address FROM signups WHERE state = 'asked'")]
    assert sum(one.endswith("@gmail.com") for one in asked) == MAILS_PER_MAILBOX
    assert len(asked) == 2 * MAILS_PER_MAILBOX + 1, "nobody else is limited by it"


def test_a_day_later_the_same_newsletter_may_be_asked_for_again(bells: Bells, database: Settings, sql: Sql) -> None:
    newsletter = a_newsletter()
    a_signup([newsletter], ADA)
    work(bells, only=queue.ANSWER_SIGNUP)
    sql("UPDATE mails SET created_at = created_at - interval '25 hours'")
    a_signup([newsletter], ADA)
    work(bells, only=queue.ANSWER_SIGNUP)
    assert signup_states(sql) == ["asked", "asked"]


def test_a_flood_of_sign_ups_gets_no_more_mails_an_hour_than_the_cap_and_none_is_lost(
    bells: Bells, other_settings: Callable[..., Settings], sql: Sql
) -> None:
    other_settings(signup_mails_per_hour=20)
    newsletter = a_newsletter()
    for n in range(50):
        a_signup([newsletter], f"victim{n:03d}@readers.example")
    answered = []
    for _hour in range(4):
        work(bells, only=queue.ANSWER_SIGNUP)
        sql("UPDATE signups SET rung_at = NULL, created_at = created_at - interval '20 seconds'")
        mailing_sweep.sweep_mail()
        work(bells, only=queue.ANSWER_SIGNUP)
        answered.append(
            sql("SELECT count(*) FROM mails WHERE created_at > clock_timestamp() - interval '1 hour'")[0][0]
        )
        sql("UPDATE mails SET created_at = created_at - interval '61 minutes'")
    assert answered == [20, 20, 10, 0]
    assert set(signup_states(sql)) == {"asked"}


def test_the_cap_holds_when_workers_answer_side_by_side(
    bells: Bells, other_settings: Callable[..., Settings], sql: Sql
) -> None:
    other_settings(signup_mails_per_hour=5)
    newsletter = a_newsletter()
    signups = [a_signup([newsletter], f"victim{n:03d}@readers.example") for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(mailing.answer_signup, signups))
    assert len(states(sql)) == 5


def test_the_sweep_rings_for_no_more_sign_ups_than_may_be_answered(
    bells: Bells, other_settings: Callable[..., Settings], sql: Sql
) -> None:
    other_settings(signup_mails_per_hour=3)
    newsletter = a_newsletter()
    for n in range(9):
        a_signup([newsletter], f"victim{n:03d}@readers.example")
    bells.clear()
    sql("UPDATE signups SET created_at = created_at - interval '1 minute'")
    mailing_sweep.sweep_mail()
    assert len([bell for bell in bells if bell[0] == queue.ANSWER_SIGNUP]) == 3


@pytest.mark.parametrize("kind", ["hard-bounce", "complaint", "provider", "manual"])
def test_a_suppressed_address_is_not_written_to(bells: Bells, sandbox: Sandbox, sql: Sql, kind: str) -> None:
    with transaction() as tx:
        suppress(tx, email_key(ADA), kind=kind, source="test")
    a_signup([a_newsletter()], ADA)
    work(bells)
    assert (signup_states(sql), states(sql), sandbox.messages(ADA)) == (["suppressed"], [], [])


def test_one_who_left_everything_may_come_back_by_confirming(bells: Bells, sandbox: Sandbox) -> None:
    with transaction() as tx:
        suppress(tx, email_key(ADA), kind="left-all", source="test")
    a_signup([a_newsletter()], ADA)
    work(bells)
    assert len(sandbox.messages(ADA)) == 1


def test_one_who_gets_it_already_is_told_so_without_a_link_that_confirms(
    bells: Bells, sandbox: Sandbox, database: Settings, sql: Sql
) -> None:
    newsletter = a_newsletter(name="The Monthly")
    readers(newsletter, [ADA])
    a_signup([newsletter], ADA)
    work(bells)
    (mail,) = sandbox.messages(ADA)
    assert mail["subject"] == "You get this already: The Monthly"
    assert "/c/" not in mail["html"] + mail["text"]
    assert f"{database.public_url}/manage" in mail["text"]
    assert signup_states(sql) == ["known"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE subscriptions SET state = 'unsubscribed'",
        "UPDATE subscriptions SET expires_at = clock_timestamp() - interval '1 day'",
        "UPDATE newsletters SET needs_export_consent = true",
    ],
    ids=["left", "consent expired", "transfer not agreed to"],
)
def test_one_who_would_get_no_issue_is_asked_to_confirm(
    bells: Bells, database: Settings, sql: Sql, change: str
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, [ADA])
    sql(change)
    a_signup([newsletter], ADA)
    work(bells, only=queue.ANSWER_SIGNUP)
    assert states(sql) == [("confirm", "pending")]


def test_one_who_gets_some_of_the_newsletters_is_asked_to_confirm_the_choice(
    bells: Bells, sandbox: Sandbox, sql: Sql
) -> None:
    first, second = a_newsletter("one", name="Letter One"), a_newsletter("two", name="Letter Two")
    readers(first, [ADA])
    a_signup([first, second], ADA)
    work(bells)
    (mail,) = sandbox.messages(ADA)
    assert "Letter One" in mail["text"]
    assert "Letter Two" in mail["text"]
    assert states(sql) == [("confirm", "sent")]


def test_a_bell_that_rings_twice_changes_no_answer(bells: Bells, database: Settings, sql: Sql) -> None:
    signup = a_signup([a_newsletter()], ADA)
    for _ in range(3):
        mailing.answer_signup(signup)
    assert (signup_states(sql), len(states(sql))) == (["asked"], 1)


def test_send_it_again_works_after_a_minute_and_three_mails_are_the_end(
    bells: Bells, sandbox: Sandbox, sql: Sql
) -> None:
    signup = a_signup([a_newsletter()], ADA)
    work(bells)
    assert not mailing.resend(signup), "a minute has not passed"
    for _ in range(4):
        sql(
            "UPDATE signups SET created_at = created_at - interval '61 seconds', rung_at = rung_at - interval '61 seconds'"
        )
        assert mailing.resend(signup)
        assert not mailing.resend(signup)
        work(bells)
    assert len(sandbox.messages(ADA)) == 3
    assert signup_states(sql) == ["limited"]


def test_send_it_again_says_the_same_whatever_is_known_of_the_address(
    bells: Bells, database: Settings, sql: Sql
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, ["known@readers.example"])
    with transaction() as tx:
        suppress(tx, email_key("bounced@readers.example"), kind="hard-bounce", source="test")
    signups = [a_signup([newsletter], f"{name}@readers.example") for name in ("known", "bounced", "new")]
    work(bells, only=queue.ANSWER_SIGNUP)
    assert [mailing.resend(signup) for signup in signups] == [False, False, False]
    sql("UPDATE signups SET created_at = created_at - interval '61 seconds'")
    assert [mailing.resend(signup) for signup in signups] == [True, True, True]


def test_a_confirmed_sign_up_is_not_answered_again(bells: Bells, database: Settings, sql: Sql) -> None:
    signup = a_signup([a_newsletter()], ADA)
    work(bells, only=queue.ANSWER_SIGNUP)
    sql(
        "UPDATE signups SET state = 'confirmed', confirmed_at = clock_timestamp(), created_at = created_at - interval '1 hour'"
    )
    assert not mailing.resend(signup)


def test_a_lost_bell_costs_seconds_only(bells: Bells, sandbox: Sandbox, sql: Sql) -> None:
    a_signup([a_newsletter()], ADA)
    bells.clear()
    mailing_sweep.sweep_mail()
    assert work(bells) == 0, "it may only be late"
    sql("UPDATE signups SET created_at = created_at - interval '16 seconds'")
    mailing_sweep.sweep_mail()
    assert work(bells, only=queue.ANSWER_SIGNUP) == 1
    bells.clear()
    sql("UPDATE mails SET rung_at = rung_at - interval '16 seconds'")
    mailing_sweep.sweep_mail()
    work(bells)
    assert len(sandbox.messages(ADA)) == 1
