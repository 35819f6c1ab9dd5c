"""An erasure while an issue is on its way, and a look through every table after one."""

from collections.abc import Callable
from typing import Any

from service.operations import erasing, scheduling, verifying
from service.settings import Settings
from tests.builders import a_newsletter, an_issue, people, readers

Sql = Callable[..., list[Any]]
CANARY = "canarymei"
ADDRESS = f"{CANARY}@readers.example"


def everything(sql: Sql) -> str:
    """All rows of all tables, as text."""
    tables = sql(
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    return "\n".join(f"{name}: {row[0]}" for (name,) in tables for row in sql(f"SELECT t::text FROM {name} t"))


def test_no_table_names_the_person_afterwards(
    database: Settings, sql: Sql, drain: Callable[..., int], sandbox: Any
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, [ADDRESS], names={ADDRESS: CANARY})
    sql(
        """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, details)
           SELECT email_key, %s, 'newsletter', 'given', 'form', '{"who": "canarymei", "network": "192.0.2.0/24"}' FROM subscribers""",
        newsletter,
    )
    sql(
        """INSERT INTO signups (state, address, normalised_address, email_key, first_name, language, attributes, choices, form, network, user_agent)
           SELECT 'confirmed', address, address, email_key, 'canarymei', 'en', '{"organisation": "canarymei"}', '[]', 'page', '192.0.2.0/24', 'Firefox' FROM subscribers"""
    )
    scheduling.schedule(an_issue(newsletter), actor="test")
    drain()
    assert CANARY in everything(sql)
    erasing.erase_address(ADDRESS, reason="by letter", actor="test")
    left = everything(sql)
    assert CANARY not in left
    assert "192.0.2.0" not in left
    assert verifying.verify().findings == []


def test_who_is_erased_while_batches_wait_is_left_out_as_erased(
    database: Settings, sql: Sql, drain: Callable[..., int], sandbox: Any
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, [ADDRESS, *people(3)])
    issue_id = an_issue(newsletter)
    scheduling.schedule(issue_id, actor="test")
    drain(only="sending.prepare_issue")
    erasing.erase_address(ADDRESS, reason="by letter", actor="test")
    drain()
    assert sql("SELECT excluded, count(*) FROM deliveries GROUP BY 1 ORDER BY 1") == [("erased", 1), (None, 3)]
    assert sql("SELECT state FROM issues") == [("sent",)]
    assert sandbox.messages(ADDRESS) == []
