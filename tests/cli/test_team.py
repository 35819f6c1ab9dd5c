"""The team by command: people, links, an approval, and what can be taken back."""

import urllib.request
from pathlib import Path

from tests.cli.commands import Commands

GOOD = ("--name", "The Monthly", "--from", "news@sender.example", "--postal-address", "1 Quay Street, Harbourton")


def test_somebody_is_added_and_gets_a_link_that_opens(broadsheet: Commands, up: object) -> None:
    assert len(broadsheet("operator", "set-up-code").succeeded().out.strip()) == 16
    made = broadsheet("operator", "create", "ada@team.example", "--name", "Ada Quill", "--json").succeeded().json
    with urllib.request.urlopen(made["link"], timeout=20) as page:
        assert "Set your password, Ada Quill" in page.read().decode()
    assert (
        "in the team already" in broadsheet("operator", "create", "ADA@team.example", "--name", "A").refused(code=1)[0]
    )
    listed = broadsheet("operator", "list", "--json").succeeded().json["operators"]
    assert [(one["name"], one["role"]) for one in listed] == [("Ada Quill", "owner")]
    assert "last owner" in broadsheet("operator", "disable", "ada@team.example").refused(code=1)[0]
    assert "nobody with this address" in broadsheet("operator", "link", "eve@team.example").refused(code=1)[0]
    broadsheet("operator", "link", "ada@team.example", "--without-second-step").succeeded()


def test_segments_and_checks_by_command(broadsheet: Commands, up: object) -> None:
    newsletter = broadsheet("newsletter", "create", "parts", *GOOD, "--json").succeeded().json
    number = str(newsletter["newsletter"]["id"] if "newsletter" in newsletter else newsletter["id"])
    german = '[[{"what": "language", "how": "begins", "value": "de"}]]'
    made = broadsheet("segment", "create", number, "German", german, "--json").succeeded().json["segment_id"]
    assert broadsheet("segment", "count", made, "--json").succeeded().json["readers"] == 0
    listed = broadsheet("segment", "list", "--json").succeeded().json["segments"]
    assert [one["words"] for one in listed] == ["Language begins with “de”"]
    assert "a list of blocks" in broadsheet("segment", "create", number, "Other", "{").refused(code=2)[0]
    found = broadsheet("check", "sendgrid", "--json").succeeded().json["sendgrid"]
    assert [one["outcome"] for one in found] == ["good"]
    assert "name for examples" in broadsheet("check", "domains").succeeded().err


def test_an_import_is_taken_back_and_an_issue_is_approved_by_another_only(
    broadsheet: Commands, up: object, folder: Path
) -> None:
    broadsheet("newsletter", "create", "taken", *GOOD).succeeded()
    broadsheet(
        "newsletter", "change", "taken", "--approval", "asked", "--subject-prefix", "[AD]", "--from-name", "Quay"
    ).succeeded()
    (folder / "taken.csv").write_text("email\ntaken-back@readers.example\n")
    report = (
        broadsheet(
            "subscribers", "import", folder / "taken.csv", "--newsletter", "taken", "--consent", "at the fair", "--json"
        )
        .succeeded()
        .json
    )
    assert "1 reader is taken back" in broadsheet("subscribers", "undo-import", report["import_id"]).succeeded().err
    assert "already" in broadsheet("subscribers", "undo-import", report["import_id"]).refused(code=1)[0]
    (folder / "letter.md").write_text("# News\n\nText of the news.\n")
    issue = (
        broadsheet("issue", "create", folder / "letter.md", "--newsletter", "taken", "--json").succeeded().json["issue"]
    )
    assert issue["subject"] == "[AD] News"
    assert "Another person must read it" in broadsheet("issue", "approve", issue["id"]).refused(code=1)[0]
    assert "approval" in broadsheet("issue", "send", issue["id"]).refused(code=1)[0]
    broadsheet("issue", "unschedule", issue["id"]).succeeded()
    assert "what is to be changed" in broadsheet("issue", "refuse", issue["id"], "--words", " ").refused(code=2)[0]
    broadsheet("issue", "refuse", issue["id"], "--words", "The link is wrong.").succeeded()
    assert "approval" in broadsheet("issue", "schedule", issue["id"], "--at", "2099-05-31 09:00").refused(code=1)[0]
    assert "has passed" in broadsheet("issue", "schedule", issue["id"], "--at", "2020-05-31 09:00").refused(code=2)[0]
    broadsheet("newsletter", "change", "taken", "--approval", "not-asked").succeeded()
    told = broadsheet("issue", "schedule", issue["id"], "--at", "2099-05-31 09:00", "--by-reader").succeeded().err
    assert "2099-05-30 19:00 UTC" in told
    broadsheet("issue", "unschedule", issue["id"]).succeeded()
    entries = broadsheet("audit", "--words", "refuse", "--json").succeeded().json["entries"]
    assert [one["subject"] for one in entries] == [f"issue {issue['id']}"]
    assert "Nobody was found" in broadsheet("subscribers", "find", "nobody-of-this-name").succeeded().err
