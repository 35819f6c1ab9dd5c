"""What a confirmed sign-up does to readers who are there already, who left, objected, or may not be written to."""

import json
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from service.db import transaction
from service.operations import confirming, leaving, mailing, proving
from service.operations.confirming import SignupView
from service.operations.signing_up import Origin, sign_up
from service.operations.signup_forms import form_for
from service.operations.suppressing import suppress
from service.settings import Settings
from service.tokens import Purpose, Signer, email_key
from tests.builders import a_newsletter, readers

Sql = Callable[..., list[Any]]
MEI = "mei@readers.example"


@pytest.fixture
def newsletter_id(database: Settings) -> int:
    return a_newsletter(accepts_signups=True)


def signed_up(*purposes: str, **fields: str) -> str:
    """A sign-up of Mei's to all newsletters with these boxes ticked besides; the token of its link."""
    form = form_for(None, "en")
    given = {"address": [MEI], **{name: [text] for name, text in fields.items()}}
    for purpose in ("newsletter", *purposes):
        given[purpose] = [
            f"{one.slug}:{one.wordings[purpose].sha256}" for one in form.offers if purpose in one.wordings
        ]
    signup_id = sign_up(given, slugs=form.slugs, language="en", origin=Origin("page", "203.0.113.0/24", "Firefox"))
    return Signer(Purpose.CONFIRM).sign(signup_id)


def confirmed(*purposes: str, **fields: str) -> SignupView:
    return confirming.confirm(signed_up(*purposes, **fields), "button")


def answers(sql: Sql) -> Any:
    return sql("SELECT state, tracking, export_consent FROM subscriptions")[0]


def test_a_form_fills_what_is_empty_of_a_reader_and_replaces_nothing(newsletter_id: int, sql: Sql) -> None:
    fields = [{"name": name} for name in ("first_name", "last_name", "organisation", "practice")]
    sql("UPDATE newsletters SET signup_fields = %s::jsonb", json.dumps(fields))
    readers(newsletter_id, [MEI], names={MEI: "Mei"})
    sql("UPDATE subscribers SET attributes = '{\"practice\": \"Privacy\"}', address = 'Mei@readers.example'")
    confirmed(first_name="Somebody", last_name="Lin", organisation="Harbour & Lane", own_practice="Pills")
    assert sql("SELECT address, first_name, last_name, language, attributes FROM subscribers") == [
        ("Mei@readers.example", "Mei", "Lin", "en", {"practice": "Privacy", "organisation": "Harbour & Lane"})
    ]


@pytest.mark.parametrize(
    ("state", "before", "ticked", "after"),
    [
        ("active", "agreed", False, "agreed"),
        ("active", "objected", False, "objected"),
        ("active", "unasked", True, "agreed"),
        ("active", "objected", True, "agreed"),
        ("unsubscribed", "agreed", False, "unasked"),
        ("unsubscribed", "objected", False, "objected"),
        ("unsubscribed", "unasked", True, "agreed"),
        ("pending", "agreed", False, "unasked"),
    ],
)
def test_a_box_left_empty_lowers_nothing_of_a_reader_and_revives_no_old_yes(
    newsletter_id: int, sql: Sql, state: str, before: str, ticked: bool, after: str
) -> None:
    readers(newsletter_id, [MEI], state=state, tracking=before)
    confirmed(*(["tracking"] if ticked else []))
    assert answers(sql) == ("active", after, "unasked")


def test_where_readers_are_tracked_unless_they_object_an_empty_box_objects(newsletter_id: int, sql: Sql) -> None:
    sql("UPDATE newsletters SET tracking_policy = 'not-objected'")
    confirmed()
    assert answers(sql) == ("active", "objected", "unasked")
    assert sql("SELECT purpose, action, method FROM consent_records ORDER BY number")[-1] == (
        "tracking", "withdrawn", "form",
    )  # fmt: skip
    confirmed("tracking")
    assert answers(sql) == ("active", "agreed", "unasked")


def test_consent_to_the_transfer_is_recorded_apart(newsletter_id: int, sql: Sql) -> None:
    sql("UPDATE newsletters SET needs_export_consent = true")
    confirmed("export")
    assert answers(sql) == ("active", "unasked", "agreed")
    assert sql("SELECT purpose, action FROM consent_records ORDER BY number") == [
        ("newsletter", "given"), ("newsletter", "confirmed"), ("export", "given"), ("export", "confirmed"),
    ]  # fmt: skip


def test_who_left_everything_and_confirms_anew_is_written_to_again(newsletter_id: int, sql: Sql) -> None:
    readers(newsletter_id, [MEI], state="unsubscribed")
    with transaction() as tx:
        suppress(tx, email_key(MEI), kind="left-all", source="page")
    view = confirmed()
    assert not view.is_stopped
    assert sql("SELECT lifted_at IS NOT NULL, lifted_because FROM suppressions") == [
        (True, "a new sign-up was confirmed")
    ]


