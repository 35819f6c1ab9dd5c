"""`render`: the mail as files, without servers; and what is said of a text that cannot be sent."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import Commands, command_line, environment

NOBODY = 65534


def test_both_parts_are_written(broadsheet: Commands, folder: Path) -> None:
    html, text = folder / "letter.html", folder / "letter-as-mail.txt"
    ended = broadsheet("render", folder / "letter.md", "-o", html, "--text", text).succeeded()
    assert ended.out == ""
    assert "News of the month: HTML" in ended.err
    assert html.read_text().startswith("<!DOCTYPE html")
    assert "Dear reader," in html.read_text()
    assert "{{" not in html.read_text()
    assert "Dear reader," in text.read_text()
    assert "https://www.example.com/guide" in text.read_text()


def test_without_a_file_the_html_is_all_that_stands_on_stdout(broadsheet: Commands, folder: Path) -> None:
    html = folder / "letter.html"
    broadsheet("render", folder / "letter.md", "-o", html).succeeded()
    assert broadsheet("render", folder / "letter.md").succeeded().out == f"{html.read_text()}\n"


def test_a_field_that_readers_have_may_be_used(broadsheet: Commands, folder: Path) -> None:
    (folder / "x.md").write_text('# News\n\nYour office: {{ office | default: "none" }}.\n')
    assert "no field" in broadsheet("render", folder / "x.md").refused()[0]
    assert "Your office: none." in broadsheet("render", folder / "x.md", "--field", "office").succeeded().out


def test_a_text_that_sends_its_notes_to_the_web_version_can_be_looked_at(broadsheet: Commands, folder: Path) -> None:
    (folder / "x.md").write_text("---\nnotes: web\n---\n# News\n\nText[^a]\n\n[^a]: A note.\n")
    shown = broadsheet("render", folder / "x.md").succeeded().out
    assert 'href="#fn-1"' in shown
    assert "A note." in shown
    assert "web-version" not in shown.split("</style>")[-1]


def test_a_reader_that_stops_reading_is_no_error(folder: Path, cli_home: Path) -> None:
    (folder / "long.md").write_text("# News\n\n" + "All is well. \n\n" * 600)
    process = subprocess.Popen(
        command_line("render", folder / "long.md"),
        env=environment(BROADSHEET_HOME=cli_home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    said = process.stderr.read()
    process.wait(30)
    assert "Traceback" not in said
    assert "cannot be written" not in said
    assert "BrokenPipeError" not in said


def _text(content: str | bytes) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(content if isinstance(content, bytes) else content.encode()), None)[1]


def _large(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"# News\n\ntext\n")
        file.truncate(30_000_000)


BAD: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "a missing picture": (_text("# News\n\n![A harbour](gone.png)\n"), ["gone.png", "cannot be read beside the text"]),
    "a picture from elsewhere": (
        _text("# News\n\n![x](../../etc/passwd)\n"),
        ["line 3: ", "passwd", "must lie beside the Markdown"],
    ),
    "an unknown tag": (_text("# News\n\nDear\n\n{{ frist_name }},\n"), ["line 5: ", "did you mean first_name"]),
    "a note without text": (_text("# News\n\nA claim.[^1]\n"), ["line 3: ", "[^1]", "write “[^1]: …” below"]),
    "an empty file": (_text(""), ["there is nothing to send; write some text"]),
    "no subject": (_text("Only a paragraph.\n"), ["there is no subject; begin the text with “# A heading”"]),
    "a NUL byte": (_text("# News\n\ntext\x00\n"), ["x.md, line 3: a NUL byte"]),
    "thirty megabytes": (_large, ["x.md has 29,296 KB", "may have 2,048"]),
    "another encoding": (_text("# Café\n".encode("latin-1")), ["x.md is not UTF-8 (byte 5). Save it as UTF-8."]),
    "a directory": (Path.mkdir, ["x.md is a folder. Name a .md, .txt, .html or .docx file."]),
    "nothing": (lambda path: None, ["x.md is not there. Name a .md, .txt, .html or .docx file."]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_sent_is_refused_with_a_line_that_says_what_to_do(
    broadsheet: Commands, tmp_path: Path, name: str
) -> None:
    make, said = BAD[name]
    make(tmp_path / "x.md")
    problems = broadsheet(
        "render", tmp_path / "x.md", "-o", tmp_path / "x.html", "--text", tmp_path / "x.out"
    ).refused()
    assert any(all(part in problem for part in said) for problem in problems), problems
    assert [path.name for path in tmp_path.iterdir() if path.name != "x.md"] == []


def test_all_that_is_wrong_is_told_at_once(broadsheet: Commands, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("![a](gone.png)\n\n{{ nobody }}\n\n[^9]\n")
    problems = broadsheet("render", tmp_path / "x.md").refused()
    assert len(problems) == 4, problems


def test_a_file_that_may_not_be_read_is_refused(broadsheet: Commands, cli_home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody who may not read a file")
    place = cli_home.parent / "nobodys"
    place.mkdir(mode=0o755)
    os.chown(place, NOBODY, NOBODY)
    secret = place / "letter.md"
    secret.write_text("# News\n\ntext\n")
    secret.chmod(stat.S_IRUSR)
    ended = broadsheet("render", secret, uid=NOBODY, BROADSHEET_HOME=place / "home")
    assert ended.refused() == []
    assert "letter.md' is not readable" in ended.err


def test_a_place_that_cannot_be_written_to_is_named(broadsheet: Commands, folder: Path) -> None:
    problems = broadsheet("render", folder / "letter.md", "-o", folder / "gone" / "x.html").refused()
    assert problems == [f"{folder / 'gone' / 'x.html'} cannot be written: No such file or directory."]


def test_the_authors_text_is_never_written_over(broadsheet: Commands, folder: Path) -> None:
    letter = folder / "letter.md"
    before = letter.read_text()
    (folder / "other.md").symlink_to(letter)
    for arguments in (("-o", letter), ("--text", folder / "other.md"), ("-o", folder / "x", "--text", folder / "x")):
        assert "Give each a file of its own" in broadsheet("render", letter, *arguments).refused()[0]
    assert letter.read_text() == before
    assert not (folder / "x").exists()
