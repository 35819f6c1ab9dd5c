"""Newsletters and readers by command: all faults at once, and a report that accounts for every row."""

from pathlib import Path

import pytest
from PIL import Image

from service.announcing import running_up
from tests.cli.commands import Commands
from tests.conftest import free_port

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


def test_whoever_creates_a_newsletter_is_told_the_address_of_what_runs(
    broadsheet: Commands, up: object, cli_home: Path
) -> None:
    ports = running_up(cli_home)
    assert ports
    made = broadsheet(
        "newsletter", "create", "elsewhere", "--name", "E", "--from", "news@firm.example", "--postal-address", "1 Quay Street",
        PORT=free_port(),
    ).succeeded()  # fmt: skip
    assert f"Readers sign up at http://127.0.0.1:{ports['port']}/n/elsewhere" in made.err


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
    broadsheet("newsletter", "create", "needed", *GOOD).succeeded()
    assert broadsheet("subscribers", "import", people, "--newsletter", "needed").code == 2
    empty = broadsheet("subscribers", "import", people, "--newsletter", "needed", "--consent", " ", "--json")
    assert "consent text is empty" in empty.refused()[0]
    unknown = broadsheet("subscribers", "import", people, "--newsletter", "nowhere", "--consent", "x")
    assert unknown.refused(code=1)[0].startswith("There is no newsletter 'nowhere'. There are: ")


def test_another_address_key_than_the_databases_is_refused(broadsheet: Commands, up: object) -> None:
    ended = broadsheet("issue", "list", "--json", ADDRESS_KEY="canary-of-another-key-with-enough-characters")
    problems = ended.refused(code=1)
    assert len(problems) == 1
    assert problems[0].startswith("ADDRESS_KEY is not the key that this database was made with.")
    assert "canary" not in ended.out + ended.err


def test_a_newsletters_settings_are_changed_one_by_one_and_nothing_else(
    broadsheet: Commands, up: object, folder: Path
) -> None:
    broadsheet("newsletter", "create", "settings", *GOOD).succeeded()
    before = broadsheet("newsletter", "show", "settings", "--json").succeeded().json
    assert (before["accepts_signups"], before["has_archive"], before["welcome"]) == (True, False, None)
    Image.new("RGB", (40, 20), "navy").save(folder / "logo.png")
    given: list[object] = [
        "--description",
        "Once a month",
        "--privacy-url",
        "https://firm.example/privacy",
        "--colour",
        "#AA3300",
    ]
    given += [
        "--logo",
        folder / "logo.png",
        "--signups",
        "closed",
        "--archive",
        "on",
        "--welcome",
        "",
        "--tracking",
        "none",
    ]
    given += [
        "--field",
        "organisation:Organisation:required",
        "--field",
        "first_name",
        "--field",
        "office:Where you are",
    ]
    given += ["--origin", "https://www.firm.example/", "--origin", "http://localhost:8080", "--export-consent", "asked"]
    given += ["--time-zone", "Asia/Shanghai", "--reply-to", "desk@sender.example"]
    after = broadsheet("newsletter", "change", "settings", *given, "--json").succeeded().json
    assert after["signup_fields"] == [
        {"name": "organisation", "label": "Organisation", "required": True},
        {"name": "first_name", "label": "", "required": False},
        {"name": "office", "label": "Where you are", "required": False},
    ]
    assert after["allowed_origins"] == ["http://localhost:8080", "https://www.firm.example"]
    assert (after["accepts_signups"], after["has_archive"], after["needs_export_consent"]) == (False, True, True)
    assert (after["welcome"], after["brand_colour"], after["time_zone"]) == ("", "#aa3300", "Asia/Shanghai")
    assert len(after["logo"]) == 64
    changed = {name for name in after if after[name] != before[name]}
    emptied = ["--no-logo", "--no-fields", "--no-origins", "--no-welcome", "--privacy-url", "", "--reply-to", ""]
    again = broadsheet("newsletter", "change", "settings", *emptied, "--json").succeeded().json
    assert [
        again[name] for name in ("logo", "signup_fields", "allowed_origins", "welcome", "privacy_url", "reply_to")
    ] == [
        None,
        [],
        [],
        None,
        None,
        None,
    ]
    assert {name for name in again if again[name] != after[name]} < changed
    shown = broadsheet("newsletter", "show", "settings").succeeded().err
    assert "description            Once a month" in shown


