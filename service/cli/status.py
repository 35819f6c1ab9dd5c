"""`broadsheet status` and `broadsheet replay`: is all well, and what to do when not."""

import sys
from datetime import UTC
from typing import Any

from service import settings
from service.cli.frame import as_json, command, place, plain, say, show_json, show_place
from service.cli.groups import root
from service.operations import overall, tracking
from service.running import database, looking


@command(root, example="broadsheet status")
@as_json
def status(as_json: bool) -> None:
    """Duties, SendGrid's events, and issues that are on their way or wait for a person, in the home that is named first.

    Ends with 0 where all is well, and with 1 where somebody has to look: a duty is late, a process is missed, events wait or were
    set aside, an issue or an alarm waits, all is stopped, or the database was restored. --json has it under `wrong`.
    """
    with looking(settings.load()) as connected:
        found = place(connected) | overall.status()
    if as_json:
        show_json(found)
    else:
        show_place(connected)
        _show(found)
    sys.stdout.flush()
    sys.exit(1 if found["wrong"] else 0)


def _show(found: dict[str, Any]) -> None:
    for duty in found["duties"]:
        ago = duty["seconds_ago"]
        when = "never succeeded" if ago is None else f"succeeded {ago:,} s ago"
        say(
            f"{'[yellow]late[/yellow]' if duty['late'] else '  ok'}  {duty['name']:<18} {when}{' · ' + plain(duty['last_error']) if duty['last_error'] else ''}"
        )
    if not found["running"]:
        say("Nothing runs now: start `broadsheet up`, or, where its processes run one by one, beat and the workers.")
    events, latest = found["payloads"], found["payloads"]["latest"]
    say(
        f"Events: {events['pending']:,} payloads wait, {events['set_aside']:,} set aside, {events['strays']:,} events about nothing of ours; latest {f'{latest.astimezone(UTC):%Y-%m-%d %H:%M} UTC' if latest else 'never'}"
    )
    for issue in found["issues"]:
        unknown = (
            f", {issue['unknown_batches']:,} unknown {'batch' if issue['unknown_batches'] == 1 else 'batches'}"
            if issue["unknown_batches"]
            else ""
        )
        say(
            f"Issue {issue['id']}: {issue['state']}{unknown}{' · ' + plain(issue['state_reason']) if issue['state_reason'] else ''}"
        )
    for told in found["wrong"]:
        say(f"[red]✗[/red] {plain(told)}")
    if not found["wrong"]:
        say("[green]All is well.[/green]")


@command(root, example="broadsheet replay")
def replay() -> None:
    """Take up SendGrid's payloads that were set aside after five failures."""
    with database(settings.load()):
        again = tracking.replay()
    say(f"{again:,} payloads are taken up again." if again else "Nothing was set aside.")
