"""`broadsheet run`: one process of the Procfile, for systemd, containers and further machines."""

import os

import click

from service import settings
from service.cli.frame import command
from service.cli.groups import root
from service.errors import BroadsheetError
from service.running import processes


@command(root, example="broadsheet run sending")
@click.argument("process")
def run(process: str) -> None:
    """Run one process of the Procfile, with its settings checked: web, sending, mail, tracking, default or beat.

    For your own PostgreSQL and Redis, on as many machines as you like, after `broadsheet migrate`. `up` runs all of them on one.
    """
    chosen = settings.load()
    if chosen.embedded:
        raise BroadsheetError(
            "The embedded servers run only while `broadsheet up` does, which runs everything. To run one process by itself, set DATABASE_URL and REDIS_URL to your own."
        )
    found = {one.name: one for one in processes(chosen)}
    if process not in found:
        raise BroadsheetError(f"There is no process {process!r}. There are {', '.join(found)}.")
    program, *arguments = found[process].arguments()
    # Not beside this process but in its place: what is said to it by signals is for the one that was asked for.
    os.chdir(settings.ROOT)
    os.execve(program, [program, *arguments], dict(found[process].environment))  # noqa: S606
