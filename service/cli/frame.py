"""What every command shares: how results are printed, and how an error becomes one clear line and an exit code."""

import functools
import json
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, ParamSpec

import click
import psycopg
from rich.console import Console
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from service import log
from service.embedded import EmbeddedError
from service.errors import BroadsheetError, Invalid
from service.settings import Settings

P = ParamSpec("P")

screen = Console(stderr=True, highlight=False)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print exactly one JSON object on stdout; everything else goes to stderr."
)


def command(
    group: click.Group, name: str | None = None, example: str = ""
) -> Callable[[Callable[P, None]], click.Command]:
    """A command of the group whose --help ends with an example, and whose errors are one line each."""

    def decorate(function: Callable[P, None]) -> click.Command:
        return group.command(name, epilog=f"\b\nExample:\n  {example}")(_careful(function))

    return decorate


def _careful(function: Callable[P, None]) -> Callable[P, None]:
    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Invalid as error:
            fail(error.problems, code=2, as_json=bool(kwargs.get("as_json")))
        except (BroadsheetError, EmbeddedError) as error:
            fail([str(error)], code=1, as_json=bool(kwargs.get("as_json")))
        except (DBAPIError, psycopg.Error) as error:
            fail(
                [
                    f"The database failed just now ({type(getattr(error, 'orig', error)).__name__}). What was done is kept; run the command again."
                ],
                code=1,
                as_json=bool(kwargs.get("as_json")),
            )
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            where = f"{error.filename}: " if error.filename else ""
            fail([f"{where}{error.strerror or type(error).__name__}."], code=1, as_json=bool(kwargs.get("as_json")))
        except KeyboardInterrupt:
            fail(["Stopped."], code=1, as_json=bool(kwargs.get("as_json")))

    return wrapped


def fail(problems: Any, *, code: int, as_json: bool) -> NoReturn:
    """End with the problems, one line each."""
    for problem in problems:
        screen.print(f"[red]✗[/red] {_plain(problem)}", soft_wrap=True)
    if as_json:
        show_json({"error": "\n".join(problems), "problems": list(problems)})
    sys.exit(code)


def show_json(value: object) -> None:
    """The one JSON object of a command."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def say(line: str) -> None:
    """A line for the person, on stderr."""
    screen.print(line, soft_wrap=True)


def counted(number: int, one: str) -> str:
    """“1 reader”, “2 readers”."""
    return f"{number:,} {one if number == 1 else one + 's'}"


def _plain(text: str) -> str:
    """Text of others is not markup."""
    return text.replace("[", "\\[")


plain = _plain


def actor() -> str:
    """Who decides, for the audit entry: the account at this machine."""
    try:
        return f"{pwd.getpwuid(os.getuid()).pw_name} (command)"
    except KeyError:
        return f"uid {os.getuid()} (command)"


@contextmanager
def logs_apart(chosen: Settings) -> Iterator[None]:
    """What the parts log meanwhile goes into `log/commands.log` of the home: on the terminal it would stand between the lines of the
    answer. Where that file cannot be written, they stay there."""
    path = chosen.home / "log" / "commands.log"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")
    except OSError:
        yield
        return
    with file:
        log.configure(chosen.log_level, chosen.log_format, into=file)
        try:
            yield
        finally:
            log.configure(chosen.log_level, chosen.log_format)


def place(chosen: Settings) -> dict[str, str]:
    """Which installation a command looks at: its `home`, and its `database` without the password."""
    url = make_url(chosen.database_url)
    host = f"{url.host or 'this machine'}{f':{url.port}' if url.port else ''}"
    return {"home": str(chosen.home), "database": "in the home" if chosen.embedded else f"{url.database} at {host}"}


def show_place(chosen: Settings) -> None:
    """The same, for the person: two terminals may mean different ones."""
    found = place(chosen)
    say(f"Home {plain(found['home'])}, database {plain(found['database'])}")
