"""Changing the address: nothing moves before both mailboxes have said yes, and nobody learns who else is known."""

from collections.abc import Callable
from typing import Any

import pytest

from service.operations import mailing, scheduling
from service.operations.limits import MAILS_PER_MAILBOX
from service.settings import Settings
from service.tokens import Purpose, Signer, email_key
from tests.builders import an_issue, readers
from tests.conftest import Sandbox
from tests.operations.mails import a_signup
from tests.web.browsing import Page, Person
from tests.web.entering import MEI

Sql = Callable[..., list[Any]]
Enter = Callable[[], tuple[Person, Page]]
NEW = "mei.elsewhere@readers.example"


@pytest.fixture
def asked(web: str, enter: Enter, sql: Sql) -> Callable[..., tuple[Person, str, str]]:
    """A change was asked for: the person at their page, and the links mailed to the old and the new end."""

    def ask(address: str = NEW) -> tuple[Person, str, str]:
        person, _ = enter()
        page = person.press(person.get(f"{web}/preferences/address"), "/address", address=address)
        assert page.status == 200
        ((change,),) = sql("SELECT max(id) FROM address_changes")
        old, new = (f"{web}/a/{Signer(end).sign(change)}" for end in (Purpose.CHANGE_OLD, Purpose.CHANGE_NEW))
        return person, old, new

    return ask


Asked = Callable[..., tuple[Person, str, str]]


def address(sql: Sql) -> str:
    return str(sql("SELECT address FROM subscribers ORDER BY id LIMIT 1")[0][0])


def yes(link: str) -> Page:
    person = Person()
    return person.post(link, {"answer": "yes"})


def mails(sql: Sql) -> list[str]:
    return [kind for (kind,) in sql("SELECT kind FROM mails WHERE kind <> 'manage' ORDER BY id")]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_reader_moves_when_both_ends_have_said_yes(asked: Asked, sql: Sql, web: str, order: tuple[int, int]) -> None:
    person, *links = asked()
    assert mails(sql) == ["change-old", "change-new"]
    assert "one answer is still missing" in yes(links[order[0]]).said
    assert address(sql) == MEI
    assert "it has said yes" in person.get(f"{web}/preferences/address").said
    assert "Your address is changed" in yes(links[order[1]]).said
    assert sql("SELECT address, normalised_address, email_key FROM subscribers") == [(NEW, NEW, email_key(NEW))]
    assert mails(sql)[-1] == "changed"
    assert sql("SELECT email_key FROM mails WHERE kind = 'changed'") == [(email_key(NEW),)]
    assert person.get(f"{web}/preferences").status == 403, "the session was the old address's"
    assert "Your address is changed" in yes(links[0]).said, "again, nothing changes"
    assert mails(sql).count("changed") == 1


def test_the_consents_are_carried_over_with_their_words_and_where_they_come_from(
    asked: Asked, reader: int, sql: Sql
) -> None:
    sql("INSERT INTO consent_wordings (sha256, wording) VALUES (sha256('Yes.'), 'Yes.')")
    for purpose in ("newsletter", "tracking"):
        for action in ("given", "confirmed"):
            sql(
                """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, wording_sha256)
                   SELECT %s, newsletter_id, %s, %s, 'form', sha256('Yes.') FROM subscriptions""",
                email_key(MEI),
                purpose,
                action,
            )
    _, old, new = asked()
    yes(old)
    yes(new)
    assert sql(
        "SELECT purpose, action, method FROM consent_records WHERE email_key = %s AND method = 'address-change' ORDER BY id",
        email_key(MEI),
    ) == [("newsletter", "withdrawn", "address-change"), ("tracking", "withdrawn", "address-change")]
    carried = sql(
        """SELECT r.purpose, r.action, w.wording, (d.details::jsonb ->> 'from_record')::bigint IN (
               SELECT id FROM consent_records o WHERE o.purpose = r.purpose AND o.action = 'confirmed' AND o.method = 'form')
           FROM consent_records r JOIN consent_wordings w ON w.sha256 = r.wording_sha256
           JOIN consent_details d ON d.record_id = r.id WHERE r.email_key = %s ORDER BY r.id""",
        email_key(NEW),
    )
    assert carried == [
        ("newsletter", "given", "Yes.", True),
        ("newsletter", "confirmed", "Yes.", True),
        ("tracking", "given", "Yes.", True),
        ("tracking", "confirmed", "Yes.", True),
    ]


