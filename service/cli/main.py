"""The command's groups, put together."""

import sys

import click

from service import settings
from service.cli import demo, issue, newsletter, send, subscribers, up  # noqa: F401 - each registers its commands
from service.cli.frame import command, fail, say
from service.cli.groups import root
from service.errors import Invalid
from service.running import database


@command(root, example="broadsheet migrate")
def migrate() -> None:
    """Bring the database to the newest migration; safe to run again."""
    with database(settings.load()):
        say("The database is up to date.")


def main() -> None:
    """Entry point. Bad settings end here too, naming the variable."""
    try:
        root(prog_name="broadsheet")
    except Invalid as error:
        fail(error.problems, code=2, as_json="--json" in sys.argv)
    except click.exceptions.Abort:
        sys.exit(1)
