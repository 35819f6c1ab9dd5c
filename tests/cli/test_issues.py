"""Issues by command: created, shown, sent, stopped, and decided about."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.clients import media_pictures
from tests.cli.commands import Commands
from tests.conftest import Sandbox
from tests.rendering.word import drawing, paragraph, png, small, text

NEWSLETTER = ("--from", "news@sender.example", "--postal-address", "1 Quay Street, Harbourton")


@pytest.fixture
def newsletter(broadsheet: Commands, up: Sandbox, folder: Path, request: pytest.FixtureRequest) -> str:
    """A newsletter with two readers, one for each test."""
    slug = str(request.node.name).replace("_", "-")[5:45].strip("-")
    broadsheet("newsletter", "create", slug, "--name", slug, *NEWSLETTER).succeeded()
    people = folder / "people.csv"
    broadsheet("subscribers", "import", people, "--newsletter", slug, "--consent", "at the fair").succeeded()
    return slug


@pytest.fixture
def misbehaving(up: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, well-behaved again after the test."""
    yield up
    up.call("DELETE", "/sandbox/script")


def _created(broadsheet: Commands, folder: Path, newsletter: str, *more: str) -> dict[str, Any]:
    made = broadsheet("issue", "create", folder / "letter.md", "--newsletter", newsletter, "--json", *more).succeeded()
    issue: dict[str, Any] = made.json["issue"]
    return issue


def test_an_issue_is_created_and_shown(broadsheet: Commands, folder: Path, newsletter: str) -> None:
    issue = _created(broadsheet, folder, newsletter, "--subject", "Another subject")
    assert (issue["subject"], issue["state"], issue["newsletter"]) == ("Another subject", "draft", newsletter)
    shown = broadsheet("issue", "show", issue["id"], "--json").succeeded().json
    assert shown["issue"] == issue
    assert shown["ledger"]["closed"] is False
    for_the_eye = broadsheet("issue", "show", issue["id"]).succeeded()
    assert for_the_eye.out == ""
    assert "Another subject" in for_the_eye.err
    assert "draft" in for_the_eye.err


def test_a_word_letter_becomes_an_issue_with_its_pictures_kept(
    broadsheet: Commands, folder: Path, newsletter: str, cli_home: Path
) -> None:
    body = paragraph(text("News"), properties='<w:pStyle w:val="Heading1"/>') + paragraph(drawing("a", "A quay"))
    (folder / "letter.docx").write_bytes(small(body, media={"a.png": png(21, 21)}))
    ended = broadsheet("issue", "create", folder / "letter.docx", "--newsletter", newsletter, "--json").succeeded()
    assert ended.json["issue"]["subject"] == "News"
    kept = media_pictures.prepare(png(21, 21), called="a.png").content
    assert (cli_home / "media" / hashlib.sha256(kept).hexdigest()).read_bytes() == kept


def test_a_text_with_faults_creates_no_issue(broadsheet: Commands, folder: Path, newsletter: str) -> None:
    (folder / "letter.md").write_text("{{ nobody }}\n\n[^1]\n")
    ended = broadsheet("issue", "create", folder / "letter.md", "--newsletter", newsletter, "--json")
    assert len(ended.refused()) == 3
    assert ended.json["problems"] == ended.problems
    assert broadsheet("issue", "list", "--newsletter", newsletter, "--json").succeeded().json == {"issues": []}


def test_issues_are_listed_newest_first_and_page_by_page(broadsheet: Commands, folder: Path, newsletter: str) -> None:
    ids = [_created(broadsheet, folder, newsletter, "--subject", f"Number {n}")["id"] for n in range(3)]
    listed = broadsheet("issue", "list", "--newsletter", newsletter, "--json").succeeded().json["issues"]
    assert [row["id"] for row in listed] == ids[::-1]
    older = broadsheet("issue", "list", "--newsletter", newsletter, "--before", ids[1], "--json").succeeded().json
    assert [row["id"] for row in older["issues"]] == ids[:1]
    assert "Number 2" in broadsheet("issue", "list", "--newsletter", newsletter).succeeded().err


