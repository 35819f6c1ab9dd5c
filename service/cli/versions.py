"""What several commands take: an issue by its number or a file, and `--version de=letter.de.md`, its other languages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from service.errors import Invalid
from service.operations import authoring
from service.operations.authoring import Source

versions_option: Callable[[Any], Any] = click.option(
    "--version",
    "versions",
    multiple=True,
    metavar="LANGUAGE=FILE",
    help="The same issue in another language; may be given again. Readers get theirs, else the main file.",
)


def names_issue(what: str) -> bool:
    """Whether a number names an issue, and no file that is called so."""
    return what.isdecimal() and not Path(what).exists()


def source_of(file: Path, versions: tuple[str, ...]) -> Source:
    """The text with its versions. Raises Invalid with every problem."""
    source = authoring.read_source(file)
    paths = _paths(versions)
    return authoring.read_versions(source, paths) if paths else source


def source_paths(versions: tuple[str, ...]) -> list[Path]:
    """The files of the versions, none of which may be written over. Raises Invalid."""
    return list(_paths(versions).values())


def _paths(versions: tuple[str, ...]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for given in versions:
        language, equals, path = given.partition("=")
        if not (language and equals and path):
            raise Invalid(f"--version {given}: write LANGUAGE=FILE, such as de=letter.de.md.")
        if language in paths:
            raise Invalid(f"--version {language} is given twice. Give each language one file.")
        paths[language] = Path(path)
    return paths
