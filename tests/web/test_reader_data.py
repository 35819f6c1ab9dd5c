"""What is kept of a reader, handed to them: nothing of theirs in any table is missing, and nobody else's is in it."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from service.operations import changing_address, reader_data
from service.settings import Settings
from service.tokens import Purpose, Signer, email_key
from service.web.public.reader_data import defused
from tests.builders import a_newsletter, an_issue, readers
from tests.web.browsing import Page, Person
from tests.web.entering import MEI

Sql = Callable[..., list[Any]]
Enter = Callable[[], tuple[Person, Page]]

NOT_A_READERS = {
    "newsletters": "a publication's settings",
    "newsletter_wordings": "a publication's words",
    "issues": "what was written to all; its subject is in the mails sent",
    "variants": "what was written to all",
    "cohorts": "a group without names",
    "batches": "a group without names",
    "attempts": "a request without names; when it was taken is in the mails sent",
    "lookups": "what SendGrid was asked about a request, in counts without names",
    "installation": "the installation",
    "duties": "the clock",
    "workers": "processes",
    "operators": "staff",
    "audit_entries": "what staff did; no address may stand in it",
    "alembic_version": "the schema's",
    "consent_wordings": "each wording agreed to stands in the history of consent",
    "consent_digests": "sums over all readers",
    "consent_tombstones": "sums over many readers",
    "removed_consent_records": "what is left when a record was removed: a number and a hash",
    "payloads": "raw and compressed, of many readers at once, kept 14 days; what they said is in the events",
    "moves": "the state machine's own table",
    "uncounted_leavings": "a number and a time, for some seconds; the leaving itself is in the history of consent",
    "import_changes": "two numbers, and what the history of consent says too",
    "imported_rows": "two numbers; the file is in the files imported",
    "segments": "what the team asks of readers, by what it typed",
    "api_keys": "the team's",
    "issue_counts": "sums over all readers",
    "growth_days": "sums over all readers",
    "wording_counts": "sums over all readers",
    "newsletter_fields": "names of details, not of readers",
    "team_mails": "staff",
    "alarms": "what went wrong, in counts without names",
    "breakers": "the fitness of a key to send by",
    "passkeys": "staff",
    "checks": "what was found about the sender, not about readers",
    "subscriber_tags": "two numbers and a time; the tags are there by name",
    "uploads": "a file of many readers on its way in: deleted when it was taken, its words on single rows after thirty days",
    "issue_versions": "what was written to all, as it was before",
    "issue_pictures": "pictures shown to all",
    "issue_editors": "staff",
    "approvals": "what staff said of what was written to all",
    "memberships": "staff",
    "operator_sessions": "staff",
    "recovery_codes": "staff",
    "sign_in_failures": "keyed hashes of what was typed where staff signs in",
}
"""Tables that hold nothing of one reader, and why."""

NOT_IN_IT = {
    ("consent_records", "details"): "always empty: it is kept in consent_details",
    ("consent_details", "part"): "told by where it stands",
    ("consent_records", "import_id"): "its file's name is there",
    ("erasures", "certificate"): "set apart below",
    ("imports", "counts"): "sums over all readers of the file",
    ("imports", "upload_id"): "a number of ours without meaning for the reader",
    ("deliveries", "batch_id"): "a number of ours without meaning for the reader",
}
"""Columns that are not handed out, and why."""


@pytest.fixture
def get(web: str, enter: Enter) -> Callable[[], dict[str, Any]]:
    """Come in, and download."""

    def downloaded() -> dict[str, Any]:
        person, _ = enter()
        page = person.get(f"{web}/preferences/data.json")
        assert page.status == 200
        assert page.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
        found: dict[str, Any] = json.loads(page.text)
        return found

    return downloaded


def a_row_everywhere(sql: Sql, newsletter: int) -> None:
    """At least one row of the reader in every table that can hold one."""
    key = email_key(MEI)
    issue = an_issue(newsletter)
    sql("UPDATE issues SET prepared_at = now() WHERE id = %s", issue)
    sql(
        """INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, email_key, "values")
           SELECT %s, s.id, n.id, s.email_key, ARRAY['x'] FROM subscribers s JOIN subscriptions n ON n.subscriber_id = s.id WHERE s.email_key = %s""",
        issue,
        key,
    )
    sql("SELECT make_event_partition(%s)", issue)
    sql(
        "INSERT INTO events (issue_id, key, delivery_id, type, at, detail, url) SELECT issue_id, 1, id, 'opened', now(), 'x', 'x' FROM deliveries"
    )
    sql("INSERT INTO consent_wordings (sha256, wording) VALUES (sha256('canary wording'), 'canary wording')")
    sql(
        "INSERT INTO imports (newsletter_id, file_name, file_sha256, consent, counts) VALUES (%s, 'canary-consent_records-file', 'h', 'x', '{}')",
        newsletter,
    )
    sql("INSERT INTO imported_rows SELECT i.id, s.id FROM imports i, subscribers s WHERE s.email_key = %s", key)
    sql(
        "INSERT INTO import_details (import_id, subscriber_id) SELECT i.id, s.id FROM imports i, subscribers s WHERE s.email_key = %s",
        key,
    )
    sql(
        """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, wording_sha256, import_id, details)
           SELECT %s, %s, 'newsletter', 'given', 'canary-method', sha256('canary wording'), id,
               '{"note": "canary-act", "network": "canary-network", "user_agent": "canary-agent"}' FROM imports""",
        key,
        newsletter,
    )
    sql(
        """INSERT INTO signups (address, normalised_address, email_key, language, choices, form, network, user_agent)
           VALUES ('x', 'x', %s, 'x', '[]', 'x', 'x', 'x')""",
        key,
    )
    sql("INSERT INTO tags (name) VALUES ('canary-tags-name')")
    sql("INSERT INTO subscriber_tags SELECT g.id, s.id FROM tags g, subscribers s WHERE s.email_key = %s", key)
    sql("INSERT INTO link_requests (email_key, language, network) VALUES (%s, 'x', 'x')", key)
    sql("INSERT INTO links (subscriber_id, expires_at) SELECT id, now() FROM subscribers WHERE email_key = %s", key)
    sql(
        """INSERT INTO address_changes (subscriber_id, address, normalised_address, email_key, language, expires_at)
           SELECT id, 'x', 'x', 'other', 'x', now() FROM subscribers WHERE email_key = %s""",
        key,
    )
    sql(
        "INSERT INTO mails (kind, email_key, language, newsletter_id, subscriber_id) SELECT 'welcome', %s, 'x', %s, id FROM subscribers WHERE email_key = %s",
        key,
        newsletter,
        key,
    )
    sql(
        "INSERT INTO leave_reasons (subscription_id, newsletter_id, reason, words) SELECT id, newsletter_id, 'x', 'x' FROM subscriptions"
    )
    sql("INSERT INTO suppressions (email_key, kind, source) VALUES (%s, 'left-all', 'x')", key)
    sql("INSERT INTO erasures (email_key, certificate, signature) VALUES (%s, 'canary-certificate', 's')", key)


def fill(sql: Sql) -> list[str]:
    """A text that is found nowhere else in every column that can hold one, in every row of the reader; and all of them."""
    free = sql(
        """SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
           JOIN pg_class t ON t.relname = c.table_name AND t.relkind IN ('r', 'p') AND NOT t.relispartition
           WHERE c.table_schema = 'public' AND c.data_type IN ('text', 'jsonb', 'ARRAY') ORDER BY 1, 2"""
    )
    chosen = {
        (table, name)
        for table, name in sql(
            """SELECT t.relname::text, a.attname::text FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
           JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(k.conkey) WHERE k.contype = 'c'"""
        )
    }
    canaries = []
    for table, column, kind in free:
        if (
            table in NOT_A_READERS
            or table in ("consent_records", "consent_details", "erasures")
            or (table, column) in chosen | set(NOT_IN_IT)
        ):
            continue
        canary = f"canary-{table}-{column}"
        value = {"text": canary, "jsonb": json.dumps({"note": canary}), "ARRAY": "{" + canary + "}"}[kind]
        sql(f'UPDATE {table} SET "{column}" = %s', value)
        canaries.append(canary)
    return canaries


def test_nothing_of_the_reader_in_any_table_is_missing(monthly: int, sql: Sql, enter: Enter, web: str) -> None:
    person, _ = enter()
    a_row_everywhere(sql, monthly)
    canaries = [
        *fill(sql),
        "canary wording",
        "canary-method",
        "canary-act",
        "canary-network",
        "canary-agent",
        "canary-certificate",
    ]
    sql("UPDATE links SET ended_at = NULL")
    text = person.get(f"{web}/preferences/data.json").text
    assert [canary for canary in canaries if canary not in text] == []
    assert len(canaries) > 40, "the schema was searched"
    table = person.get(f"{web}/preferences/data.csv").text
    assert [canary for canary in canaries if canary not in table] == []


def test_every_moment_that_is_kept_of_the_reader_is_handed_out(monthly: int, sql: Sql, enter: Enter, web: str) -> None:
    person, _ = enter()
    a_row_everywhere(sql, monthly)
    columns = sql(
        """SELECT c.table_name, c.column_name FROM information_schema.columns c
           JOIN pg_class t ON t.relname = c.table_name AND t.relkind IN ('r', 'p') AND NOT t.relispartition
           WHERE c.table_schema = 'public' AND c.data_type = 'timestamp with time zone' ORDER BY 1, 2"""
    )
    days = {}
    for number, (table, column) in enumerate(columns):
        if table in NOT_A_READERS or table in ("consent_records", "erasures", "links"):
            continue
        days[table, column] = f"19{10 + number // 28:02}-02-{1 + number % 28:02}"
        sql(f"UPDATE {table} SET {column} = %s::timestamptz", days[table, column] + " 12:00:00+00")
    text = person.get(f"{web}/preferences/data.json").text
    assert [place for place, day in days.items() if day not in text] == []
    assert len(days) > 30


def test_every_table_either_is_a_readers_or_is_said_not_to_be(
    database: Settings, monthly: int, sql: Sql, enter: Enter
) -> None:
    enter()
    a_row_everywhere(sql, monthly)
    tables = [
        name
        for (name,) in sql(
            "SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition"
        )
    ]
    empty = [name for name in tables if name not in NOT_A_READERS and sql(f"SELECT count(*) FROM {name}") == [(0,)]]
    assert empty == [], "a new table: put a row of the reader's into it above, or say why it holds none"


def test_nobody_elses_data_is_in_it(get: Callable[[], dict[str, Any]], monthly: int, sql: Sql) -> None:
    other = "other.distinct@readers.example"
    readers(monthly, [other], names={other: "Otto-Distinct"})
    issue = an_issue(monthly)
    sql("UPDATE issues SET prepared_at = now()")
    sql(
        "INSERT INTO deliveries (issue_id, subscriber_id, email_key, \"values\") SELECT %s, id, email_key, ARRAY[first_name || 'x'] FROM subscribers",
        issue,
    )
    text = json.dumps(get())
    assert "Otto" not in text
    assert other not in text
    assert email_key(other).hex() not in text
    assert MEI in text


def test_a_former_address_that_is_somebody_elses_now_stays_theirs(
    get: Callable[[], dict[str, Any]], monthly: int, sql: Sql
) -> None:
    former = "shared.distinct@readers.example"
    readers(monthly, [former])
    sql(
        "INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method) VALUES (%s, %s, 'newsletter', 'confirmed', 'form')",
        email_key(former),
        monthly,
    )
    sql(
        """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, details)
           SELECT %s, %s, 'newsletter', 'confirmed', 'address-change', jsonb_build_object('from_record', id) FROM consent_records""",
        email_key(MEI),
        monthly,
    )
    sql(
        """INSERT INTO signups (address, normalised_address, email_key, first_name, language, choices, form, network, user_agent)
           VALUES (%s, %s, %s, 'Somebody-Else', 'en', '[]', 'page', 'x', 'x')""",
        former,
        former,
        email_key(former),
    )
    assert "Somebody-Else" not in json.dumps(get())


def test_what_happens_at_a_former_address_later_is_not_the_readers(reader: int, sql: Sql) -> None:
    """The address was given to somebody else, who has signed up and not confirmed yet."""
    ((subscriber,),) = sql("SELECT subscriber_id FROM subscriptions")
    before, later = "Mei-Before", "Somebody-Else"

    def sign_up(name: str) -> None:
        sql(
            """INSERT INTO signups (address, normalised_address, email_key, first_name, language, choices, form, network, user_agent)
               VALUES (%s, %s, %s, %s, 'en', '[]', 'page', 'x', 'x')""",
            MEI, MEI, email_key(MEI), name,
        )  # fmt: skip
        sql(
            "INSERT INTO link_requests (email_key, language, network) VALUES (%s, 'en', %s)",
            email_key(MEI),
            f"net-{name}",
        )

    sign_up(before)
    sql("INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method) SELECT %s, newsletter_id, 'newsletter', 'confirmed', 'form' FROM subscriptions", email_key(MEI))  # fmt: skip
    changing_address.ask(subscriber, "mei.new@readers.example")
    ((change,),) = sql("SELECT id FROM address_changes")
    for end in (Purpose.CHANGE_OLD, Purpose.CHANGE_NEW):
        changing_address.agree(Signer(end).sign(change))
    sign_up(later)
    text = json.dumps(reader_data.collect(subscriber))
    assert before in text
    assert later not in text


def test_a_trial_says_that_nobody_else_gets_the_data_and_the_real_thing_names_sendgrid(
    get: Callable[[], dict[str, Any]], other_settings: Callable[..., Settings]
) -> None:
    assert "trial" in json.dumps(get()["who_else_gets_the_data"])
    other_settings(sandbox=False)
    assert "SendGrid" in json.dumps(get()["who_else_gets_the_data"])


def test_the_page_says_in_the_readers_language_who_else_gets_the_data(
    enter: Callable[[], tuple[Person, Page]], web: str, sql: Sql
) -> None:
    sql("UPDATE subscribers SET language = 'zh-Hans'")
    person, _ = enter()
    said = person.get(f"{web}/preferences/data").said
    assert "没有任何内容离开该机器" in said
    assert said.count("还有谁获得这些数据") == 1, "nobody is not counted as one"
    assert "nothing leaves" not in said


@pytest.mark.parametrize("start", list("=+-@\t\r\n\0＝＋－＠"))
def test_no_cell_is_taken_for_a_formula(start: str) -> None:
    assert defused(f"{start}1") == f"'{start}1"


def test_the_table_holds_what_was_typed_and_no_formula(enter: Enter, web: str, sql: Sql) -> None:
    person, _ = enter()
    sql("UPDATE subscribers SET first_name = '=HYPERLINK(\"x\")', last_name = E'a,\"b\"\\n李'")
    page = person.get(f"{web}/preferences/data.csv")
    assert page.headers["Content-Disposition"] == 'attachment; filename="my-data.csv"'
    rows = list(csv.reader(io.StringIO(page.text.removeprefix("\ufeff"), newline="")))
    assert rows[0] == ["part", "entry", "field", "value"]
    assert ["profile", "1", "first_name", '\'=HYPERLINK("x")'] in rows
    assert ["profile", "1", "last_name", 'a,"b"\n李'] in rows


@pytest.mark.parametrize("path", ["data", "data.json", "data.csv", "why", "address", "erase"])
def test_nothing_is_shown_without_the_session(web: str, reader: int, path: str) -> None:
    page = Person().get(f"{web}/preferences/{path}")
    assert page.status == 403
    assert MEI not in page.text


def test_two_newsletters_are_told_apart(get: Callable[[], dict[str, Any]], sql: Sql) -> None:
    other = a_newsletter("weekly", name="The Weekly")
    sql(
        "INSERT INTO subscriptions (subscriber_id, newsletter_id, state) SELECT id, %s, 'active' FROM subscribers",
        other,
    )
    assert [row["newsletter"] for row in get()["subscriptions"]] == ["monthly", "weekly"]