def test_an_issue_is_sent_once_however_often_it_is_asked_for(
    broadsheet: Commands, folder: Path, newsletter: str, up: Sandbox
) -> None:
    issue = _created(broadsheet, folder, newsletter)["id"]
    before = up.stats["recipients"]
    for _ in range(2):
        sent = broadsheet("issue", "send", issue, "--wait", "--json").succeeded().json
        assert (sent["issue"]["state"], sent["ledger"]["accepted"], sent["ledger"]["closed"]) == ("sent", 2, True)
    assert up.stats["recipients"] - before == 2
    assert "cannot be cancelled any more" in broadsheet("issue", "cancel", issue).refused(code=1)[0]


def test_a_paused_issue_goes_on_when_it_is_resumed_and_a_cancelled_one_never(
    broadsheet: Commands, folder: Path, newsletter: str, misbehaving: Sandbox
) -> None:
    misbehaving.script(rules=[{"when": {"always": True}, "do": "429", "reset_in": 1}])
    issue, other = (_created(broadsheet, folder, newsletter, "--subject", subject)["id"] for subject in ("A", "B"))
    for one in (issue, other):
        assert "Scheduled" in broadsheet("issue", "send", one).succeeded().err
        broadsheet("issue", "pause", one).succeeded()
        assert broadsheet("issue", "show", one, "--json").succeeded().json["issue"]["state"] == "paused"
        assert "Resume it instead" in broadsheet("issue", "send", one).refused(code=1)[0]
    misbehaving.call("DELETE", "/sandbox/script")
    time.sleep(2)  # until then the provider asked to be left alone
    broadsheet("issue", "resume", issue).succeeded()
    broadsheet("issue", "cancel", other).succeeded()
    sent = broadsheet("issue", "send", issue, "--wait", "--timeout", "90", "--json").succeeded().json
    assert sent["ledger"]["accepted"] == 2
    cancelled = broadsheet("issue", "show", other, "--json").succeeded().json
    assert cancelled["issue"]["state"] == "cancelled"
    assert cancelled["ledger"]["accepted"] == 0
    assert broadsheet("issue", "resume", other).refused(code=1)


def test_only_unknown_batches_left_is_no_success_and_a_person_decides(
    broadsheet: Commands, folder: Path, newsletter: str, misbehaving: Sandbox
) -> None:
    misbehaving.script(rules=[{"when": {"always": True}, "do": "drop-after-accept"}], events={"enabled": False})
    issue = _created(broadsheet, folder, newsletter)["id"]
    ended = broadsheet("issue", "send", issue, "--wait", "--timeout", "4", "--json")
    assert ended.code == 1
    found = ended.json
    assert found["ledger"]["closed"] is False
    assert (found["ledger"]["unknown"], found["ledger"]["pending"], found["requests"]) == (2, 0, 1)
    batch = found["unknown_batches"][0]["batch"]
    assert f"issue resolve {batch} --sent|--not-sent" in broadsheet("issue", "show", issue).succeeded().err
    reason = ("--reason", "their activity page shows both")
    assert broadsheet("issue", "resolve", batch, *reason).refused() == ["Say --sent or --not-sent."]
    assert "Say why" in broadsheet("issue", "resolve", batch, "--sent", "--reason", " ").refused()[0]
    broadsheet("issue", "resolve", batch, "--sent", *reason).succeeded()
    closed = broadsheet("issue", "show", issue, "--json").succeeded().json
    assert closed["ledger"]["closed"] is True
    assert (closed["ledger"]["accepted"], closed["ledger"]["accepted_by_decision"]) == (2, 2)
    assert "not unknown" in broadsheet("issue", "resolve", batch, "--not-sent", *reason).refused(code=1)[0]


@pytest.mark.parametrize("command", ["show", "send", "pause", "resume", "cancel", "rebind"])
def test_an_issue_that_is_not_there_is_named(broadsheet: Commands, up: Sandbox, command: str) -> None:
    assert broadsheet("issue", command, "999999").refused(code=1) == ["There is no issue 999999."]
    for bad in ("0", "-1", "x", str(2**70)):
        ended = broadsheet("issue", command, "--", bad)
        assert ended.code in (1, 2)
        assert "Traceback" not in ended.err
