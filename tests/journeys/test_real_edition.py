"""A real edition, as a team gets it from its lawyers, from the plain-text file to each reader's own copy."""

import re
from pathlib import Path
from typing import Any

import pytest

from service import tokens
from service.operations import authoring, importing, reporting, scheduling
from service.tokens import Purpose
from tests.builders import a_newsletter
from tests.conftest import Sandbox
from tests.operations.test_sending import Drain, Sql, book

PEOPLE = "email,first_name,tracking\nmei@readers.example,Mei,yes\ntom@readers.example,Tom,no\nada@readers.example,Ada,yes\neve@readers.example,Eve,\n"


@pytest.fixture
def edition(shared: Path) -> Path:
    (found,) = (shared / "real").glob("*.txt")
    return found


@pytest.fixture
def sent(edition: Path, tmp_path: Path, drain: Drain, sandbox: Sandbox, sql: Sql, web: str) -> int:
    """Sent to Mei (tracked), Tom (objects), Ada (withdraws between freeze and claim) and Eve (tracked by the file's consent)."""
    people = tmp_path / "people.csv"
    people.write_text(PEOPLE)
    sandbox.script(events={"enabled": True, "delay_ms": 0})
    newsletter = a_newsletter()
    report = importing.import_subscribers(
        people, newsletter_id=newsletter, consent="asked at the fair", tracking_consent="ticked the second box"
    )
    assert report.sendable == 4
    issue, _ = authoring.create_issue(
        authoring.read_source(edition), newsletter_id=newsletter, actor="test", audience={"import": report.import_id}
    )
    scheduling.schedule(issue, actor="test")
    drain(at_most=1)
    sql(
        "UPDATE subscriptions SET tracking = 'objected' WHERE subscriber_id = (SELECT id FROM subscribers WHERE address = 'ada@readers.example')"
    )
    drain()
    sandbox.wait_until_told()
    drain()
    return issue


def copy(sandbox: Sandbox, who: str) -> dict[str, Any]:
    (mail,) = sandbox.messages(f"{who}@readers.example")
    return mail


def test_the_ledger_closes_and_nobody_gets_two(sent: int, sandbox: Sandbox) -> None:
    ledger = book(sent)
    assert (ledger["candidates"], ledger["accepted"], ledger["closed"]) == (4, 4, True)
    assert (sandbox.stats["duplicates"], sandbox.stats["duplicates_any"]) == (0, 0)
    assert reporting.show(sent)["events"]["processed"] == 4


def test_a_tracked_readers_copy_has_her_own_leave_link_tracked_links_working_notes_and_intact_chinese(
    sent: int, sandbox: Sandbox, edition: Path, sql: Sql
) -> None:
    mail = copy(sandbox, "mei")
    token = mail["headers"]["List-Unsubscribe"].strip("<>").rsplit("/", 1)[-1]
    ((subscription,),) = sql(
        "SELECT n.id FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id WHERE s.address = 'mei@readers.example'"
    )
    assert tokens.read(Purpose.LEAVE, token) == subscription
    assert f"/u/{token}" in mail["html"]
    assert f"/u/{token}" in mail["text"]
    assert mail["html"].count("/c/") >= 18, "the sources' links are tracked"
    assert f"/c/{token}" not in mail["html"]
    assert "/o/" in mail["html"]
    assert "https://www.tc260.org.cn" not in mail["html"].split("href=")[0]
    for number in range(1, 19):
        assert re.search(rf'href="#fn-?{number}"', mail["html"]), f"note {number} is linked"
        assert re.search(rf'href="#fnref-?{number}"', mail["html"]), f"note {number} is linked back"
    chinese = re.findall(r"[\u4e00-\u9fff]+", edition.read_text(encoding="utf-8"))
    for part in ("html", "text"):
        plain = re.sub(r"<[^>]+>|\s", "", mail[part])
        assert all(run in plain for run in chinese), part


@pytest.mark.parametrize("who", ["tom", "ada"])
def test_who_does_not_agree_gets_neither_pixel_nor_rewritten_link(sent: int, sandbox: Sandbox, who: str) -> None:
    mail = copy(sandbox, who)
    assert "/c/" not in mail["html"]
    assert "/o/" not in mail["html"]
    assert 'href="https://www.tc260.org.cn/front/postDetail.html?id=20250122145342"' in mail["html"]


def test_no_link_of_a_mail_and_no_id_that_travels_names_the_reader(sent: int, sandbox: Sandbox) -> None:
    mail = copy(sandbox, "mei")
    for url in re.findall(r'(?:href|src)="([^"]+)"', mail["html"]):
        assert "mei" not in url or url.startswith("mailto:")
        assert "readers.example" not in url
    assert "@" not in str(mail["custom_args"]) + str(mail["categories"])


def test_the_letter_reads_as_one_that_a_person_would_send(edition: Path) -> None:
    source = authoring.read_source(edition)
    assert source.draft is not None
    assert source.draft.title
    headings = re.findall(r"^(#{1,3}) (.+)$", source.markdown, re.MULTILINE)
    assert {len(marks) for marks, _ in headings} == {1, 2, 3}
    assert len(set(headings)) == len(headings), "the contents list is not repeated"
    assert len(re.findall(r"^\[\^\d+\]: ", source.markdown, re.MULTILINE)) == 18
    assert not re.search(r"(?<!\^)\[\d+\]", source.markdown), "no stray marker"


def test_events_of_an_untracked_reader_are_never_opens_or_clicks(sent: int, sql: Sql) -> None:
    assert sql(
        "SELECT count(*) FROM deliveries d JOIN batches b ON b.id = d.batch_id JOIN cohorts c ON c.id = b.cohort_id WHERE NOT c.tracked AND (opened_at IS NOT NULL OR clicked_at IS NOT NULL)"
    ) == [(0,)]
