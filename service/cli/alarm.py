"""`broadsheet alarms`: what went wrong, and somebody's word that it is seen to."""

import click

from service import settings
from service.cli.frame import actor, as_json, command, fail, plain, say, show_json
from service.cli.groups import alarms as group
from service.cli.groups import issues
from service.cli.issue import issue_argument
from service.operations import alarms, resending
from service.running import database


@command(group, name="list", example="broadsheet alarms list")
@as_json
def list_all(as_json: bool) -> None:
    """The open alarms."""
    with database(settings.load()):
        found = alarms.listed(actor=actor())
    if as_json:
        show_json({"alarms": found})
        return
    for one in found:
        seen = " (acknowledged)" if one["acknowledged_at"] else ""
        say(f"{one['id']:>5}  {one['opened_at']:%Y-%m-%d %H:%M %Z}  {one['kind']}{seen}: {plain(one['told'])}")
    if not found:
        say("No alarm is open.")


@command(group, example='broadsheet alarms ack 3 --reason "The key is mended."')
@click.argument("alarm_id", metavar="ID", type=click.IntRange(1))
@click.option("--reason", required=True, help="What you found; kept with the alarm.")
def ack(alarm_id: int, reason: str) -> None:
    """Say that an alarm is seen to. A refused key is then tried again."""
    with database(settings.load()):
        alarms.acknowledge(alarm_id, reason=reason, actor=actor())
    say("Acknowledged.")


@command(issues, example="broadsheet issue resend 12 --quiet")
@issue_argument
@click.option("--quiet/--never", "into", default=None, help="After a quiet hour, or only when a person says so.")
def resend(issue_id: int, into: bool | None) -> None:
    """Whether copies that nobody can vouch for are sent again by themselves. If SendGrid did take them, readers get two."""
    if into is None:
        fail(["Say --quiet or --never."], code=2, as_json=False)
    with database(settings.load()):
        resending.opt(issue_id, into=into, actor=actor())
    say("They are sent again once, after a quiet hour." if into else "A person decides about each.")
