"""An erasure while an issue is on its way, and a look through every table after one."""

from collections.abc import Callable
from typing import Any

from service.operations import erasing, scheduling, verifying
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter, an_issue, people, readers
from tests.everything import dump

Sql = Callable[..., list[Any]]
CANARY = "canarymei"
ADDRESS = f"{CANARY}@readers.example"


TRACES = (
    """INSERT INTO signups (state, address, normalised_address, email_key, first_name, language, attributes, choices, form, network, user_agent)
       SELECT 'confirmed', address, address, email_key, 'canarymei', 'en', '{"organisation": "canarymei"}', '[]', 'page', '192.0.2.0/24', 'Firefox' FROM subscribers""",
    "INSERT INTO link_requests (email_key, language, network) SELECT email_key, 'en', '192.0.2.0/24' FROM subscribers",
    "INSERT INTO links (subscriber_id, expires_at) SELECT id, now() FROM subscribers",
    """INSERT INTO address_changes (subscriber_id, address, normalised_address, email_key, language, expires_at)
       SELECT id, 'canarymei@new.example', 'canarymei@new.example', 'new', 'en', now() FROM subscribers""",
    """INSERT INTO mails (kind, email_key, language, newsletter_id, signup_id)
       SELECT 'confirm', g.email_key, 'en', w.id, g.id FROM signups g, newsletters w""",
    """INSERT INTO leave_reasons (subscription_id, newsletter_id, reason, words)
       SELECT id, newsletter_id, 'other', 'canarymei had enough' FROM subscriptions""",
    """WITH file AS (INSERT INTO imports (newsletter_id, file_name, file_sha256, consent, counts)
           SELECT id, 'readers.csv', 'hash', 'by letter', '{}' FROM newsletters RETURNING id)
       INSERT INTO imported_rows (import_id, subscriber_id) SELECT file.id, s.id FROM file, subscribers s""",
    """INSERT INTO events (issue_id, key, delivery_id, type, at, url)
       SELECT issue_id, 1, id, 'clicked', now(), 'https://www.example.com/?for=canarymei' FROM deliveries""",
)
"""A row in every table that knows readers."""
GONE = {
    "subscribers",
    "subscriptions",
    "signups",
    "link_requests",
    "links",
    "address_changes",
    "mails",
    "imported_rows",
    "events",
}


def naming(sql: Sql, text: str) -> set[str]:
    """The tables that hold this text."""
    return {name for name, rows in dump(sql).items() if any(text in row for row in rows)}


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
    scheduling.schedule(an_issue(newsletter, '# News\n\nDear {{ first_name | default: "reader" }}'), actor="test")
    drain()
    for trace in TRACES:
        sql(trace)
    assert naming(sql, CANARY) >= {
        "subscribers",
        "signups",
        "address_changes",
        "leave_reasons",
        "consent_details",
        "deliveries",
    }
    removed = erasing.erase_address(ADDRESS, reason="by letter", actor="test").body["removed"]
    assert (naming(sql, CANARY), naming(sql, "192.0.2.0")) == (set(), set())
    assert naming(sql, email_key(ADDRESS).hex()) == {"consent_records", "suppressions", "deliveries", "erasures"}
    assert {name: removed[name] for name in GONE} == dict.fromkeys(GONE, 1)
    assert [sql(f"SELECT count(*) FROM {name}") for name in sorted(GONE)] == [[(0,)]] * len(GONE)
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
