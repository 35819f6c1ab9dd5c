"""`draft`: what an author handed in, as Markdown to go on with."""

import sys
from pathlib import Path, PurePosixPath

import click

from service.cli.frame import command, counted, fail, plain, say
from service.cli.groups import root
from service.cli.issue import show_draft
from service.errors import Invalid
from service.operations import authoring, sources
from service.operations.authoring import Source
from service.rendering import incoming_decoding
from service.rendering.newsletter import RenderError, local_pictures


@command(root, example="broadsheet draft letter.docx -o letter.md")
@click.argument("file")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The Markdown file; else stdout.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
def draft(file: str, output: Path | None, force: bool) -> None:
    """Turn a Word, HTML or plain-text file into Markdown, its pictures beside it; says what was changed or left out.

    FILE `-` reads pasted HTML from standard input.
    """
    source = _source(file)
    if output is None:
        show_draft(source)
        click.echo(source.markdown, nl=False)
        if source.pictures:
            say(
                f"[yellow]![/yellow] {counted(len(source.pictures), 'picture')} inside: with -o they are written beside the Markdown."
            )
        return
    if output.suffix.lower() not in (".md", ".markdown"):
        raise Invalid(f"{output.name}: Markdown is written to a .md file. Give -o {output.with_suffix('.md').name}.")
    written = {output: source.markdown.encode(), **_pictures(source, output.parent)}
    _write(written, None if file == "-" else Path(file), force)
    show_draft(source)
    pictures = f", with {counted(len(written) - 1, 'picture')} beside it" if len(written) > 1 else ""
    say(f"{plain(str(output))} written{pictures}. Read it, then: `broadsheet render {plain(output.name)} -o look.html`")


def _source(file: str) -> Source:
    if file == "-":
        found = sources.read_pasted(sys.stdin.buffer.read(incoming_decoding.LARGEST + 1))
        return Source(found.markdown, Path(), found, found.pictures)
    path = Path(file)
    if path.suffix.lower() in (".md", ".markdown"):
        raise Invalid(f"{path.name} is Markdown already. Name a .txt, .html or .docx file.")
    return authoring.read_source(path)


def _pictures(source: Source, folder: Path) -> dict[Path, bytes]:
    """Where each picture goes: those inside the text, and those beside it when the Markdown goes elsewhere."""
    found = {folder / name: content for name, content in source.pictures.items()}
    if source.folder.resolve() == folder.resolve():
        return found
    try:
        names = local_pictures(source.markdown)
    except RenderError:
        return found  # rendering will say what is wrong with the text
    for name in names:
        path = (source.folder / PurePosixPath(name)).resolve()
        if name not in source.pictures and path.is_relative_to(source.folder.resolve()) and path.is_file():
            found[folder / name] = path.read_bytes()
    return found


def _write(files: dict[Path, bytes], original: Path | None, force: bool) -> None:
    """All of them, or none: nothing is written over unless that was asked for, and never what the author wrote."""
    if original is not None and any(path.resolve() == original.resolve() for path in files):
        raise Invalid(f"{original.name} is the author's own file. Give -o another name.")
    there = [path for path, content in files.items() if path.exists() and not _holds(path, content)]
    if there and not force:
        raise Invalid(
            *(f"{path} is there already. Give -o another name, or --force to write over it." for path in there)
        )
    markdown = next(iter(files))
    try:
        for path, content in files.items():
            if path.parent != markdown.parent:
                path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        fail([f"{error.filename} cannot be written: {error.strerror}."], code=2, as_json=False)


def _holds(path: Path, content: bytes) -> bool:
    """Whether a file holds exactly this already."""
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
