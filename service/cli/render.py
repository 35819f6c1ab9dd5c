"""`broadsheet render`: a file as the mail that would be sent, without any servers."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import click

from service import settings
from service.cli.frame import command, plain, say
from service.cli.groups import root
from service.cli.issue import show_draft
from service.cli.preview import check_places, draw, file_option, screenshot_option, write
from service.cli.versions import source_of, source_paths, versions_option
from service.operations import authoring
from service.operations.authoring import Source
from service.operations.authoring_variants import Variant, all_warnings
from service.rendering.web_version import put


@command(root, example="broadsheet render letter.md -o letter.html --text letter-as-mail.txt")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=file_option, help="Where the HTML goes; else stdout.")
@click.option("--text", "text_output", type=file_option, help="Where the plain-text part goes.")
@click.option("--subject", help="Else from the file.")
@click.option("--field", "fields", multiple=True, help="An attribute that readers have; may be given again.")
@click.option("--design", default="gazette", show_default=True, help="`design list` names all.")
@click.option("--brand-colour", "--colour", default="#1f3a5f", show_default=True)
@click.option("--language", default="en", show_default=True)
@versions_option
@screenshot_option
def render(file: Path, output: Path | None, text_output: Path | None, subject: str | None, fields: tuple[str, ...],
           design: str, brand_colour: str, language: str, versions: tuple[str, ...], folder: Path | None) -> None:  # fmt: skip
    """Render a file as the mail that would be sent; needs no servers. Merge tags show their fallbacks.

    Each further variant, by language or condition, becomes a file beside the first, such as letter.de.html.
    """
    settings.configure(settings.load())
    check_places(file, output, text_output)
    source = source_of(file, versions)
    masthead = replace(
        authoring.NO_NEWSLETTER,
        designs=settings.current().designs,
        design=design,
        brand_colour=brand_colour,
        language=language,
    )
    variants = authoring.render_variants(
        source, masthead, subject=subject, fields=frozenset(fields), keep_pictures=False
    )
    show_draft(source)
    for warning in all_warnings(variants):
        say(f"[yellow]![/yellow] {plain(warning)}")
    places = [(_beside(output, one, variants), _beside(text_output, one, variants)) for one in variants]
    check_places(file, *source_paths(versions), *itertools.chain(*places))
    for one, (html_place, text_place) in zip(variants, places, strict=True):
        _write(one, source, html_place, text_place, named=len(variants) > 1)
        if folder is not None:
            draw(_shown(one, source), folder if one is variants[0] else folder / _name(one))
    if output is None and folder is None:
        click.echo(_shown(variants[0], source))


def _beside(place: Path | None, one: Variant, variants: list[Variant]) -> Path | None:
    """Where a variant goes: the first to the place named, the others beside it, with their names."""
    if place is None or one is variants[0]:
        return place
    return place.with_name(f"{place.stem}.{_name(one)}{place.suffix}")


def _name(one: Variant) -> str:
    return re.sub(r"[^\w=-]+", "-", one.name).strip("-")


def _shown(one: Variant, source: Source) -> str:
    """A variant's HTML, to be looked at: with the pictures that came inside the texts."""
    return authoring.with_pictures(authoring.without_reader(one.rendered, put(one.rendered.html, None)), source)


def _write(one: Variant, source: Source, output: Path | None, text_output: Path | None, *, named: bool) -> None:
    html, text = _shown(one, source), authoring.without_reader(one.rendered, put(one.rendered.text, None))
    write((output, html.encode()), (text_output, text.encode()))
    before = f"{plain(one.name)}: " if named else ""
    say(
        f"{before}{plain(authoring.without_reader(one.rendered, one.rendered.subject))}: HTML {len(html.encode()) / 1024:.1f} KB, text {len(text.encode()) / 1024:.1f} KB."
    )
