"""What has been kept for its period goes, what has not stays, and the evidence stays whole."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from service.db import transaction
from service.operations import changing_address, digesting, leaving, proving, retaining, scheduling, verifying
from service.operations.consenting import record
from service.settings import Settings
from service.tokens import Purpose, Signer, email_key
from tests.builders import a_newsletter, an_issue, readers

Sql = Callable[..., list[Any]]
KEY = b"k" * 16


def _signup(sql: Sql, days: int, state: str) -> None:
    sql(
        """INSERT INTO signups (state, address, normalised_address, email_key, language, choices, form, network, user_agent, created_at, confirmed_at)
           VALUES (%s, 'a@a.example', 'a@a.example', %s, 'en', '[]', 'page', '192.0.2.0/24', 'Firefox',
               now() - %s * interval '1 day', CASE WHEN %s = 'confirmed' THEN now() - %s * interval '1 day' END)""",
        state, KEY, days, state, days,
    )  # fmt: skip


def _act(action: str, days: int, key: bytes = KEY, **details: object) -> None:
    with transaction() as tx:
        newsletter_id = tx.execute("SELECT min(id) FROM newsletters").scalar_one()
        record(
            tx, action, email_key=key, newsletter_id=newsletter_id, purpose="newsletter", method="form", details=details
        )


def _age(sql: Sql, days: int) -> None:
    """Make the acts so far old, as only the owner can, chain and all."""
    sql("SET session_replication_role = replica; UPDATE consent_records SET at = at - %s * interval '1 day'" % days)  # noqa: UP031
    for (number,) in sql("SELECT DISTINCT number FROM consent_records ORDER BY number"):
        sql(
            f"""SET session_replication_role = replica;
                UPDATE consent_records r SET previous = (SELECT p.hash FROM consent_records p WHERE p.email_key = r.email_key AND p.number = r.number - 1) WHERE number = {number};
                UPDATE consent_records r SET hash = consent_hash(r) WHERE number = {number}"""
        )


def test_signups_go_after_their_period_and_not_before(database: Settings, sql: Sql) -> None:
    for days in (13, 15):
        _signup(sql, days, "asked")
    for days in (29, 31):
        _signup(sql, days, "confirmed")
    assert retaining.delete_what_is_due(dry_run=True)["unconfirmed_signups"] == 1
    assert sql("SELECT count(*) FROM signups") == [(4,)], "a dry run deletes nothing"
    found = retaining.delete_what_is_due()
    assert (found["unconfirmed_signups"], found["confirmed_signups"]) == (1, 1)
    assert sql("SELECT state, extract(day FROM now() - created_at)::int FROM signups ORDER BY 2") == [
        ("asked", 13),
        ("confirmed", 29),
    ]


OTHERS = {
    "link_requests": (14, "INSERT INTO link_requests (email_key, language, network, created_at) VALUES ('key', 'en', 'unknown', {at})"),
    "links": (14, "INSERT INTO links (subscriber_id, expires_at) SELECT id, {at} FROM subscribers"),
    "address_changes": (14, """INSERT INTO address_changes (subscriber_id, address, normalised_address, email_key, language, expires_at)
        SELECT id, 'b@b.example', 'b@b.example', 'new', 'en', {at} FROM subscribers"""),
    "mails": (31, """INSERT INTO mails (kind, state, email_key, language, newsletter_id, subscriber_id, created_at)
        SELECT 'manage', 'sent', s.email_key, 'en', w.id, s.id, {at} FROM subscribers s, newsletters w"""),
}  # fmt: skip
"""What is kept of the traffic with a reader, its days, and how a row of an age is made."""


@pytest.mark.parametrize("what", OTHERS)
def test_what_was_only_passing_goes_after_its_days_and_not_before(database: Settings, sql: Sql, what: str) -> None:
    days, row = OTHERS[what]
    readers(a_newsletter(), ["a@a.example"])
    for age in (days - 1, days + 1):
        sql(row.format(at=f"now() - interval '{age} days'"))
    assert retaining.delete_what_is_due()[what] == 1
    assert sql(f"SELECT count(*) FROM {what}") == [(1,)]


def test_opens_and_clicks_and_whose_a_copy_was_are_forgotten_after_their_days(
    database: Settings, sql: Sql, drain: Callable[..., int], sandbox: Any
) -> None:
    events, deliveries = database.keep_events_days, database.keep_deliveries_days
    newsletter = a_newsletter()
    readers(newsletter, ["a@a.example", "b@a.example"])
    scheduling.schedule(an_issue(newsletter), actor="test")
    drain()
    (first, second) = [row[0] for row in sql("SELECT id FROM deliveries ORDER BY id")]
    for delivery, kind, days in (
        (first, "clicked", events + 1),
        (first, "bounced", events + 1),
        (second, "clicked", events - 1),
    ):
        sql("INSERT INTO events (issue_id, key, delivery_id, type, at) SELECT issue_id, hashtext(%s), id, %s, now() - %s * interval '1 day' FROM deliveries WHERE id = %s",
            kind, kind, days, delivery)  # fmt: skip
    assert retaining.delete_what_is_due()["opens_and_clicks"] == 1
    assert sql("SELECT delivery_id, type FROM events ORDER BY 1") == [(first, "bounced"), (second, "clicked")]
    for days, left in ((deliveries - 1, 2), (deliveries + 1, 0)):
        aged = f"UPDATE issues SET prepared_at = now() - interval '{days} days'"
        sql(f"SET session_replication_role = replica; {aged}")
        retaining.delete_what_is_due()
        assert sql("SELECT count(subscriber_id) FROM deliveries") == [(left,)]
    assert sql("SELECT count(*) FROM deliveries") == [(2,)], "what became of each copy stays"


def test_the_network_goes_after_a_month_and_the_rest_of_the_proof_stays(database: Settings, sql: Sql) -> None:
    _act("given", 0, form="page", network="192.0.2.0/24")
    _age(sql, 31)
    _act("confirmed", 0, form="page", network="192.0.2.0/24")
    assert retaining.delete_what_is_due()["origins"] == 1
    assert sql("SELECT record_id - min(record_id) OVER (), part FROM consent_details ORDER BY 1, 2") == [
        (0, "act"),
        (1, "act"),
        (1, "origin"),
    ]
    assert verifying.verify().findings == []


def test_a_reason_for_leaving_forgets_whose_it_was_with_the_deliveries(database: Settings, sql: Sql) -> None:
    newsletter = a_newsletter()
    for subscription, days in zip(
        readers(newsletter, ["ann@readers.example", "mei@readers.example"]), (731, 729), strict=True
    ):
        sql(
            """INSERT INTO leave_reasons (subscription_id, newsletter_id, reason, words, at)
               VALUES (%s, %s, 'other', 'I am Mei Lin', now() - %s * interval '1 day')""",
            subscription,
            newsletter,
            days,
        )
    assert retaining.delete_what_is_due()["leave_reasons_cut_off"] == 1
    assert sql("SELECT reason, words, subscription_id IS NULL FROM leave_reasons ORDER BY at") == [
        ("other", "", True),
        ("other", "I am Mei Lin", False),
    ]
    assert retaining.delete_what_is_due()["leave_reasons_cut_off"] == 0


def test_consent_records_are_removed_by_the_owner_with_a_sealed_note(database: Settings, sql: Sql) -> None:
    _act("given", 0, form="page")
    _act("withdrawn", 0)
    _age(sql, 2000)
    _act("given", 0, key=b"x" * 16)
    digesting.make_digest()
    assert retaining.remove_old_consent(dry_run=True) == 2
    assert retaining.remove_old_consent() == 2
    assert retaining.remove_old_consent() == 0
    assert sql("SELECT email_key FROM consent_records") == [(b"x" * 16,)]
    found = verifying.verify()
    assert (found.findings, found.removed, found.removals) == ([], 2, 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_tombstones SET body = replace(body, '\"readers\": 1', '\"readers\": 2')",
        "UPDATE consent_tombstones SET signature = set_byte(signature, 0, get_byte(signature, 0) # 1)",
        "UPDATE removed_consent_records SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1)",
        "UPDATE removed_consent_records SET id = id + 1000",
        "DELETE FROM removed_consent_records WHERE id = (SELECT min(id) FROM removed_consent_records)",
        "INSERT INTO consent_records OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(NULL::consent_records, '{first}')).*",
    ],
)
def test_a_removal_that_is_changed_afterwards_is_found(database: Settings, sql: Sql, statement: str) -> None:
    """By somebody whom no trigger hinders, and before any digest vouches for the records."""
    _act("given", 0, form="page")
    _act("withdrawn", 0)
    _age(sql, 2000)
    ((first,),) = sql("SELECT to_jsonb(r)::text FROM consent_records r WHERE number = 1")
    retaining.remove_old_consent()
    assert verifying.verify().findings == []
    sql(f"SET session_replication_role = replica; {statement.replace('{first}', first)}")
    assert verifying.verify().findings


def test_a_reader_who_still_gets_something_keeps_all_records(database: Settings, sql: Sql) -> None:
    newsletter = a_newsletter()
    with transaction() as tx:
        subscriber = tx.execute(
            "INSERT INTO subscribers (address, normalised_address, email_key) VALUES ('a@a.example', 'a@a.example', :key) RETURNING id",
            key=KEY,
        ).scalar_one()
        tx.execute(
            "INSERT INTO subscriptions (subscriber_id, newsletter_id, state) VALUES (:s, :n, 'active')",
            s=subscriber,
            n=newsletter,
        )
    _act("given", 0)
    _age(sql, 2000)
    assert retaining.remove_old_consent() == 0


def test_what_was_agreed_to_under_former_addresses_stays_as_long_as_what_came_of_it(
    database: Settings, sql: Sql
) -> None:
    """Mei has changed her address twice since she signed up."""
    (subscription,) = readers(a_newsletter(), ["mei1@readers.example"])
    ((subscriber,),) = sql("SELECT subscriber_id FROM subscriptions")
    _act("given", 0, key=email_key("mei1@readers.example"), form="page")
    for address in ("mei2@readers.example", "mei3@readers.example"):
        changing_address.ask(subscriber, address)
        ((change,),) = sql("SELECT max(id) FROM address_changes")
        for end in (Purpose.CHANGE_OLD, Purpose.CHANGE_NEW):
            changing_address.agree(Signer(end).sign(change))
    _age(sql, 2000)
    before = proof()
    assert before[:2] == [("given", "form"), ("withdrawn", "address-change")]
    assert retaining.remove_old_consent() == 0
    assert proof() == before
    leaving.leave(Signer(Purpose.LEAVE).sign(subscription), method="page")
    assert retaining.remove_old_consent() == 0, "she left only now"
    _age(sql, 2000)
    assert retaining.remove_old_consent(dry_run=True) == len(before) + 1
    assert retaining.remove_old_consent() == len(before) + 1
    assert proof() == []


def proof() -> list[tuple[str, str]]:
    """What can be shown of the reader who is at this address now."""
    with transaction() as tx:
        return [(act.action, act.method) for act in proving.history(tx, email_key("mei3@readers.example"))]


def test_without_a_note_not_even_the_owner_removes_a_record(database: Settings, sql: Sql) -> None:
    _act("given", 0)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql("DELETE FROM consent_records")
    with pytest.raises(psycopg.errors.RaiseException):
        sql("SELECT remove_consent_records(array[1, 999999999], '{}', '')")
    assert sql("SELECT count(*) FROM consent_records") == [(1,)]


def test_the_duty_works_once_a_day(database: Settings, sql: Sql) -> None:
    _signup(sql, 15, "asked")
    retaining.keep()
    assert sql("SELECT count(*) FROM signups") == [(0,)]
    _signup(sql, 15, "asked")
    retaining.keep()
    assert sql("SELECT count(*) FROM signups") == [(1,)]
    sql("UPDATE duties SET last_ok_at = now() - interval '21 hours'")
    retaining.keep()
    assert sql("SELECT count(*) FROM signups") == [(0,)]
