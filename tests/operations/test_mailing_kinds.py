"""Mails about settings and changes of address: each goes to the one address that it is for, with a link of its own purpose."""

import re

import pytest

from service import tokens
from service.db import transaction
from service.operations import mailing
from service.settings import Settings
from service.tokens import Purpose, email_key
from tests.builders import a_newsletter, readers
from tests.conftest import Sandbox
from tests.operations.mails import Bells, Sql, work

OLD, NEW = "ada@readers.example", "ada.l@inbox.example"
pytestmark = pytest.mark.usefixtures("database")


def asked(sql: Sql, kind: str) -> int:
    """A mail of that kind for a reader with an open link and an open change of address; the id that its link stands for."""
    newsletter = a_newsletter()
    readers(newsletter, [OLD])
    ((subscriber,),) = sql("SELECT id FROM subscribers")
    ((link,),) = sql(
        "INSERT INTO links (subscriber_id, expires_at) VALUES (%s, clock_timestamp() + interval '30 minutes') RETURNING id",
        subscriber,
    )
    ((change,),) = sql(
        """INSERT INTO address_changes (subscriber_id, address, normalised_address, email_key, language, expires_at)
           VALUES (%s, %s, %s, %s, 'en', clock_timestamp() + interval '1 day') RETURNING id""",
        subscriber,
        NEW,
        NEW,
        email_key(NEW),
    )
    with transaction() as tx:
        mailing.ask_for(
            tx,
            kind,
            email_key=email_key(NEW if kind == "change-new" else OLD),
            language="en",
            newsletter_id=newsletter,
            subscriber_id=subscriber,
            link_id=link if kind == "manage" else None,
            address_change_id=change if kind.startswith("change") else None,
        )
    return int(link if kind == "manage" else change)


@pytest.mark.parametrize(
    ("kind", "to", "path", "purpose"),
    [
        ("manage", OLD, "m", Purpose.MANAGE),
        ("change-old", OLD, "a", Purpose.CHANGE_OLD),
        ("change-new", NEW, "a", Purpose.CHANGE_NEW),
    ],
)
def test_a_link_goes_to_the_address_that_it_is_for(
    bells: Bells, sandbox: Sandbox, database: Settings, sql: Sql, kind: str, to: str, path: str, purpose: Purpose
) -> None:
    subject = asked(sql, kind)
    work(bells)
    (mail,) = sandbox.messages("")
    assert mail["to"] == to
    (token,) = set(re.findall(rf"{re.escape(database.public_url)}/{path}/([\w-]+)", mail["html"] + mail["text"]))
    assert tokens.read(purpose, token) == subject
    assert OLD not in mail["html"] + mail["text"]
    assert NEW not in mail["html"] + mail["text"]


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("manage", "UPDATE links SET used_at = clock_timestamp()", "settled"),
        ("manage", "UPDATE links SET ended_at = clock_timestamp()", "settled"),
        ("manage", "DELETE FROM links", "settled"),
        ("manage", "UPDATE links SET expires_at = clock_timestamp()", "expired"),
        ("change-old", "UPDATE address_changes SET refused_at = clock_timestamp()", "settled"),
        ("change-new", "UPDATE address_changes SET done_at = clock_timestamp()", "settled"),
        ("change-new", "UPDATE address_changes SET expires_at = clock_timestamp()", "expired"),
        ("change-old", "UPDATE subscribers SET email_key = '\\x02'", "address_changed"),
    ],
)
def test_a_link_that_would_not_work_is_not_mailed(
    bells: Bells, sandbox: Sandbox, sql: Sql, kind: str, change: str, why: str
) -> None:
    asked(sql, kind)
    sql(change)
    work(bells)
    assert sql("SELECT state, reason FROM mails") == [("failed", why)]
    assert sandbox.messages("") == []


def test_a_link_of_another_reader_is_not_mailed(bells: Bells, sandbox: Sandbox, sql: Sql) -> None:
    asked(sql, "manage")
    other = "INSERT INTO subscribers (address, normalised_address, email_key, attributes) VALUES ('b@readers.example', 'b@readers.example', '\\x03', '{}') RETURNING id"
    sql("UPDATE links SET subscriber_id = %s", sql(other)[0][0])
    work(bells)
    assert sql("SELECT state, reason FROM mails") == [("failed", "settled")]


def test_the_news_that_an_address_was_changed_carries_no_link_that_changes_anything(
    bells: Bells, sandbox: Sandbox, database: Settings, sql: Sql
) -> None:
    asked(sql, "changed")
    work(bells)
    (mail,) = sandbox.messages(OLD)
    assert set(re.findall(rf"{re.escape(database.public_url)}(/[\w/-]*)", mail["html"])) == {"/manage"}
