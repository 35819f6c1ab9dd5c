"""Readers on the team's side: found, seen by whom they concern, acted upon with reasons; and one copy proven byte by byte."""

import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.operations import exporting, finding, reader_pages, scheduling
from tests.builders import a_newsletter, an_issue, people, readers
from tests.conftest import Sandbox
from tests.team import actor_of, an_operator, signed_in
from tests.web.browsing import Page, Person

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]
MEI = "mei.lin@firm.example"


@pytest.fixture
def mei(newsletter: int, sql: Sql) -> int:
    readers(newsletter, [MEI, "bo@other.example"], names={MEI: "Mei"})
    sql(
        "UPDATE subscribers SET last_name = 'Lín', attributes = '{\"organisation\": \"Grain & Co\"}' WHERE address = %s",
        MEI,
    )
    return int(sql("SELECT id FROM subscribers WHERE address = %s", MEI)[0][0])


@pytest.mark.parametrize("words", ["mei", "MEI.L", "Lín", "grain", MEI, "@firm.example", " mei "])
def test_a_reader_is_found_by_what_one_remembers(mei: int, words: str) -> None:
    assert [one["id"] for one in finding.find(words, actor="console")] == [mei]


@pytest.mark.parametrize("words", ["lin", "%", "_", "\\", "mei' OR '1'='1", "@", "x" * 200, "中文", "a\tb"])
def test_what_is_nowhere_is_not_found_and_breaks_nothing(mei: int, words: str) -> None:
    assert finding.find(words, actor="console") == []
    assert [one["id"] for one in finding.find("lin@", actor="console", anywhere=True)] == [mei]


def test_page_by_page_everybody_is_seen_once(newsletter: int) -> None:
    readers(newsletter, people(7))
    seen: list[int] = []
    before = None
    while rows := finding.find("reader", actor="console", before=before, limit=3):
        seen += [row["id"] for row in rows]
        before = rows[-1]["id"]
    assert len(seen) == len(set(seen)) == 7


def test_only_those_whom_it_concerns_see_a_reader(web: str, newsletter: int, mei: int) -> None:
    other = a_newsletter("other")
    stranger, editor = (
        an_operator(None, newsletters={other: "editor"}),
        an_operator(None, newsletters={newsletter: "editor"}),
    )
    assert finding.find("mei", actor=actor_of(stranger)) == []
    assert signed_in(stranger).get(f"{web}/admin/readers/{mei}").status == 404
    assert signed_in(an_operator("analyst")).get(f"{web}/admin/readers").status == 403
    page = signed_in(editor).get(f"{web}/admin/readers/{mei}")
    assert "Mei" in page.text
    assert "Erase this reader" not in page.said
    seal = page.form("/sign-out")[1]["form_seal"]
    assert signed_in(editor).post(f"{web}/admin/readers/{mei}/erase", {"form_seal": seal}).status == 403


def search(web: str, person: Person, words: str) -> Page:
    return person.press(person.get(f"{web}/admin/readers"), "/readers", words=words)


def test_what_a_person_does_is_recorded_with_its_reason(web: str, mei: int, sql: Sql) -> None:
    person = signed_in(an_operator("owner"))
    found = search(web, person, MEI)
    assert MEI in found.said
    assert MEI not in found.url
    page = person.get(f"{web}/admin/readers/{mei}")
    assert (
        "Say how the reader asked to leave"
        in person.press(
            page, f"/leave/{sql('SELECT id FROM subscriptions WHERE subscriber_id = %s', mei)[0][0]}", reason=" "
        ).said
    )
    left = person.press(
        page,
        f"/leave/{sql('SELECT id FROM subscriptions WHERE subscriber_id = %s', mei)[0][0]}",
        reason="Called us on Tuesday",
    )
    assert "They get this newsletter no more." in left.said
    assert sql("SELECT action, method FROM consent_records") == [("withdrawn", "operator")]
    suppressed = person.press(left, "/suppress", reason="Asked never to hear from us")
    assert "Suppressed" in suppressed.said
    assert MEI not in str(sql("SELECT * FROM audit_entries"))
    refused = person.press(suppressed, "/erase", reason="Their letter", typed="somebody@else.example")
    assert refused.status == 422
    person.press(suppressed, "/erase", reason="Their letter", typed=MEI.upper())
    assert sql("SELECT count(*) FROM subscribers WHERE id = %s", mei) == [(0,)]
    assert sql("SELECT count(*) FROM suppressions")[0][0] >= 1


def test_their_data_is_given_as_a_file(web: str, mei: int) -> None:
    person = signed_in(an_operator("editor"))
    data = person.press(person.get(f"{web}/admin/readers/{mei}"), "/data")
    assert data.headers["Content-Type"] == "application/json"
    assert MEI in data.text


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\n=x", "'\n=x"),
        ("\uff1dx", "'\uff1dx"),
        ("\uff20x", "'\uff20x"),
        ("x=1", "x=1"),
        (5, 5),
        (None, None),
    ],
)
def test_no_cell_is_a_formula(value: object, kept: object) -> None:
    assert exporting.cell(value) == kept


