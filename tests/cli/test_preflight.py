"""`preflight`: all that is wrong with a file or an issue, in one run; and what a send says of it."""

from pathlib import Path

import pytest

from tests.cli.commands import Commands
from tests.conftest import Sandbox
from tests.rendering.rendered import SAMPLE

BAD = "---\nsubject: News\n---\n\nDear {{ frist_name }},\n\n[click here](http://www.firm.de) [nowhere]()\n\n![](gone.png)\n\nA claim.[^1]\n"
QUIET = "---\nsubject: News of March for who transfers data\npreheader: What changed this month, and what to do about it now.\n---\n\nAll is well, dear {{ first_name }}.\n"


def test_all_faults_of_a_file_are_told_in_one_run(broadsheet: Commands, folder: Path) -> None:
    (folder / "bad.md").write_text(BAD)
    ended = broadsheet("preflight", folder / "bad.md", "--no-network", COLUMNS=200)
    assert (ended.code, ended.out) == (1, "")
    for words in (
        "line 5",
        "Did you mean first_name?",
        "line 7",
        "“click here”",
        "[^1]",
        "gone.png",
        "5 block, 3 warn",
    ):
        assert words in ended.err, words
    assert ended.err.index("Stops the send") < ended.err.index("Should be mended") < ended.err.index("Good to know")


def test_the_same_for_a_machine(broadsheet: Commands, folder: Path) -> None:
    (folder / "bad.md").write_text(BAD)
    ended = broadsheet("preflight", folder / "bad.md", "--no-network", "--json")
    assert ended.code == 1
    found = ended.json
    assert found["file"] == str(folder / "bad.md")
    assert (found["blocks"], found["warns"]) == (5, 3)
    assert len(found["findings"]) == found["blocks"] + found["warns"] + found["notes"]
    assert set(found["findings"][0]) == {"severity", "rule", "text", "where", "remedy"}


def test_a_file_without_faults_is_told_so(broadsheet: Commands) -> None:
    found = broadsheet("preflight", SAMPLE / "letter.md", "--no-network", "--json").succeeded().json
    assert (found["blocks"], found["warns"]) == (0, 0)


@pytest.mark.parametrize(
    "arguments", [("nothing.md",), ("1", "--newsletter", "monthly"), ("1", "--field", "office"), ("letter.pdf",), ()]
)
def test_what_cannot_be_looked_at_is_a_fault_of_usage(broadsheet: Commands, arguments: tuple[str, ...]) -> None:
    broadsheet("preflight", *arguments).refused()


def test_an_issue_that_is_not_there(broadsheet: Commands, up: Sandbox) -> None:
    assert broadsheet("preflight", 987654).refused(1) == ["There is no issue 987654."]


def test_a_send_that_nobody_would_get_needs_a_reason(broadsheet: Commands, up: Sandbox, folder: Path) -> None:
    (folder / "letter.md").write_text(QUIET)
    (folder / "people.csv").write_text("email\nann@despite.example\n")
    arguments = (
        "send",
        folder / "letter.md",
        "--to",
        folder / "people.csv",
        "--newsletter",
        "despite",
        "--consent",
        "fair",
        "--yes",
    )
    ended = broadsheet(*arguments)
    assert "1 of 1 readers have no first name" in ended.refused(1)[0]
    assert broadsheet("issue", "list", "--newsletter", "despite", "--json").succeeded().json == {"issues": []}
    broadsheet(*arguments, "--despite", "a trial")
    issue = broadsheet("issue", "list", "--newsletter", "despite", "--json").succeeded().json["issues"][0]
    assert issue["state"] == "sent"


def test_an_issue_is_looked_at_and_stopped_by_its_number(broadsheet: Commands, up: Sandbox, folder: Path) -> None:
    (folder / "letter.md").write_text(QUIET.replace("All is well", "READ [this](http://www.firm.de)"))
    (folder / "people.csv").write_text("email\nann@stopped.example\n")
    broadsheet(
        "newsletter",
        "create",
        "stopped",
        "--name",
        "Stopped",
        "--from",
        "news@sender.example",
        "--postal-address",
        "1 Quay",
    ).succeeded()
    broadsheet(
        "subscribers", "import", folder / "people.csv", "--newsletter", "stopped", "--consent", "fair"
    ).succeeded()
    issue = (
        broadsheet("issue", "create", folder / "letter.md", "--newsletter", "stopped", "--json")
        .succeeded()
        .json["issue"]["id"]
    )
    looked = broadsheet("preflight", issue, "--no-network", "--json")
    assert (looked.code, looked.json["issue"], looked.json["blocks"]) == (1, issue, 1)
    of_file = broadsheet("preflight", folder / "letter.md", "--newsletter", "stopped", "--no-network", "--json").json
    assert {one["rule"] for one in of_file["findings"]} == {one["rule"] for one in looked.json["findings"]}
    ended = broadsheet("issue", "send", issue)
    ended.refused(1)
    assert "! line 6: the link “this” does not say where it leads. Make the words say" in ended.err
    broadsheet("issue", "send", issue, "--despite", "a trial").succeeded()
