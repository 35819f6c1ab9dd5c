"""What the README says is so: every setting is in its table, every command it names exists, every link leads somewhere."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from service.cli import main as _registered  # noqa: F401 - importing it registers every command
from service.cli.groups import root
from service.settings import ROOT
from service.variables import VARIABLES

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"(?:^|[\s`$])(?:\./)?broadsheet((?: +[^\s`|&]+)*)", re.MULTILINE)


def commands(group: click.Group = root, names: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command, by its full name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))
        else:
            yield " ".join((*names, name))


def code() -> list[str]:
    """Everything set as code, lines that go on put together."""
    fenced = re.findall(r"^ *```\w*\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^ *```\w*\n.*?^ *```", "", README, flags=re.MULTILINE | re.DOTALL)
    return [block.replace("\\\n", " ") for block in fenced] + re.findall(r"`([^`\n]+)`", rest)


def named() -> list[list[str]]:
    """The words of every `broadsheet …` in code."""
    return [found.split() for block in code() for found in COMMAND.findall(block) if found.strip()]


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and the words that are left. Raises KeyError."""
    command: click.Command = root
    rest = list(words)
    while rest and isinstance(command, click.Group):
        command = command.commands[rest.pop(0)]
    return command, rest


def test_the_readme_names_commands() -> None:
    assert len(named()) > 20, "else the next tests look at nothing"


@pytest.mark.parametrize("words", named(), ids=" ".join)
def test_every_command_and_option_in_the_readme_exists(words: list[str]) -> None:
    if words[0] == "test":
        return  # `./broadsheet test` is the bootstrap's own word
    command, rest = resolve(words)
    if any(isinstance(command, click.Group) and word != "--help" for word in rest):
        pytest.fail(f"{words}: no command")
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = {word for word in rest if word.startswith("-") and word not in ("--help", "-")}
    assert given <= known


SUGGESTED = [
    (path.relative_to(ROOT), words)
    for path in (*sorted(ROOT.glob("service/**/*.py")), *sorted(ROOT.glob("docs/*.md")))
    for words in re.findall(r"`(?:\./)?broadsheet ([a-z][^`]*)`", path.read_text(encoding="utf-8"))
]


def test_whoever_is_told_to_run_a_command_is_told_that_it_asks_for_a_reason() -> None:
    lacking = []
    for path, words in SUGGESTED:
        with suppress(KeyError):  # a word of the bootstrap, or the name of a group
            command, _ = resolve(words.split())
            asks = any(one.required and "--reason" in one.opts for one in command.params)
            if asks and "--reason" not in words:
                lacking.append(f"{path}: {words}")
    assert len(SUGGESTED) > 50, "else nothing was looked at"
    assert lacking == []


def test_every_command_is_in_the_readme() -> None:
    table = set(re.findall(r"^\| `broadsheet ([a-z -]+)` \|", README, re.MULTILINE))
    assert table == set(commands())


def test_the_table_of_settings_is_complete_and_says_what_the_code_says() -> None:
    expected = [f"| `{v.name}` | {v.what} | `{v.example}` | {v.default or 'none'} |" for v in VARIABLES]
    rows = re.findall(r"^\| `[A-Z_]+` \|.*$", README, re.MULTILINE)
    assert rows == expected


def test_every_setting_in_an_example_exists() -> None:
    examples = re.findall(r"^ *([A-Z][A-Z_]+)=", README, re.MULTILINE)
    assert examples
    assert set(examples) <= {v.name for v in VARIABLES}


def test_every_link_into_the_repository_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", README) + re.findall(r'(?:src|srcset)="([^"]+)"', README)
    files = [link for link in links if not link.startswith(("https://", "#"))]
    prose = re.sub(r"^ *```.*?^ *```", "", README, flags=re.MULTILINE | re.DOTALL)
    files = [file for file in files if file in prose and file != "harbour.png"]
    assert {"LICENSE", "CHANGELOG.md", "docs/demo.png"} <= set(files)
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_every_folder_in_the_layout_exists() -> None:
    folders = re.findall(r"`((?:service|tasks|templates|tests)/[a-z/]*)`", README)
    assert len(folders) > 8
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_pictures_are_small_enough_to_be_looked_at_on_the_road() -> None:
    pictures = sorted(Path(ROOT / "docs").glob("*"))
    assert pictures
    assert [one.name for one in pictures if one.stat().st_size > 150 * 1024] == []
    assert [one.name for one in pictures if f"docs/{one.name}" not in README] == []