def test_every_fault_of_a_change_is_told_at_once_and_nothing_is_changed(
    broadsheet: Commands, up: object, folder: Path
) -> None:
    broadsheet("newsletter", "create", "kept", *GOOD).succeeded()
    before = broadsheet("newsletter", "show", "kept", "--json").succeeded().json
    (folder / "logo.svg").write_text("<svg/>")
    bad: list[object] = [
        "--name",
        " ",
        "--colour",
        "blue",
        "--privacy-url",
        "javascript:alert(1)",
        "--logo",
        folder / "logo.svg",
    ]
    bad += [
        "--time-zone",
        "Mars/Olympus",
        "--reply-to",
        "nobody",
        "--origin",
        "http://www.firm.example",
        "--description",
        "a\nb",
    ]
    bad += ["--field", "E-Mail:x", "--archive", "on"]
    said = broadsheet("newsletter", "change", "kept", *bad, "--json").refused()
    for word in (
        "name is empty",
        "colour",
        "privacy address",
        "PNG or JPEG",
        "time zone",
        "reply-to",
        "begin with https",
        "line break",
        "E-Mail",
    ):
        assert sum(word in problem for problem in said) == 1, (word, said)
    assert broadsheet("newsletter", "show", "kept", "--json").succeeded().json == before


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "Say what to change"),
        (["--welcome", "Hello", "--no-welcome"], "contradicts"),
        (["--field", "email"], "cannot be its name"),
        (["--field", "a", "--field", "a:Again"], "given twice"),
        ([word for n in range(11) for word in ("--field", f"f{n}")], "may ask for 10"),
        (["--origin", "https://a.example/path"], "without a path"),
        (["--origin", "https://a.example:99999"], "without a path"),
        (["--origin", "https://user@a.example"], "without a path"),
        (["--origin", "null"], "without a path"),
        (["--logo", "nowhere.png"], "cannot be read"),
        (["--description", "x" * 501], "may have 500"),
        (["--time-zone", "../../etc/passwd"], "no time zone"),
        (["--archive", "perhaps"], "perhaps"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(broadsheet: Commands, up: object, given: list[str], told: str) -> None:
    broadsheet("newsletter", "create", "refusing", *GOOD)
    ended = broadsheet("newsletter", "change", "refusing", *given)
    assert ended.code == 2
    assert told in " ".join(ended.err.split())


def test_the_words_of_a_consent_are_shown_set_and_taken_back(broadsheet: Commands, up: object, folder: Path) -> None:
    broadsheet("newsletter", "create", "words", *GOOD).succeeded()

    def wording(*arguments: object) -> str:
        return broadsheet("newsletter", "wording", "words", *arguments).succeeded().out.strip()

    ours = wording("newsletter")
    assert "The Monthly" in ours
    assert wording("newsletter", "--language", "de") != ours, "ours in the reader's language"
    assert wording("newsletter", "--text", " Yes, please. ") == "Yes, please."
    assert wording("newsletter") == wording("newsletter", "--language", "de") == "Yes, please.", "the newsletter's own"
    (folder / "de.txt").write_text("Ja, bitte.\n", encoding="utf-8-sig")
    assert wording("newsletter", "--language", "de", "--file", folder / "de.txt") == "Ja, bitte."
    assert wording("newsletter") == "Yes, please."
    assert wording("newsletter", "--standard") == ours
    unasked = broadsheet("newsletter", "wording", "words", "export").succeeded()
    assert (unasked.out, "not asked" in unasked.err) == ("", True)
    (folder / "latin.txt").write_bytes("é".encode("latin-1"))
    for arguments, told in (
        (("--text", " "), "empty"),
        (("--text", "x" * 2001), "may have 2,000"),
        (("--text", "a", "--standard"), "Give one of"),
        (("--file", folder / "latin.txt"), "not UTF-8"),
    ):
        assert told in " ".join(broadsheet("newsletter", "wording", "words", "newsletter", *arguments).refused())
    assert wording("newsletter") == ours


def test_the_form_to_paste_is_printed_and_a_closed_newsletter_has_none(broadsheet: Commands, up: object) -> None:
    broadsheet("newsletter", "create", "pasted", *GOOD).succeeded()
    printed = broadsheet("newsletter", "form", "pasted", "--language", "de").succeeded().out
    assert "<form" in printed
    assert "/subscribe" in printed
    broadsheet("newsletter", "change", "pasted", "--signups", "closed").succeeded()
    assert broadsheet("newsletter", "form", "pasted").code == 1
    broadsheet("newsletter", "create", "never", *GOOD, "--no-signups").succeeded()
    assert broadsheet("newsletter", "show", "never", "--json").succeeded().json["accepts_signups"] is False
    assert "There are:" in broadsheet("newsletter", "show", "nowhere").refused(code=1)[0]


def test_an_issue_is_put_into_the_archive_and_taken_out(broadsheet: Commands, up: object, folder: Path) -> None:
    broadsheet("newsletter", "create", "public", *GOOD).succeeded()
    issue = (
        broadsheet("issue", "create", folder / "letter.md", "--newsletter", "public", "--json")
        .succeeded()
        .json["issue"]["id"]
    )
    hinted = broadsheet("issue", "archive", issue, "--yes").succeeded().err
    assert "newsletter change public --archive on" in " ".join(hinted.split())
    broadsheet("newsletter", "change", "public", "--archive", "on").succeeded()
    assert "as soon as it is sent" in broadsheet("issue", "archive", issue, "--yes").succeeded().err
    assert broadsheet("issue", "archive", issue, "--no", "--json").succeeded().json == {
        "id": issue,
        "in_archive": False,
    }
    assert broadsheet("issue", "archive", issue).refused() == ["Say --yes or --no."]
    assert broadsheet("issue", "archive", 999_999, "--yes").refused(code=1) == ["There is no issue 999999."]


def test_readers_who_will_get_nothing_for_want_of_a_consent_are_counted(
    broadsheet: Commands, up: object, folder: Path
) -> None:
    broadsheet("newsletter", "create", "abroad", *GOOD).succeeded()
    broadsheet("subscribers", "import", folder / "people.csv", "--newsletter", "abroad", "--consent", "x").succeeded()
    said = broadsheet("newsletter", "change", "abroad", "--export-consent", "asked").succeeded().err
    assert "2 of its 2 readers have not agreed" in " ".join(said.split())