def test_a_copy_is_rebuilt_as_it_was_sent_and_proven(
    web: str, newsletter: int, mei: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    drain()
    (copy,) = sandbox.messages(MEI)
    person = signed_in(an_operator("editor"))
    report = person.get(f"{web}/admin/issues/{issue}/report")
    assert "Ledger closed" in report.said
    found = person.press(person.get(f"{web}/admin/issues/{issue}/report/readers"), "/report/readers", words="mei.")
    assert MEI in found.said
    delivery = sql("SELECT id FROM deliveries WHERE subscriber_id = %s", mei)[0][0]
    page = person.get(f"{web}/admin/issues/{issue}/report/readers/{delivery}")
    assert "Proven" in page.said
    mail = person.get(f"{web}/admin/issues/{issue}/report/readers/{delivery}/mail.eml")
    from email import message_from_string, policy  # noqa: PLC0415

    message: Any = message_from_string(mail.text, policy=policy.default)
    assert message["Subject"] == copy["subject"]
    token = copy["headers"]["List-Unsubscribe"].rpartition("/")[2].rstrip(">")
    assert token not in mail.text, "whoever looks at a copy must not be able to leave in the reader's name"
    assert token in copy["html"]
    html, text = (copy[part].replace(token, "preview").strip() for part in ("html", "text"))
    assert message.get_body(("html",)).get_content().replace("\r\n", "\n").strip() == html
    assert message.get_body(("plain",)).get_content().strip().replace("\r\n", "\n") == text
    sql(
        "UPDATE deliveries SET values = array_fill('Eve'::text, ARRAY[array_length(values, 1)]) WHERE id = %s", delivery
    )
    assert "not proven" in person.get(f"{web}/admin/issues/{issue}/report/readers/{delivery}").said
    rows = person.press(person.get(f"{web}/admin/issues/{issue}/report"), "/report/readers/table").text.splitlines()
    assert len(rows) == 3
    assert sql("SELECT count(*) FROM audit_entries WHERE action = 'export'") == [(1,)]
    assert signed_in(an_operator("analyst")).get(f"{web}/admin/issues/{issue}/report").status == 200
    assert signed_in(an_operator("analyst")).get(f"{web}/admin/issues/{issue}/report/readers").status == 403


def test_the_audit_log_is_read_by_who_may_and_found_by_words(web: str, mei: int) -> None:
    person = signed_in(an_operator("owner", name="Ada Quill"))
    page = person.get(f"{web}/admin/audit?words=ada")
    assert "Nothing was found" in page.said, "she has done nothing yet"
    assert "newsletter" in person.get(f"{web}/admin/audit?words=newsletter").said
    assert "Nothing was found" in person.get(f"{web}/admin/audit?words=nowhere-at-all").said
    assert person.get(f"{web}/admin/audit/log.csv").headers["Content-Type"].startswith("text/csv")
    assert signed_in(an_operator("editor")).get(f"{web}/admin/audit").status == 403


def test_home_says_what_needs_attention(web: str, newsletter: int, sql: Sql) -> None:
    from service.operations import approving  # noqa: PLC0415

    person = signed_in(an_operator("owner"))
    assert "The first three steps" in person.get(f"{web}/admin/").said
    readers(newsletter, people(1))
    assert "Nothing needs you just now" in person.get(f"{web}/admin/").said
    issue = an_issue(newsletter)
    approving.ask(issue, actor="test")
    assert "waits for your approval" in person.get(f"{web}/admin/").said
    scheduling.halt(reason="an exercise", actor="test")
    assert "an exercise" in person.get(f"{web}/admin/").said


def test_the_audit_log_is_narrowed_by_who_what_and_when(web: str, mei: int, sql: Sql) -> None:
    ada = an_operator("owner", name="Ada Quill")
    reader_pages.change(mei, first_name="Mei", last_name="Lin", language="", actor=actor_of(ada))
    reader_pages.suppress(mei, reason="asked", actor="console")
    person = signed_in(ada)

    def rows(**asked: str) -> list[str]:
        page = person.get(f"{web}/admin/audit?{urllib.parse.urlencode(asked)}")
        return [" ".join(row.text_content().split()) for row in page.tree.xpath("//tbody/tr")]

    assert [("Ada Quill" in row, "Change" in row) for row in rows(who=f"operator {ada}")] == [(True, True)]
    assert all("Suppress" in row for row in rows(action="suppress"))
    assert rows(action="suppress")
    today = datetime.now(UTC).date()
    assert rows(since=today.isoformat(), until=today.isoformat()) == rows()
    assert rows(until=(today - timedelta(days=1)).isoformat()) == []
    assert rows(since=(today + timedelta(days=1)).isoformat()) == []
    assert rows(since="yesterday") == rows(), "what is no day asks for nothing"
    page = person.get(f"{web}/admin/audit")
    assert next(one.text for one in page.tree.xpath("//select[@name='who']/option")) == "Everybody"
    assert "Ada Quill" in [one.text for one in page.tree.xpath("//select[@name='who']/option")]
    assert "Suppress" in [one.text for one in page.tree.xpath("//select[@name='action']/option")]
    export = person.get(f"{web}/admin/audit/log.csv?action=suppress").text
    assert len(export.splitlines()) == 1 + len(rows(action="suppress"))


def test_details_are_corrected_added_and_taken_away(web: str, newsletter: int, mei: int, sql: Sql) -> None:
    person = signed_in(an_operator(None, newsletters={newsletter: "editor"}))
    page = person.get(f"{web}/admin/readers/{mei}")
    target, fields = page.form("/details")
    sent = [("form_seal", fields["form_seal"]), ("first_name", "Mei"), ("last_name", "Lin"), ("language", "de")]
    done = person.post_pairs(
        target, [*sent, ("detail", "organisation"), ("value", ""), ("detail", "city"), ("value", " Bonn ")]
    )
    assert done.status == 200
    assert sql("SELECT attributes, language FROM subscribers WHERE id = %s", mei) == [({"city": "Bonn"}, "de")]
    for name, told in (
        ("Über Ort", "is no name for a detail"),
        ("email", "is no name for a detail"),
        ("first_name", "is no name"),
    ):
        wrong = person.post_pairs(target, [*sent, ("detail", name), ("value", "x")])
        assert (wrong.status, told in wrong.said) == (422, True)
    assert person.post_pairs(target, [*sent, ("detail", "city"), ("value", "x" * 201)]).status == 422
    assert sql("SELECT attributes FROM subscribers WHERE id = %s", mei) == [({"city": "Bonn"},)]


def test_a_reader_is_paused_and_gets_it_again(
    web: str, newsletter: int, mei: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    person = signed_in(an_operator(None, newsletters={newsletter: "editor"}))
    here = f"{web}/admin/readers/{mei}"
    subscription = sql("SELECT id FROM subscriptions WHERE subscriber_id = %s", mei)[0][0]
    for day, reason in (
        ("2020-01-01", "by telephone"),
        ("soon", "by telephone"),
        ("2999-01-01", "by telephone"),
        ("2027-06-01", " "),
    ):
        assert person.press(person.get(here), f"/pause/{subscription}", day=day, reason=reason).status == 422
    page = person.press(person.get(here), f"/pause/{subscription}", day="2027-06-01", reason="by telephone")
    assert "paused until 1 June 2027" in page.said
    scheduling.schedule(an_issue(newsletter), actor="test")
    drain()
    assert sql("SELECT excluded FROM deliveries WHERE subscriber_id = %s", mei) == [("paused",)]
    page = person.press(person.get(here), f"/pause/{subscription}")
    assert "get the newsletter again" in page.said
    assert sql("SELECT paused_until FROM subscriptions WHERE id = %s", subscription) == [(None,)]


def test_another_address_asks_both_mailboxes(
    web: str, newsletter: int, mei: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    person = signed_in(an_operator(None, newsletters={newsletter: "editor"}))
    here = f"{web}/admin/readers/{mei}"
    for wrong in ("nobody", MEI):
        assert person.press(person.get(here), "/address", address=wrong).status == 422
    page = person.press(person.get(here), "/address", address="mei@new.example")
    assert "Both addresses are asked by mail" in page.said
    drain()
    assert len(sandbox.messages(MEI)) == len(sandbox.messages("mei@new.example")) == 1
    assert sql("SELECT address FROM subscribers WHERE id = %s", mei) == [(MEI,)], "nothing moves before both say yes"
    assert "mei@new.example" not in str(sql("SELECT * FROM audit_entries"))


def test_whoever_has_a_role_in_one_newsletter_suppresses_nobody_for_all(
    web: str, newsletter: int, mei: int, sql: Sql
) -> None:
    person = signed_in(an_operator(None, newsletters={newsletter: "editor"}))
    page = person.get(f"{web}/admin/readers/{mei}")
    assert "never to be written to" not in page.said
    seal = page.form("/sign-out")[1]["form_seal"]
    refused = person.post(f"{web}/admin/readers/{mei}/suppress", {"form_seal": seal, "reason": "because"})
    assert refused.status == 403
    assert "from any newsletter" in refused.said
    assert sql("SELECT count(*) FROM suppressions") == [(0,)]
    stranger = signed_in(an_operator(None, newsletters={a_newsletter("other"): "editor"}))
    seal = stranger.get(f"{web}/admin/").form("/sign-out")[1]["form_seal"]
    assert stranger.post(f"{web}/admin/readers/{mei}/suppress", {"form_seal": seal, "reason": "x"}).status == 404
