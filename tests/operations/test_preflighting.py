"""Preflight of issues: readers counted, every version looked at, and a send that is stopped or let through with a reason."""

from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from service.db import transaction
from service.errors import Invalid, NotFound
from service.operations import preflighting, reporting, scheduling
from service.operations.authoring import Source
from service.operations.preflighting import Blocked, Report, check_file, check_issue
from service.rendering.preflight.findings import Finding
from service.settings import Settings
from tests.builders import LETTER, a_newsletter, an_issue, people, readers
from tests.clients.names import Names

Sql = Callable[..., list[Any]]
NOBODY = Names({})
NAMELESS = LETTER.replace(' | default: "reader"', "")
PUBLIC = Names(
    {("firm.de", "TXT"): ["v=spf1 -all"], ("firm.de", "MX"): ["10 mail.firm.de"], ("firm.de", "A"): ["10.0.0.1"]}
)


def state(issue_id: int) -> str:
    return str(reporting.show(issue_id)["issue"]["state"])


def found(report: Report, rule: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == rule]


def audits(issue_id: int) -> list[dict[str, Any]]:
    with transaction() as tx:
        rows = tx.execute(
            "SELECT details FROM audit_entries WHERE action = 'schedule' AND subject = :issue",
            issue=f"issue {issue_id}",
        )
        return list(rows.scalars())


def test_it_is_told_how_many_readers_lack_a_value_and_who(database: Settings) -> None:
    newsletter = a_newsletter()
    everybody = people(2310)
    readers(newsletter, everybody, names=dict.fromkeys(everybody[14:], "Ann"))
    report = check_issue(an_issue(newsletter, NAMELESS), network=False)
    missing = found(report, "value-missing")[0]
    sample = "reader00000@readers.example, reader00001@readers.example, reader00002@readers.example …"
    assert missing.text == f"14 of 2,310 readers have no first name and get no copy: {sample}"
    assert (missing.severity, missing.where) == ("warns", "line 3")


def test_only_readers_who_would_get_it_are_counted(database: Settings, sql: Sql) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(3), names={people(3)[0]: "Ann"})
    readers(newsletter, ["left@readers.example"], state="unsubscribed")
    readers(newsletter, ["gone@readers.example"])
    sql(
        "INSERT INTO suppressions (email_key, kind, source) SELECT email_key, 'manual', 'test' FROM subscribers WHERE address = 'gone@readers.example'"
    )
    issue = an_issue(newsletter, NAMELESS)
    assert "2 of 3 readers" in found(check_issue(issue, network=False), "value-missing")[0].text


def test_an_attribute_is_counted_among_the_readers_of_the_import_alone(database: Settings, sql: Sql) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(4))
    sql("UPDATE subscribers SET attributes = '{\"office\": \" \"}' WHERE address LIKE 'reader00000%%'")
    sql("UPDATE subscribers SET attributes = '{\"office\": \"Tarn\"}' WHERE address LIKE 'reader00001%%'")
    imported = sql(
        "INSERT INTO imports (newsletter_id, file_name, file_sha256, consent) VALUES (%s, 'a.csv', '', '') RETURNING id",
        newsletter,
    )[0][0]
    sql(
        "INSERT INTO imported_rows (import_id, subscriber_id) SELECT %s, id FROM subscribers WHERE address < 'reader00002'",
        imported,
    )
    issue = an_issue(newsletter, f"{LETTER}\nYour office: {{{{ office }}}}.\n", audience={"import": imported})
    assert "1 of 2 readers have no office" in found(check_issue(issue, network=False), "value-missing")[0].text


def test_a_spam_filter_reads_the_mail_as_it_would_arrive(
    database: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "spamassassin"
    program.write_text(
        f"#!/bin/sh\ncat > {tmp_path}/read.eml\necho 'Content analysis details:   (1.3 points, 5.0 required)'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    check_file(Source(LETTER, tmp_path), network=False)
    mail = message_from_bytes((tmp_path / "read.eml").read_bytes(), policy=policy.default)
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    for header in ("Date", "Message-ID", "From", "To", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"):
        assert mail[header], header


def test_a_send_that_nobody_would_get_is_stopped(database: Settings) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(3))
    issue = an_issue(newsletter, NAMELESS)
    with pytest.raises(Blocked, match="3 of 3 readers have no first name") as stopped:
        scheduling.schedule(issue, actor="test")
    assert [finding.rule for finding in stopped.value.findings] == ["value-missing"]
    assert state(issue) == "draft"
    assert audits(issue) == []


def test_it_is_sent_all_the_same_for_a_reason_that_is_kept(database: Settings) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(3))
    issue = an_issue(newsletter, NAMELESS)
    with pytest.raises(Invalid, match="Say why"):
        scheduling.schedule(issue, actor="test", override="  ")
    assert state(issue) == "draft"
    scheduling.schedule(issue, actor="test", override="a trial of the ledger")
    assert state(issue) == "scheduled"
    assert audits(issue) == [{"despite": ["value-missing"], "reason": "a trial of the ledger"}]


def test_a_send_with_warnings_alone_is_not_stopped(database: Settings) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(3))
    issue = an_issue(newsletter, "# NEWS OF THE WHOLE MONTH!!!\n\nRead [this](http://www.firm.de).\n")
    assert {one.severity for one in check_issue(issue, network=False).findings} == {"warns", "notes"}
    scheduling.schedule(issue, actor="test")
    assert audits(issue) == [{}]


