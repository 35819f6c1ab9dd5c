"""Versions in several languages and conditions, by command."""

from pathlib import Path

from tests.cli.commands import Commands
from tests.cli.test_issues import newsletter
from tests.conftest import Sandbox

__all__ = ["newsletter"]

LETTER = "# News\n\nEnglish{% if office %}, {{ office }}{% endif %}.\n"


def test_each_variant_is_rendered_to_a_file_of_its_own(broadsheet: Commands, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text(LETTER)
    (tmp_path / "x.de.md").write_text("# Neues\n\nDeutsch.\n")
    ended = broadsheet(
        "render", tmp_path / "x.md", "--version", f"de={tmp_path / 'x.de.md'}", "--field", "office",
        "-o", tmp_path / "x.html", "--text", tmp_path / "x.txt",
    ).succeeded()  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {
        "x.md", "x.de.md", "x.html", "x.txt", "x.en-office.html", "x.en-office.txt", "x.de.html", "x.de.txt"
    }  # fmt: skip
    assert "English." in (tmp_path / "x.html").read_text()
    assert "English, [office]." in (tmp_path / "x.en-office.html").read_text()
    assert 'lang="de"' in (tmp_path / "x.de.html").read_text()
    assert "en/office: News: HTML" in ended.err


def test_a_version_is_never_written_over(broadsheet: Commands, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text(LETTER)
    (tmp_path / "x.de.md").write_text("# Neues\n\nDeutsch.\n")
    version = f"de={tmp_path / 'x.de.md'}"
    refused = broadsheet(
        "render", tmp_path / "x.md", "--version", version, "--field", "office", "-o", tmp_path / "x.de.md"
    )
    assert "Give each a file of its own" in refused.refused()[0]
    assert (tmp_path / "x.de.md").read_text() == "# Neues\n\nDeutsch.\n"


def test_what_is_wrong_with_a_version_is_told(broadsheet: Commands, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("# x\n\ny\n")
    for given, expected in (
        (["de"], "write LANGUAGE=FILE, such as de=letter.de.md"),
        (["de=gone.md"], "gone.md is not there"),
        (["German=x.md"], "“German” is no language; write its tag"),
        ([f"en={tmp_path / 'x.md'}"], "the newsletter's language, en, already"),
        ([f"de={tmp_path / 'x.md'}", f"DE={tmp_path / 'x.md'}"], "Two versions are in one language"),
        ([f"de={tmp_path / 'x.md'}", f"de={tmp_path / 'x.md'}"], "--version de is given twice"),
    ):
        options = [word for one in given for word in ("--version", one)]
        problems = broadsheet("render", tmp_path / "x.md", *options).refused()
        assert any(expected in problem for problem in problems), problems


def test_an_issue_in_two_languages_is_created_shown_sent_and_asked_about(
    broadsheet: Commands, up: Sandbox, folder: Path, newsletter: str
) -> None:
    (folder / "letter.de.md").write_text("# Neues\n\nLiebe {{ first_name }}, liebe {{ last_name }}.\n")
    made = broadsheet(
        "issue", "create", folder / "letter.md", "--newsletter", newsletter, "--version", f"de={folder / 'letter.de.md'}", "--json"
    ).succeeded().json  # fmt: skip
    issue = made["issue"]["id"]
    assert [one["name"] for one in made["variants"]] == ["en", "de"]
    assert [one["subject"] for one in made["variants"]] == ["News of the month", "Neues"]
    shown = broadsheet("issue", "show", issue).succeeded().err
    assert "0 readers  de: Neues" in shown
    assert made["issue"]["content_hash"][:16] in shown
    assert "every reader has a value" in broadsheet("issue", "missing", issue).succeeded().err
    sent = broadsheet("issue", "send", issue, "--wait", "--json").succeeded().json
    assert {one["name"]: one["readers"] for one in sent["variants"]} == {"en": 2, "de": 0}


def test_who_lacks_a_value_is_named(broadsheet: Commands, folder: Path, newsletter: str) -> None:
    (folder / "people.csv").write_text("email,first_name\nann@readers.example,Ann\neve@readers.example,\n")
    broadsheet("subscribers", "import", folder / "people.csv", "--newsletter", newsletter, "--consent", "x").succeeded()
    (folder / "letter.md").write_text("# News\n\nDear {{ first_name }} {{ last_name }}.\n")
    issue = broadsheet("issue", "create", folder / "letter.md", "--newsletter", newsletter, "--json").succeeded().json["issue"]["id"]  # fmt: skip
    found = broadsheet("issue", "missing", issue, "--json", "--names", "1").succeeded().json["missing"]
    assert {one["field"]: (one["readers"], one["audience"], len(one["sample"])) for one in found} == {
        "first_name": (1, 3, 1),
        "last_name": (3, 3, 1),
    }
    told = broadsheet("issue", "missing", issue).succeeded()
    assert "1 of 3 readers have no first_name:" in told.err
    assert "eve@readers.example" in told.out
    assert "There is no issue 999999" in broadsheet("issue", "missing", "999999").refused(1)[0]