def test_looking_at_the_links_changes_nothing_and_shows_no_address(asked: Asked, sql: Sql) -> None:
    _, old, new = asked()
    for link in (old, new):
        page = Person().get(link)
        assert page.status == 200
        assert "elsewhere" not in page.text
        assert "mei" not in page.text
    assert sql("SELECT old_confirmed_at, new_confirmed_at FROM address_changes") == [(None, None)]


def test_the_old_end_can_refuse_and_whoever_asked_is_shown_out(asked: Asked, sql: Sql, web: str) -> None:
    person, old, new = asked()
    yes(new)
    assert "This change does not happen" in Person().post(old, {"answer": "no"}).said
    assert person.get(f"{web}/preferences").status == 403
    for link in (old, new):
        assert "This change does not happen" in yes(link).said
    assert address(sql) == MEI


def test_the_new_end_cannot_refuse_for_the_old_one(asked: Asked, sql: Sql) -> None:
    _, _, new = asked()
    assert Person().post(new, {"answer": "no"}).status == 404
    assert sql("SELECT refused_at FROM address_changes") == [(None,)]


def test_an_address_that_another_reader_has_is_told_to_its_own_mailbox_only(
    asked: Asked, monthly: int, sql: Sql
) -> None:
    readers(monthly, [NEW])
    _, old, new = asked()
    assert mails(sql) == ["change-old", "change-new"], "asked as any other"
    assert "of its own" not in yes(old).said
    assert "newsletters of its own" in yes(new).said
    assert address(sql) == MEI
    assert sql("SELECT count(*) FROM subscribers") == [(2,)]


def test_an_address_that_is_stopped_gets_no_mail_and_the_same_answer(asked: Asked, sql: Sql, web: str) -> None:
    sql("INSERT INTO suppressions (email_key, kind, source) VALUES (%s, 'hard-bounce', 'test')", email_key(NEW))
    person, _, _ = asked()
    assert mails(sql) == ["change-old"]
    stopped = person.get(f"{web}/preferences/address").said
    sql("DELETE FROM address_changes")
    sql("DELETE FROM suppressions")
    other, _, _ = asked()
    assert stopped[:600].split("until")[0] == other.get(f"{web}/preferences/address").said[:600].split("until")[0]


def sign_up_and_answer(monthly: int, address: str, sql: Sql) -> str:
    mailing.answer_signup(a_signup([monthly], address))
    return str(sql("SELECT state FROM signups ORDER BY id DESC LIMIT 1")[0][0])


def test_who_signed_up_for_somebody_else_cannot_go_on_by_changes_nor_the_other_way_round(
    asked: Asked, monthly: int, weekly: int, sql: Sql
) -> None:
    asked()
    assert [sign_up_and_answer(one, NEW, sql) for one in (monthly, weekly)] == ["asked", "asked"]
    sql("UPDATE mails SET created_at = created_at - interval '2 days'")
    assert sign_up_and_answer(monthly, NEW, sql) == "limited"


def test_a_new_address_is_asked_three_times_in_a_month_at_most_whoever_types_it(
    web: str, enter: Enter, sql: Sql
) -> None:
    person, _ = enter()
    for day in range(3):
        for _ in range(2):
            person.press(person.get(f"{web}/preferences/address"), "/address", address=NEW)
        # Another day: the reader may ask again.
        for table in ("mails", "address_changes"):
            sql(f"UPDATE {table} SET created_at = created_at - interval '25 hours'")
        assert mails(sql).count("change-new") == min(3, 2 * (day + 1))
    assert mails(sql).count("change-old") == 6


def test_tags_and_dots_do_not_make_the_new_mailbox_many(web: str, enter: Enter, sql: Sql) -> None:
    person, _ = enter()
    for number in range(MAILS_PER_MAILBOX + 2):
        typed = f"ida+{number}@readers.example"
        person.press(person.get(f"{web}/preferences/address"), "/address", address=typed)
        sql("UPDATE address_changes SET created_at = created_at - interval '25 hours'")
    assert mails(sql).count("change-new") == MAILS_PER_MAILBOX
    person.press(person.get(f"{web}/preferences/address"), "/address", address="ada@readers.example")
    assert mails(sql).count("change-new") == MAILS_PER_MAILBOX + 1, "nobody else is limited by it"


