"""`send`: text in, readers in, out they go; exactly these readers, and nobody twice."""

import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Commands, Ended
from tests.conftest import Sandbox
from tests.test_settings import P256

LEDGER = {"candidates", "accepted", "accepted_by_decision", "excluded", "failed", "pending", "unknown", "closed"}
EVENTS = {
    "processed", "delivered", "deferred", "bounced", "dropped", "opened", "opened_by_machine", "clicked", "complained",
    "unsubscribed",
}  # fmt: skip


class Desk:
    """One person's letter and readers, and the newsletter that they go to."""

    def __init__(self, broadsheet: Commands, sandbox: Sandbox, folder: Path, name: str) -> None:
        self.broadsheet, self.sandbox, self.folder, self.name = broadsheet, sandbox, folder, name
        self.letter = folder / "letter.md"
        # Its own words, so that no other test's letter is the same content.
        self.letter.write_text(f'# News of {name}\n\nDear {{{{ first_name | default: "reader" }}}}, all is well.\n')

    def people(self, *names: str) -> None:
        rows = "".join(f"{name}@{self.name}.example,{name.title()}\n" for name in names)
        (self.folder / "people.csv").write_text(f"email,first_name\n{rows}")

    def send(self, *more: object, newsletter: str = "", **environ: Any) -> Ended:
        arguments = ("--to", self.folder / "people.csv", "--newsletter", newsletter or self.name, "--consent", "fair")
        return self.broadsheet("send", self.letter, *arguments, *more, **environ)

    def sent(self, *more: object) -> dict[str, Any]:
        found: dict[str, Any] = self.send("--yes", "--json", *more).succeeded().json
        return found

    def copies(self, name: str) -> int:
        return len(self.sandbox.messages(f"{name}@{self.name}.example"))

    def issues(self) -> list[dict[str, Any]]:
        found = self.broadsheet("issue", "list", "--newsletter", self.name, "--json").succeeded().json["issues"]
        assert isinstance(found, list)
        return found


@pytest.fixture
def desk(broadsheet: Commands, up: Sandbox, folder: Path) -> Desk:
    return Desk(broadsheet, up, folder, f"desk{uuid.uuid4().hex[:8]}")


def test_what_became_of_every_copy_is_told_in_one_object(desk: Desk) -> None:
    desk.people("ann", "bob", "cas")
    ended = desk.send("--yes", "--json").succeeded()
    found = ended.json
    assert {"issue", "ledger", "events", "requests", "seconds"} <= set(found)
    assert {"id", "subject", "state", "html_bytes", "text_bytes", "content_hash"} <= set(found["issue"])
    assert (found["issue"]["subject"], found["issue"]["state"]) == (f"News of {desk.name}", "sent")
    assert set(found["ledger"]) == LEDGER
    assert set(found["events"]) == EVENTS
    assert all(isinstance(number, int) for number in found["events"].values())
    ledger = {
        name: found["ledger"][name] for name in ("candidates", "accepted", "excluded", "failed", "pending", "unknown")
    }
    assert ledger == {"candidates": 3, "accepted": 3, "excluded": {}, "failed": {}, "pending": 0, "unknown": 0}
    assert found["ledger"]["closed"] is True
    assert found["requests"] == 1
    assert {"preparing", "sending"} <= set(found["seconds"])
    mail = desk.sandbox.messages(f"ann@{desk.name}.example")[0]
    assert "Dear Ann," in mail["html"]
    assert "Dear Ann," in mail["text"]


def test_the_audience_is_the_files_sendable_rows_and_nobody_else(desk: Desk) -> None:
    desk.people("ann", "bob")
    desk.sent()
    desk.letter.write_text("# Another letter\n\nfor others\n")
    gone = f"gone@{desk.name}.example"
    desk.broadsheet("subscribers", "suppress", gone, "--reason", "asked").succeeded()
    desk.people("cas", "gone", "cas", "no address at all ")
    found = desk.sent()
    assert (found["ledger"]["candidates"], found["ledger"]["accepted"]) == (1, 1)
    assert [desk.copies(name) for name in ("ann", "bob", "cas", "gone")] == [1, 1, 1, 0]


def test_the_same_again_sends_nobody_a_second_copy(desk: Desk) -> None:
    desk.people("ann", "bob")
    first, again = desk.sent(), desk.sent()
    assert again["issue"] == first["issue"]
    assert [desk.copies(name) for name in ("ann", "bob")] == [1, 1]
    assert len(desk.issues()) == 1


def test_two_more_readers_of_the_same_text_are_the_only_ones_to_get_it(desk: Desk) -> None:
    desk.people("ann", "bob")
    desk.sent()
    desk.people("ann", "bob", "cas", "dee")
    found = desk.sent()
    assert found["ledger"]["excluded"] == {"already_sent": 2}
    assert (found["ledger"]["candidates"], found["ledger"]["accepted"]) == (4, 2)
    assert [desk.copies(name) for name in ("ann", "bob", "cas", "dee")] == [1, 1, 1, 1]


def test_a_second_copy_needs_the_number_of_readers_typed(desk: Desk) -> None:
    desk.people("ann", "bob")
    desk.sent()
    refused = desk.send("--yes", "--json", "--again", "3")
    assert "it would go to 2 readers" in refused.refused(code=1)[0]
    assert refused.json["problems"] == refused.problems
    assert [desk.copies(name) for name in ("ann", "bob")] == [1, 1]
    assert desk.sent("--again", "2")["ledger"]["accepted"] == 2
    assert [desk.copies(name) for name in ("ann", "bob")] == [2, 2]


def test_without_a_yes_and_a_terminal_nothing_is_sent(desk: Desk) -> None:
    desk.people("ann")
    for more in ((), ("--json",)):
        ended = desk.send(*more)
        assert ended.refused() == ["It would go to 1 reader, and nobody can be asked here. Add --yes if you mean it."]
    assert ended.json["problems"] == ended.problems
    assert desk.copies("ann") == 0


def test_a_file_with_nobody_to_send_to_creates_no_issue(desk: Desk) -> None:
    desk.people("no address")
    ended = desk.send("--yes", "--json")
    assert "Nobody in people.csv can be sent to" in ended.refused()[0]
    assert ended.json["problems"] == ended.problems
    assert desk.issues() == []


@pytest.mark.parametrize("missing", ["letter.md", "people.csv"])
def test_a_file_that_is_not_there_is_named(desk: Desk, missing: str) -> None:
    desk.people("ann")
    (desk.folder / missing).unlink()
    ended = desk.send("--yes", "--json")
    assert missing in ended.refused()[0]
    assert ended.json["problems"] == ended.problems


def test_real_mail_of_a_new_newsletter_needs_a_sender_and_a_postal_address(desk: Desk) -> None:
    """In a home of its own: one that has been a trial is never used for real mail."""
    desk.people("ann")
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-real-", dir="/tmp"))
    outer.chmod(0o711)
    real = {
        "SENDGRID_API_KEY": "SG.canary.of-a-real-key",
        "SENDGRID_URL": "http://127.0.0.1:9",
        "SENDGRID_WEBHOOK_KEYS": P256,
        "PUBLIC_URL": "https://news.example.com",
        "BROADSHEET_HOME": str(outer / "home"),
    }
    try:
        ended = desk.send("--yes", "--json", "--from", "news@sender.example", **real)
        assert "give --from and --postal-address" in ended.refused()[0]
        assert "canary" not in ended.out + ended.err
    finally:
        shutil.rmtree(outer, ignore_errors=True)
