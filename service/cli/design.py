"""Commands on designs; they need no servers."""

import sys
from pathlib import Path

import click

from service import settings
from service.cli.frame import as_json, command, fail, plain, say, show_json
from service.cli.groups import designs
from service.rendering import design_files
from service.rendering.design_faults import Unfit


@command(designs, example="broadsheet design check designs/quarterly")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@as_json
def check(folder: Path, as_json: bool) -> None:
    """Look for everything that would make a design's mails wrong, each fault with file and line."""
    try:
        found = design_files.load(folder.resolve())
    except Unfit as error:
        if not as_json:
            fail([str(fault) for fault in error.faults], code=2, as_json=False)
        show_json({"fit": False, "faults": [vars(fault) for fault in error.faults]})
        sys.exit(2)
    if as_json:
        show_json({"fit": True, "faults": [], "title": found.title})
    else:
        say(f"[bold]{plain(found.title)}[/bold] can be used; whatever a newsletter's colour is, it can be read.")


@command(designs, "list", example="broadsheet design list")
@as_json
def list_designs(as_json: bool) -> None:
    """Every design there is: ours, and your own."""
    chosen = settings.load()
    rows: list[dict[str, object]] = []
    for name, folder in design_files.folders(chosen.designs).items():
        row: dict[str, object] = {"name": name, "folder": str(folder), "own": folder.parent != design_files.DESIGNS}
        try:
            found = design_files.load(folder)
        except Unfit as error:
            rows.append(row | {"fit": False, "faults": len(error.faults)})
        else:
            rows.append(row | {"fit": True, "title": found.title, "description": found.description})
    ignored = design_files.passed_over(chosen.designs)
    if as_json:
        show_json({"designs": rows, "passed_over": ignored})
        return
    for row in rows:
        what = row.get("description") or f"{row['faults']} faults: `broadsheet design check {row['folder']}`"
        say(f"[bold]{row['name']:<14}[/bold] {plain(str(what))}")
    for text in ignored:
        say(f"[yellow]![/yellow] {plain(text)}")