def test_changes_share_the_hours_mails_with_sign_ups_and_say_when_they_are_used_up(
    web: str, enter: Enter, monthly: int, sql: Sql, other_settings: Callable[..., Settings]
) -> None:
    other_settings(signup_mails_per_hour=2)
    sql("INSERT INTO suppressions (email_key, kind, source) VALUES (%s, 'hard-bounce', 'test')", email_key(NEW))
    person, _ = enter()
    person.press(person.get(f"{web}/preferences/address"), "/address", address=NEW)
    assert sign_up_and_answer(monthly, "ida@readers.example", sql) == "asked"
    assert sign_up_and_answer(monthly, "ada@readers.example", sql) == "pending", (
        "one that was mailed nothing counts too"
    )
    for address in (NEW, "eve@readers.example"):
        page = person.press(person.get(f"{web}/preferences/address"), "/address", address=address)
        assert page.status == 422
        assert "try again in an hour" in page.said
    assert sql("SELECT count(*) FROM address_changes") == [(1,)]


def test_a_change_grows_too_old(asked: Asked, sql: Sql) -> None:
    _, old, new = asked()
    sql("UPDATE address_changes SET expires_at = now() - interval '1 second'")
    assert "grown too old" in yes(new).said
    yes(old)
    assert address(sql) == MEI


def test_a_later_change_ends_the_one_before(asked: Asked, sql: Sql) -> None:
    _, old, new = asked()
    asked("mei.third@readers.example")
    yes(old)
    assert "does not happen" in yes(new).said
    assert address(sql) == MEI


def test_three_changes_a_day_are_enough(web: str, enter: Enter, sql: Sql) -> None:
    person, _ = enter()
    for number in range(3):
        person.press(person.get(f"{web}/preferences/address"), "/address", address=f"mei{number}@readers.example")
    page = person.press(person.get(f"{web}/preferences/address"), "/address", address="mei9@readers.example")
    assert page.status == 422
    assert "three changes today" in page.said
    assert sql("SELECT count(*) FROM address_changes") == [(3,)]


@pytest.mark.parametrize(
    ("typed", "sentence"), [("", "is empty"), ("mei", "has no @"), (MEI.upper(), "that you have now")]
)
def test_an_address_that_cannot_be_is_refused_and_kept(
    web: str, enter: Enter, sql: Sql, typed: str, sentence: str
) -> None:
    person, _ = enter()
    page = person.press(person.get(f"{web}/preferences/address"), "/address", address=typed)
    assert page.status == 422
    assert sentence in page.said
    assert page.form("/address")[1]["address"] == typed
    assert sql("SELECT count(*) FROM address_changes") == [(0,)]


def test_leaving_everything_goes_along_to_the_new_address(asked: Asked, sql: Sql) -> None:
    _, old, new = asked()
    sql("INSERT INTO suppressions (email_key, kind, source) VALUES (%s, 'left-all', 'reader')", email_key(MEI))
    yes(old)
    yes(new)
    assert sql("SELECT kind FROM suppressions WHERE email_key = %s AND lifted_at IS NULL", email_key(NEW)) == [
        ("left-all",)
    ]


def test_a_copy_prepared_for_the_old_address_goes_to_neither(
    asked: Asked, monthly: int, sql: Sql, drain: Callable[..., int], sandbox: Sandbox
) -> None:
    _, old, new = asked()
    yes(old)
    scheduling.schedule(an_issue(monthly), actor="test")
    drain(only="sending.prepare_issue")
    assert sql("SELECT excluded FROM deliveries") == [(None,)]
    yes(new)
    drain(only="sending.send_batch")
    assert sql("SELECT excluded FROM deliveries") == [("address_changed",)]
    assert sandbox.messages(MEI) == sandbox.messages(NEW) == []


def test_the_form_of_another_site_or_session_is_refused(web: str, enter: Enter, sql: Sql) -> None:
    person, _ = enter()
    assert person.post(f"{web}/preferences/address", {"address": NEW, "form": "x"}).status == 403
    assert Person().post(f"{web}/preferences/address", {"address": NEW}).status == 403
    assert sql("SELECT count(*) FROM address_changes") == [(0,)]


def test_no_link_of_another_kind_answers_a_change(web: str, asked: Asked, reader: int, sql: Sql) -> None:
    asked()
    ((change,),) = sql("SELECT id FROM address_changes")
    for purpose in (Purpose.LEAVE, Purpose.CONFIRM, Purpose.MANAGE):
        assert yes(f"{web}/a/{Signer(purpose).sign(change)}").status == 404
    assert sql("SELECT old_confirmed_at, new_confirmed_at FROM address_changes") == [(None, None)]
