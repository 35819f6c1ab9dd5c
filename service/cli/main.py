"""The command's groups, put together."""

import os
import sys

import click

from service import settings
from service.cli import (  # noqa: F401 - each registers its commands
    alarm,
    backup,
    bench,
    bench_coming,
    bench_comparing,
    check,
    consent,
    deciding,
    demo,
    design,
    doctor,
    draft,
    epoch,
    fault,
    issue,
    key,
    newsletter,
    operator,
    preflight,
    preview,
    render,
    retention,
    run,
    secret,
    send,
    status,
    subscribers,
    up,
)
from service.cli.frame import command, fail, say, show_json
from service.cli.groups import root
from service.errors import Invalid
from service.running import database


@command(root, example="broadsheet migrate")
def migrate() -> None:
    """Bring the database to the newest migration; safe to run again."""
    with database(settings.load()):
        say("The database is up to date.")


def main() -> None:
    """Entry point. Bad settings and faults of usage end here, with the one JSON object where it was asked for."""
    as_json = "--json" in sys.argv
    try:
        code = root(prog_name="broadsheet", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except Invalid as error:
        fail(error.problems, code=2, as_json=as_json)
    except click.ClickException as error:
        error.show()
        if as_json:
            show_json({"error": error.format_message(), "problems": [error.format_message()]})
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        fail(["Stopped."], code=1, as_json=as_json)
    except BrokenPipeError:
        # Nobody reads on (`… | head`): not worth a word, not even when Python flushes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
