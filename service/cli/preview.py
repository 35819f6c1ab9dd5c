"""`broadsheet preview`: a mail as one reader would get it; and what `render` shares with it."""

from pathlib import Path

import click

from service import settings
from service.cli.frame import command, fail, plain, say
from service.cli.groups import root
from service.cli.issue import show_draft
from service.cli.versions import names_issue, source_of, versions_option
from service.clients import chromium
from service.errors import Invalid
from service.operations import newsletter_making, previewing
from service.operations.authoring import Source
from service.operations.previewing import Preview
from service.running import database

file_option = click.Path(path_type=Path, dir_okay=False)
screenshot_option = click.option(
    "--screenshot",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Draw it into this folder: on a phone and a desk, by day, by night, and without pictures. Needs Chromium.",
)


@command(root, example="broadsheet preview 12 --reader mei@readers.example -o letter.html --mime letter.eml")
@click.argument("target", metavar="ID|FILE")
@click.option("--reader", metavar="ADDRESS", help="One of the newsletter's readers, with their own values.")
@click.option("--variant", metavar="NAME", help="Else the one that the reader would get.")
@click.option(
    "--newsletter",
    metavar="SLUG",
    help="Of a FILE: whose design, sender and readers. Without it no servers are needed.",
)
@click.option("--subject", help="Of a FILE; else from the file.")
@click.option("--field", "fields", multiple=True, help="Of a FILE: an attribute that readers have; may be given again.")
@click.option("-o", "--output", type=file_option, help="Where the HTML goes; with no option at all, stdout.")
@click.option("--text", "text_output", type=file_option, help="Where the plain-text part goes.")
@click.option(
    "--mime", "mime_output", type=file_option, help="Where the raw mail goes, to be opened in a mail program."
)
@click.option("--source", "wants_source", is_flag=True, help="Print the text as it was written.")
@versions_option
@screenshot_option
def preview(target: str, reader: str | None, variant: str | None, newsletter: str | None, subject: str | None,
            fields: tuple[str, ...], output: Path | None, text_output: Path | None, mime_output: Path | None,
            wants_source: bool, versions: tuple[str, ...], folder: Path | None) -> None:  # fmt: skip
    """Show an issue, or a file, as one reader's mail; sends nothing. The leave link leads nowhere."""
    settings.configure(settings.load())
    is_issue = names_issue(target)
    if is_issue and (newsletter or subject or fields or versions):
        raise Invalid("--newsletter, --subject, --field and --version are for a file; an issue has its own.")
    check_places(None if is_issue else Path(target), output, text_output, mime_output)
    if is_issue:
        with database(settings.load()):
            found = previewing.preview_issue(int(target), reader=reader, variant=variant)
    else:
        source = source_of(Path(target), versions)
        found = _of_file(source, newsletter, reader=reader, variant=variant, subject=subject, fields=fields)
        show_draft(source)
    for field in found.missing:
        say(f"[yellow]![/yellow] No value and no default for {plain(field)}: whoever lacks it gets no copy.")
    for warning in found.warnings:
        say(f"[yellow]![/yellow] {plain(warning)}")
    if wants_source:
        click.echo(found.source)
    elif (output, text_output, mime_output, folder) == (None,) * 4:
        click.echo(found.html)
    write((output, found.html.encode()), (text_output, found.mail.text.encode()), (mime_output, found.mime))
    if folder is not None:
        draw(found.html, folder)
    _summarise(found)


def _of_file(source: Source, newsletter: str | None, *, reader: str | None, variant: str | None,
             subject: str | None, fields: tuple[str, ...]) -> Preview:  # fmt: skip
    if newsletter is None:
        return previewing.preview_source(
            source, reader=reader, variant=variant, subject=subject, fields=frozenset(fields)
        )
    with database(settings.load()):
        return previewing.preview_source(
            source,
            newsletter_id=newsletter_making.find_newsletter(newsletter),
            reader=reader,
            variant=variant,
            subject=subject,
            fields=frozenset(fields),
        )


def _summarise(found: Preview) -> None:
    size, text = len(found.mail.html.encode()) / 1024, len(found.mail.text.encode()) / 1024
    say(f"{plain(found.mail.subject)}: variant {plain(found.variant)}, HTML {size:.1f} KB, text {text:.1f} KB.")


def check_places(*paths: Path | None) -> None:
    """The author's text and all parts are files of their own. Raises Invalid before one is written over another."""
    given = [path.resolve() for path in paths if path is not None]
    if len(set(given)) < len(given):
        raise Invalid("Two of the text and the outputs name one file twice. Give each a file of its own.")


def write(*parts: tuple[Path | None, bytes]) -> None:
    """Write each part that has a place."""
    try:
        for path, content in parts:
            if path is not None:
                path.write_bytes(content)
    except OSError as error:
        fail([f"{error.filename} cannot be written: {error.strerror}."], code=2, as_json=False)


def draw(html: str, folder: Path) -> None:
    """Draw the mail into the folder, a PNG for each view."""
    chromium.find()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail([f"{folder} cannot be made: {error.strerror}."], code=2, as_json=False)
    for view, picture in chromium.photograph(html):
        write((folder / f"{view.name}.png", picture))
        say(f"  {plain(str(folder / view.name))}.png")