@pytest.mark.parametrize("everything", [False, True])
def test_a_link_from_before_a_leaving_brings_nobody_back(newsletter_id: int, sql: Sql, everything: bool) -> None:
    first, second = signed_up(), signed_up()
    confirming.confirm(first, "button")
    ((subscription,),) = sql("SELECT id FROM subscriptions")
    if everything:
        leaving.leave_all(subscription)
    else:
        leaving.leave(Signer(Purpose.LEAVE).sign(subscription), method="one-click")
    assert confirming.view(second).state == "expired"
    assert confirming.confirm(second, "button").state == "expired"
    assert answers(sql)[0] == "unsubscribed"
    assert sql("SELECT count(*) FROM suppressions WHERE lifted_at IS NULL") == [(int(everything),)]
    assert confirming.confirm(first, "button").state == "confirmed", "what was, was"
    assert answers(sql)[0] == "unsubscribed"
    assert confirmed().is_begun, "a new sign-up does"


def test_leaving_everything_ends_a_link_to_another_newsletter_too(newsletter_id: int, sql: Sql) -> None:
    (subscription,) = readers(a_newsletter("weekly"), [MEI])
    sql("UPDATE newsletters SET accepts_signups = false WHERE slug = 'weekly'")
    token = signed_up()
    leaving.leave_all(subscription)
    assert confirming.confirm(token, "button").state == "expired"
    assert sql("SELECT state FROM subscriptions") == [("unsubscribed",)]


def test_leaving_another_newsletter_does_not_end_a_link(newsletter_id: int, sql: Sql) -> None:
    (subscription,) = readers(a_newsletter("weekly"), [MEI])
    sql("UPDATE newsletters SET accepts_signups = false WHERE slug = 'weekly'")
    token = signed_up()
    leaving.leave(Signer(Purpose.LEAVE).sign(subscription), method="page")
    assert confirming.confirm(token, "button").is_begun


@pytest.mark.parametrize("kind", ["hard-bounce", "complaint", "provider", "manual"])
def test_no_other_suppression_is_lifted_and_the_reader_is_told(newsletter_id: int, sql: Sql, kind: str) -> None:
    token = signed_up()
    with transaction() as tx:
        suppress(tx, email_key(MEI), kind=kind, source="test")
    assert confirming.confirm(token, "button").is_stopped
    assert sql("SELECT lifted_at FROM suppressions") == [(None,)]
    assert answers(sql)[0] == "active", "the yes is kept, for when a person lifts it"


def test_a_welcome_greets_who_is_new_and_nobody_twice(newsletter_id: int, sql: Sql) -> None:
    confirmed()
    assert sql("SELECT count(*) FROM mails") == [(0,)], "a newsletter without a welcome sends none"
    sql("UPDATE newsletters SET welcome = ''")
    confirmed()
    assert sql("SELECT count(*) FROM mails WHERE kind = 'welcome'") == [(0,)], "known already"
    sql("UPDATE subscriptions SET state = 'unsubscribed'")
    confirmed()
    assert sql("SELECT kind, newsletter_id, language FROM mails") == [("welcome", newsletter_id, "en")]


def test_each_act_says_where_it_came_from_and_which_mail_was_confirmed(newsletter_id: int, sql: Sql) -> None:
    token = signed_up()
    mailing.answer_signup(sql("SELECT id FROM signups")[0][0])
    ((mail, sent),) = sql("UPDATE mails SET state = 'sent', sent_at = clock_timestamp() RETURNING id, sent_at")
    confirming.confirm(token, "button", origin={"network": "198.51.100.0/24", "user_agent": "Safari"})
    with transaction() as tx:
        given, done = proving.history(tx, email_key(MEI))
    assert given.origin == {"network": "203.0.113.0/24", "user_agent": "Firefox"}, "where the form was sent"
    assert done.origin == {"network": "198.51.100.0/24", "user_agent": "Safari"}, "where the button was pressed"
    assert done.details is not None
    assert (done.details["mail"], datetime.fromisoformat(done.details["mail_sent_at"])) == (mail, sent)


def test_two_clicks_at_once_begin_once(newsletter_id: int, sql: Sql) -> None:
    token = signed_up()
    views: list[SignupView] = []
    threads = [threading.Thread(target=lambda: views.append(confirming.confirm(token, "button"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [view.state for view in views] == ["confirmed"] * 6
    assert sum(view.is_begun for view in views) == 1
    assert sql("SELECT count(*) FROM consent_records") == [(2,)]


def test_two_sign_ups_of_one_reader_confirmed_at_once_chain_their_acts(newsletter_id: int, sql: Sql) -> None:
    tokens = [signed_up() for _ in range(6)]
    threads = [threading.Thread(target=confirming.confirm, args=(token, "button")) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sql("SELECT count(*) FROM subscribers") == [(1,)]
    assert sql("SELECT number FROM consent_records ORDER BY number") == [(n,) for n in range(1, 13)]


def test_a_pause_stays_for_who_reads_and_ends_for_who_comes_back(newsletter_id: int, sql: Sql) -> None:
    readers(newsletter_id, [MEI])
    sql("UPDATE subscriptions SET paused_until = now() + interval '9 days', expires_at = now() + interval '9 days'")
    confirmed()
    assert sql("SELECT paused_until IS NULL, expires_at IS NULL FROM subscriptions") == [(False, True)]
    sql("UPDATE subscriptions SET state = 'unsubscribed'")
    confirmed()
    assert sql("SELECT paused_until IS NULL FROM subscriptions") == [(True,)]
