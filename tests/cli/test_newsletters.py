"""Newsletters and readers by command: all faults at once, and a report that accounts for every row."""

from pathlib import Path

from tests.cli.commands import Commands

GOOD = ("--name", "The Monthly", "--from", "news@sender.example", "--postal-address", "1 Quay Street, Harbourton")


def test_migrating_again_changes_nothing(broadsheet: Commands, up: object) -> None:
    for _ in range(2):
        assert "up to date" in broadsheet("migrate").succeeded().err


def test_a_newsletter_is_created_once(broadsheet: Commands, up: object) -> None:
    created = broadsheet("newsletter", "create", "once", *GOOD, "--json").succeeded()
    assert created.json == {"id": created.json["id"], "slug": "once"}
    again = broadsheet("newsletter", "create", "once", *GOOD, "--json")
    assert again.refused(code=1) == ["There is a newsletter 'once' already."]
    assert again.json["problems"] == again.problems


def test_all_faults_of_a_newsletter_are_told_at_once(broadsheet: Commands, up: object) -> None:
    bad = ("--name", " ", "--from", "no address", "--reply-to", "x@", "--postal-address", "a\x07", "--colour", "blue")
    ended = broadsheet("newsletter", "create", "No Slug", *bad, "--json")
    problems = ended.refused()
    for word in ("slug", "name is empty", "sender address", "reply-to address", "control character", "brand colour"):
        assert any(word in problem for problem in problems), word
    assert ended.json["problems"] == problems


def test_an_import_accounts_for_every_row(broadsheet: Commands, up: object, folder: Path) -> None:
    broadsheet("newsletter", "create", "rows", *GOOD).succeeded()
    broadsheet("subscribers", "suppress", "gone@readers.example", "--reason", "asked by telephone").succeeded()
    (folder / "people.csv").write_text(
        "E-Mail,First name,Office\nann@readers.example,Ann,North\nANN@readers.example,Ann,North\nno address,,\ngone@readers.example,Gone,\n"
    )
    arguments = ("subscribers", "import", folder / "people.csv", "--newsletter", "rows", "--consent", "at the fair")
    report = broadsheet(*arguments, "--json").succeeded().json
    assert {name: report[name] for name in ("rows", "duplicates", "invalid", "suppressed", "left", "sendable")} == {
        "rows": 4,
        "duplicates": 1,
        "invalid": 1,
        "suppressed": 1,
        "left": 0,
        "sendable": 1,
    }
    assert report["added"] + report["updated"] + report["unchanged"] == 1
    assert [fault["line"] for fault in report["faults"]] == [3, 4, 5]
    shown = broadsheet(*arguments).succeeded()
    assert shown.out == ""
    assert "line 4: " in shown.err


def test_an_import_that_cannot_be_read_imports_nothing(broadsheet: Commands, up: object, folder: Path) -> None:
    broadsheet("newsletter", "create", "unread", *GOOD).succeeded()
    arguments = ("--newsletter", "unread", "--consent", "at the fair", "--json")
    (folder / "shifted.csv").write_text("name\nAnn\n")
    (folder / "latin.csv").write_bytes("email,first_name\nrene@readers.example,René\n".encode("latin-1"))
    for name, said in (
        ("shifted.csv", "No column is called email"),
        ("latin.csv", "--encoding"),
        ("gone.csv", "no file"),
    ):
        ended = broadsheet("subscribers", "import", folder / name, *arguments)
        assert said in ended.refused()[0]
        assert ended.json["problems"] == ended.problems
    ended = broadsheet("subscribers", "import", folder / "latin.csv", *arguments, "--encoding", "latin-1").succeeded()
    assert ended.json["added"] == 1


def test_consent_and_a_newsletter_are_needed(broadsheet: Commands, up: object, folder: Path) -> None:
    people = folder / "people.csv"
    assert broadsheet("subscribers", "import", people, "--newsletter", "rows").code == 2
    empty = broadsheet("subscribers", "import", people, "--newsletter", "rows", "--consent", " ", "--json")
    assert "consent text is empty" in empty.refused()[0]
    unknown = broadsheet("subscribers", "import", people, "--newsletter", "nowhere", "--consent", "x")
    assert unknown.refused(code=1)[0].startswith("There is no newsletter 'nowhere'. There are: ")


def test_another_address_key_than_the_databases_is_refused(broadsheet: Commands, up: object) -> None:
    ended = broadsheet("issue", "list", "--json", ADDRESS_KEY="canary-of-another-key-with-enough-characters")
    problems = ended.refused(code=1)
    assert len(problems) == 1
    assert problems[0].startswith("ADDRESS_KEY is not the key that this database was made with.")
    assert "canary" not in ended.out + ended.err