def test_an_issue_on_its_way_is_not_looked_at_again(database: Settings, sql: Sql) -> None:
    newsletter = a_newsletter()
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    sql("UPDATE variants SET html = '' WHERE issue_id = %s", issue)
    scheduling.schedule(issue, actor="test")
    assert state(issue) == "scheduled"


def test_every_version_is_looked_at(database: Settings, sql: Sql) -> None:
    issue = an_issue(a_newsletter())
    sql(
        """INSERT INTO variants (issue_id, position, name, language, subject, preheader, html, text, tags)
           SELECT issue_id, 1, 'de', 'de', subject, preheader, replace(html, 'Leave this', 'Bleib'), 'Kein Weg hinaus.', tags FROM variants WHERE issue_id = %s""",
        issue,
    )
    stopping = check_issue(issue, network=False).blocking
    assert {(one.rule, one.where) for one in stopping} == {
        ("leave-link", "the text part (de only)"),
        ("postal-address", "the text part (de only)"),
    }
    with pytest.raises(Blocked):
        scheduling.schedule(issue, actor="test")


def test_what_rendering_warned_of_is_told_of_a_draft_too(database: Settings) -> None:
    issue = an_issue(a_newsletter(), f"{LETTER}\n[^one]: Nobody refers to this.\n")
    assert [one.where for one in found(check_issue(issue, network=False), "note-orphan")] == ["line 7"]


def test_without_the_network_nobody_is_asked_and_that_is_said(database: Settings) -> None:
    names = Names({})
    newsletter = a_newsletter(sender_address="news@firm.de")
    issue = an_issue(newsletter, "# News\n\nRead [the guide](https://gone.firm.de/).\n")
    report = check_issue(issue, network=False, resolver=names)
    assert names.asked == []
    assert "links and the sender's domain" in {one.where for one in found(report, "not-checked")}


def test_with_the_network_links_and_the_sender_are_asked(database: Settings) -> None:
    newsletter = a_newsletter(sender_address="news@firm.de")
    issue = an_issue(newsletter, "# News\n\n[Gone](https://gone.firm.de/), [inside](https://firm.de/).\n")
    report = check_issue(issue, resolver=PUBLIC)
    assert [one.text for one in found(report, "link-dead")] == ["the link is dead: there is no site gone.firm.de"]
    assert [one.text for one in found(report, "link-unchecked")] == [
        "the link could not be checked: it is not on the public internet"
    ]
    assert found(report, "sender-dkim")
    assert found(report, "sender-dmarc")
    assert not found(report, "sender-spf")


def test_a_reader_s_values_are_given_to_nobody(database: Settings) -> None:
    names = Names({})
    newsletter = a_newsletter()
    readers(newsletter, people(1), names={people(1)[0]: "Wolfeschlegelstein"})
    text = '# News\n\n[You](https://firm.de/?who={{ first_name | default: "reader" }}) and {{ first_name }}.\n'
    report = check_issue(an_issue(newsletter, text), resolver=names)
    assert "Wolfe" not in repr(report)
    assert [one.where for one in found(report, "link-dead")] == ["line 3"]


def test_a_file_is_looked_at_as_an_issue_of_the_newsletter(database: Settings, tmp_path: Path) -> None:
    newsletter = a_newsletter(sender_address="news@gmail.com")
    readers(newsletter, people(2))
    report = check_file(Source(NAMELESS, tmp_path), newsletter="monthly", network=False)
    assert {"value-missing", "sender-free-mail"} <= {one.rule for one in report.findings}


def test_a_file_without_a_newsletter_is_looked_at_by_itself(database: Settings, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    text = "# News\n\n{{ frist_name }} ![A](bad.png) ![B](gone.png) ![C](../../etc/passwd) [x]()\n"
    report = check_file(Source(text, tmp_path), network=False)
    told = [one.text for one in report.blocking]
    assert len(told) == 5, told
    assert sum("bad.png" in text for text in told) == sum("gone.png" in text for text in told) == 1


@pytest.mark.parametrize("text", ["[" * 200, "---\nsubject: x\n"])
def test_a_text_that_cannot_be_read_on_is_told_of_and_is_no_accident(
    database: Settings, tmp_path: Path, text: str
) -> None:
    assert len(check_file(Source(text, tmp_path), network=False).blocking) == 1


def test_an_issue_that_is_not_there_is_not_found(database: Settings) -> None:
    with pytest.raises(NotFound):
        check_issue(0)
    with pytest.raises(NotFound):
        preflighting.blocking(0)
