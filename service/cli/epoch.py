"""`broadsheet epoch`: what a person decides about a database that was restored, or a machine that is new."""

import click

from service import settings
from service.cli.frame import actor, as_json, command, counted, logs_apart, place, plain, say, show_json, show_place
from service.cli.groups import epochs as group
from service.operations import epochs
from service.running import database, looking


@command(group, example="broadsheet epoch show")
@as_json
def show(as_json: bool) -> None:
    """Whether the database is the newest that this machine has seen, and which issues wait for a decision."""
    with looking(settings.load()) as connected:
        found = epochs.state()
    if as_json:
        show_json(place(connected) | found)
        return
    show_place(connected)
    say(plain(found["told"]))
    for issue in found["held"]:
        say(f"Issue {issue['id']} is held: {plain(issue['subject'])}")


@command(group, example='broadsheet epoch accept --reason "the disk was lost; the backup of Monday"')
@click.option("--reason", required=True, help="Why; kept with your name.")
def accept(reason: str) -> None:
    """Go on with a restored database as it is. Issues that would have gone out stay held: resume or cancel each."""
    with database(settings.load()) as connected, logs_apart(connected):
        held = epochs.accept(reason=reason, actor=actor())
    say("The database is in force again: new issues can be sent.")
    if held:
        say(
            f"{counted(held, 'issue')} would have gone out and {'is' if held == 1 else 'are'} held. Look whether it went out after the backup was made, then "
            "`broadsheet issue resume` or `broadsheet issue cancel`: `broadsheet epoch show` lists them."
        )


@command(group, example='broadsheet epoch join --reason "a second machine for the workers"')
@click.option("--reason", required=True, help="Why; kept with your name.")
def join(reason: str) -> None:
    """Say that this machine is new and the database is not restored, but has been in use all the time."""
    with database(settings.load()):
        epochs.join(reason=reason, actor=actor())
    say("This machine knows the database from now on.")
