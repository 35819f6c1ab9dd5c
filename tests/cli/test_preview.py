"""`preview`: a file without servers, and an issue as one of its readers gets it."""

from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.cli.commands import Commands
from tests.conftest import CHROMIUM, Sandbox, missing
from tests.rendering.word import word_letter


def test_a_file_needs_no_servers(broadsheet: Commands, folder: Path) -> None:
    mail, text = folder / "letter.eml", folder / "letter-as-mail.txt"
    ended = broadsheet("preview", folder / "letter.md", "--mime", mail, "--text", text).succeeded()
    assert ended.out == ""
    assert "Dear reader," in text.read_text()
    found = message_from_bytes(mail.read_bytes(), policy=policy.default)
    assert found["Subject"] == "News of the month"
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]
    assert broadsheet("preview", folder / "letter.md").succeeded().out.startswith("<!DOCTYPE html")
    source = broadsheet("preview", folder / "letter.md", "--source").succeeded().out
    assert source == (folder / "letter.md").read_text() + "\n"


def test_notes_on_the_web_version_need_no_newsletter_to_be_looked_at(broadsheet: Commands, folder: Path) -> None:
    (folder / "web.md").write_text("---\nsubject: News\nnotes: web\n---\n\nWords.[^a]\n\n[^a]: The note.\n")
    for command in ("preview", "render"):
        page = broadsheet(command, folder / "web.md").succeeded().out
        assert "The note." in page, command
        assert "web-version" not in page, command
    found = broadsheet("preflight", folder / "web.md", "--no-network", "--json").succeeded().json
    assert found["blocks"] == 0


def test_a_letter_in_word_is_shown_with_its_pictures(broadsheet: Commands, tmp_path: Path) -> None:
    (tmp_path / "letter.docx").write_bytes(word_letter())
    ended = broadsheet("preview", tmp_path / "letter.docx", "--field", "office").succeeded()
    assert "the first row became the table's head" in ended.err
    assert ended.out.count('src="data:image/png') == 2
    assert "file://" not in ended.out


def test_a_reader_of_nothing_is_refused(broadsheet: Commands, folder: Path) -> None:
    said = broadsheet("preview", folder / "letter.md", "--reader", "ann@readers.example").refused()
    assert said == ["A reader belongs to a newsletter. Name it with --newsletter."]


def test_what_is_for_a_file_is_refused_for_an_issue(broadsheet: Commands) -> None:
    for given in (("--newsletter", "monthly"), ("--subject", "x"), ("--field", "office"), ("--version", "de=x.md")):
        assert "are for a file" in broadsheet("preview", 12, *given).refused()[0]


def test_nothing_is_written_over(broadsheet: Commands, folder: Path) -> None:
    for arguments in (("-o", folder / "letter.md"), ("--text", folder / "x", "--mime", folder / "x")):
        assert "a file of its own" in broadsheet("preview", folder / "letter.md", *arguments).refused()[0]


def test_an_issue_is_shown_as_its_reader_gets_it(broadsheet: Commands, up: Sandbox, folder: Path) -> None:
    broadsheet(
        "newsletter", "create", "previewed", "--name", "Previewed", "--from", "news@firm.example", "--postal-address", "1 Quay Street, Harbourton"
    ).succeeded()  # fmt: skip
    broadsheet(
        "subscribers", "import", folder / "people.csv", "--newsletter", "previewed", "--consent", "asked for it at the fair"
    )  # fmt: skip
    number = broadsheet("issue", "create", folder / "letter.md", "--newsletter", "previewed", "--json").json["issue"][
        "id"
    ]
    html = broadsheet("preview", number, "--reader", "ann@readers.example").succeeded().out
    assert "Dear Ann," in html
    assert "/u/preview" in html
    assert "no reader of that address" in broadsheet("preview", number, "--reader", "x@readers.example").refused(1)[0]
    assert "no variant" in broadsheet("preview", number, "--variant", "fr").refused(1)[0]
    shown = broadsheet("preview", folder / "letter.md", "--newsletter", "previewed", "--reader", "bob@readers.example")
    assert "Dear Bob," in shown.succeeded().out


@pytest.mark.browser
def test_a_file_is_drawn_into_a_folder(broadsheet: Commands, folder: Path) -> None:
    if not Path(CHROMIUM).exists():
        missing("Chromium")
    broadsheet("render", folder / "letter.md", "--screenshot", folder / "looks", CHROME=CHROMIUM).succeeded()
    assert len(list((folder / "looks").glob("*.png"))) == 6


def test_without_chromium_it_is_said_what_to_install(broadsheet: Commands, folder: Path) -> None:
    said = broadsheet("render", folder / "letter.md", "--screenshot", folder / "looks", PATH=str(folder)).refused(1)
    assert "apt install chromium" in said[0]
    assert not (folder / "looks").exists()
