"""`draft`: what an author handed in, as Markdown with its pictures; and letters in Word straight to `render`."""

import base64
import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import Commands, command_line, environment
from tests.rendering.word import drawing, paragraph, png, small, text, word_letter

PAGE = '<h1>News</h1><p>Dear {{ first_name }},</p><p><img src="near/a.png" alt="A quay"></p>'


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.docx"
    path.write_bytes(word_letter())
    return path


def test_a_word_letter_becomes_markdown_with_its_pictures_beside_it(broadsheet: Commands, letter: Path) -> None:
    ended = broadsheet("draft", letter, "-o", letter.with_suffix(".md")).succeeded()
    assert ended.out == ""
    assert "the first row became the table's head" in ended.err
    assert "near “Where Until now" in ended.err
    markdown = letter.with_suffix(".md").read_text()
    assert 'Dear {{ first_name | default: "reader" }},' in markdown
    assert markdown.count("\n[^") == 18
    names = sorted(path.name for path in letter.parent.iterdir())
    assert names == ["letter-1.png", "letter-2.png", "letter.docx", "letter.md"]


def test_the_markdown_can_be_rendered_at_once(broadsheet: Commands, letter: Path) -> None:
    broadsheet("draft", letter, "-o", letter.with_suffix(".md")).succeeded()
    page = letter.with_suffix(".html")
    broadsheet("render", letter.with_suffix(".md"), "--field", "office", "-o", page).succeeded()
    assert "A harbour at dusk" in page.read_text()


def test_without_a_place_the_markdown_is_all_that_stands_on_stdout(broadsheet: Commands, letter: Path) -> None:
    ended = broadsheet("draft", letter).succeeded()
    assert ended.out.startswith("# Data Letter")
    assert "2 pictures inside: with -o" in ended.err
    assert [path.name for path in letter.parent.iterdir()] == ["letter.docx"]


def test_nothing_is_written_over_unless_that_is_asked_for(broadsheet: Commands, letter: Path) -> None:
    markdown, picture = letter.with_suffix(".md"), letter.parent / "letter-2.png"
    picture.write_bytes(b"mine")
    problems = broadsheet("draft", letter, "-o", markdown).refused()
    assert problems == [f"{picture} is there already. Give -o another name, or --force to write over it."]
    assert not markdown.exists()
    assert not (letter.parent / "letter-1.png").exists()
    broadsheet("draft", letter, "-o", markdown, "--force").succeeded()
    assert picture.read_bytes() != b"mine"
    broadsheet("draft", letter, "-o", markdown).succeeded()  # the same again writes over nothing


def test_what_was_edited_since_is_not_lost(broadsheet: Commands, letter: Path) -> None:
    markdown = letter.with_suffix(".md")
    broadsheet("draft", letter, "-o", markdown).succeeded()
    markdown.write_text("edited")
    assert "is there already" in broadsheet("draft", letter, "-o", markdown).refused()[0]
    assert markdown.read_text() == "edited"


def test_pasted_html_comes_by_standard_input(tmp_path: Path, cli_home: Path) -> None:
    fragment = f"<p>See <b>this</b>: <img alt='A quay' src='data:image/png;base64,{base64.b64encode(png(20, 20)).decode()}'></p>"
    ended = subprocess.run(
        command_line("draft", "-", "-o", tmp_path / "pasted.md"),
        input=fragment.encode(),
        env=environment(BROADSHEET_HOME=cli_home),
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "pasted.md").read_text() == "See **this**: ![A quay](picture-1.png)\n"
    assert (tmp_path / "picture-1.png").read_bytes() == png(20, 20)


def test_pictures_beside_a_page_follow_the_markdown_elsewhere(broadsheet: Commands, tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "a.png").write_bytes(png(20, 20))
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "out").mkdir()
    broadsheet("draft", tmp_path / "page.html", "-o", tmp_path / "out" / "page.md").succeeded()
    assert (tmp_path / "out" / "near" / "a.png").read_bytes() == png(20, 20)
    broadsheet("render", tmp_path / "out" / "page.md").succeeded()


def test_a_word_file_is_rendered_as_it_is_with_its_pictures_inside_the_page(
    broadsheet: Commands, tmp_path: Path
) -> None:
    path = tmp_path / "x.docx"
    body = paragraph(text("News"), properties='<w:pStyle w:val="Heading1"/>') + paragraph(drawing("a", "A quay"))
    path.write_bytes(small(body, media={"a.png": png(20, 20)}))
    page = broadsheet("render", path).succeeded().out
    assert f'src="data:image/png;base64,{base64.b64encode(png(20, 20)).decode()}"' in page
    assert [one.name for one in tmp_path.iterdir()] == ["x.docx"]


BAD: dict[str, tuple[str, bytes, str]] = {
    "an old Word file": (
        "x.doc",
        b"\xd0\xcf\x11\xe0",
        "x.doc is a Word file of the old kind; open it in Word and save it as .docx.",
    ),
    "rich text": ("x.rtf", b"{\\rtf1}", "x.rtf is a rich-text file; open it in a word processor"),
    "OpenDocument": ("x.odt", b"PK", "x.odt is an OpenDocument file; open it in LibreOffice and save it as .docx."),
    "Pages": ("x.pages", b"PK", "x.pages is a Pages file; export it from Pages as Word"),
    "a PDF": ("x.pdf", b"%PDF", "x.pdf is a PDF; use the file from which it was made."),
    "a table": ("x.xlsx", b"PK", "x.xlsx: an issue is written as .md, .txt, .html or .docx."),
    "Markdown": ("x.md", b"# News", "x.md is Markdown already."),
    "a damaged file": ("x.docx", b"PK\x03\x04", "x.docx is damaged; open it in Word and save it again."),
    "an empty page": ("x.html", b"", "there is nothing in it; write some text, or choose another file."),
    "a large page": ("x.html", b"<p>" + b"x" * 5_000_001, "x.html has 5 MB; such a file may have 5."),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_refused_with_what_to_do(broadsheet: Commands, tmp_path: Path, name: str) -> None:
    called, content, said = BAD[name]
    (tmp_path / called).write_bytes(content)
    problems = broadsheet("draft", tmp_path / called, "-o", tmp_path / "out.md").refused()
    assert any(said in problem for problem in problems), problems
    assert [path.name for path in tmp_path.iterdir()] == [called]


def test_markdown_goes_to_a_markdown_file(broadsheet: Commands, letter: Path) -> None:
    before = letter.read_bytes()
    assert "Give -o letter.md." in broadsheet("draft", letter, "-o", letter, "--force").refused()[0]
    assert letter.read_bytes() == before


def test_a_file_that_is_not_there_is_named(broadsheet: Commands, tmp_path: Path) -> None:
    assert broadsheet("draft", tmp_path / "x.docx").refused() == [
        "x.docx is not there. Name a .md, .txt, .html or .docx file."
    ]
