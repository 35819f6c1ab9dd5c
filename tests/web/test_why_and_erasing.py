"""The reader's consents in plain sentences, and the way out of everything."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from service.db import transaction
from service.domain.events import EventType
from service.operations.suppressing import withdraw
from service.tokens import email_key
from tests.web.browsing import Page, Person
from tests.web.entering import MEI

Sql = Callable[..., list[Any]]
Enter = Callable[[], tuple[Person, Page]]


def consented(sql: Sql) -> None:
    sql("INSERT INTO consent_wordings (sha256, wording) VALUES (sha256('Yes, <monthly>.'), 'Yes, <monthly>.')")
    for action, method, at in (
        ("given", "form", "2026-05-03 14:05+00"),
        ("confirmed", "confirm-button", "2026-05-03 14:09+00"),
    ):
        sql(
            """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, at, wording_sha256, details)
               SELECT %s, id, 'newsletter', %s, %s, %s, sha256('Yes, <monthly>.'),
                   '{"network": "203.0.113.0/24", "user_agent": "Firefox", "form": "page"}' FROM newsletters""",
            email_key(MEI),
            action,
            method,
            at,
        )


def test_each_act_is_told_with_its_moment_its_words_and_where_it_came_from(enter: Enter, web: str, sql: Sql) -> None:
    consented(sql)
    person, _ = enter()
    said = person.get(f"{web}/preferences/why").said
    assert "3 May 2026, 22:05 UTC+08:00" in said, "in the newsletter's time zone"
    assert "You agreed on our sign-up page." in said
    assert "Yes, <monthly>." in said
    assert "You confirmed it by the button behind the link in the mail that we had sent you." in said
    assert "Network: 203.0.113.0/24 · Browser: Firefox" in said


def test_what_was_erased_of_an_act_is_said_to_be_erased(enter: Enter, web: str, sql: Sql) -> None:
    consented(sql)
    sql("DELETE FROM consent_details")
    person, _ = enter()
    said = person.get(f"{web}/preferences/why").said
    assert "Where it came from: erased since" in said
    assert "203.0.113" not in said
    assert "Yes, <monthly>." in said


def test_a_method_that_has_no_sentence_is_told_by_its_name(enter: Enter, web: str, sql: Sql) -> None:
    sql(
        "INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method) SELECT %s, id, 'newsletter', 'withdrawn', 'by-letter' FROM newsletters",
        email_key(MEI),
    )
    person, _ = enter()
    assert "It was taken back (by-letter)." in person.get(f"{web}/preferences/why").said


@pytest.mark.parametrize("kind", [EventType.COMPLAINED, EventType.UNSUBSCRIBED])
def test_what_the_provider_told_us_is_told_in_a_sentence(enter: Enter, web: str, sql: Sql, kind: EventType) -> None:
    with transaction() as tx:
        (subscription,) = tx.execute("SELECT id FROM subscriptions").scalars()
        withdraw(tx, subscription, method=f"event-{kind}")
    person, _ = enter()
    said = person.get(f"{web}/preferences/why").said
    assert f"event-{kind}" not in said
    assert "told us that you" in said


def test_the_acts_are_told_in_the_language_of_the_page(enter: Enter, web: str, sql: Sql) -> None:
    consented(sql)
    sql("UPDATE subscribers SET language = 'de'")
    person, _ = enter()
    page = person.get(f"{web}/preferences/why")
    assert page.tree.get("lang") == "de"
    assert "3. Mai 2026, 22:05" in page.said


def test_what_was_recorded_of_an_act_is_told_in_the_words_of_the_page(enter: Enter, web: str, sql: Sql) -> None:
    sql(
        """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, details)
           SELECT %s, id, 'newsletter', 'given', 'form', '{"form": "page", "default": "unticked", "language": "de"}' FROM newsletters""",
        email_key(MEI),
    )
    sql("UPDATE subscribers SET language = 'zh-Hans'")
    person, _ = enter()
    said = person.get(f"{web}/preferences/why").said
    for told in ("表单：我们的订阅页面", "方框先前的状态：未勾选", "表单的语言：德语"):
        assert told in said
    assert not re.search("page|unticked|: ", said)


def test_where_nothing_was_recorded_the_page_says_so(enter: Enter, web: str) -> None:
    person, _ = enter()
    assert "Nothing was recorded." in person.get(f"{web}/preferences/why").said


def test_nobody_is_erased_without_the_tick(enter: Enter, web: str, sql: Sql) -> None:
    person, _ = enter()
    page = person.press(person.get(f"{web}/preferences/erase"), "/erase")
    assert page.status == 422
    assert "Nothing was erased yet" in page.said
    assert sql("SELECT count(*) FROM subscribers") == [(1,)]


def test_a_reader_erases_themselves_and_keeps_the_certificate(enter: Enter, web: str, sql: Sql) -> None:
    consented(sql)
    person, _ = enter()
    page = person.press(person.get(f"{web}/preferences/erase"), "/erase", sure="yes")
    assert (page.status, "You are erased" in page.said) == (200, True)
    assert MEI not in page.text
    assert sql("SELECT count(*) FROM subscribers") == [(0,)]
    assert sql("SELECT kind FROM suppressions WHERE lifted_at IS NULL") == [("left-all",)]
    (href,) = re.findall(r'href="data:application/json;base64,([^"]+)"', page.text)
    kept = json.loads(base64.b64decode(href))
    ((number, text, signature),) = sql("SELECT id, certificate, signature FROM erasures")
    assert kept == {
        "certificate": number,
        "text": text,
        "ed25519_signature_of_the_text": bytes(signature).hex(),
    }
    assert json.loads(text)["asked_for_by"] == "reader"
    assert person.get(f"{web}/preferences").status == 403


def test_no_form_of_another_site_or_session_erases_anybody(enter: Enter, web: str, sql: Sql) -> None:
    person, _ = enter()
    other, _ = enter()
    foreign = other.get(f"{web}/preferences/erase").form("/erase")[1]["form"]
    for seal in ("", "x", foreign):
        assert person.post(f"{web}/preferences/erase", {"form": seal, "sure": "yes"}).status == 403
    assert Person().post(f"{web}/preferences/erase", {"form": foreign, "sure": "yes"}).status == 403
    assert sql("SELECT count(*) FROM subscribers") == [(1,)]


def test_looking_changes_nothing(enter: Enter, web: str, sql: Sql) -> None:
    consented(sql)
    person, _ = enter()
    tables = (
        "subscribers",
        "subscriptions",
        "links",
        "address_changes",
        "consent_records",
        "suppressions",
        "mails",
        "erasures",
    )
    before = [sql(f"SELECT * FROM {table} ORDER BY 1") for table in tables]
    for path in ("", "/why", "/data", "/data.json", "/data.csv", "/address", "/erase"):
        for _ in range(2):
            assert person.get(f"{web}/preferences{path}").status == 200
    assert [sql(f"SELECT * FROM {table} ORDER BY 1") for table in tables] == before
