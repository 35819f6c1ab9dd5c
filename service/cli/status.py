"""`broadsheet status` and `broadsheet replay`: is all well, and what to do when not."""

from typing import Any

from service import settings
from service.cli.frame import as_json, command, plain, say, show_json
from service.cli.groups import root
from service.operations import reporting, tracking
from service.running import database, looking


@command(root, example="broadsheet status")
@as_json
def status(as_json: bool) -> None:
    """Duties, SendGrid's events, and issues that are on their way or wait for a person."""
    with looking(settings.load()):
        found = reporting.status()
    if as_json:
        show_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    if found["halted"]:
        say(f"[red]{plain(found['halted'])}[/red]")
    for duty in found["duties"]:
        ago = duty["seconds_ago"]
        when = "never succeeded" if ago is None else f"succeeded {ago:,} s ago"
        say(
            f"{'[yellow]late[/yellow]' if duty['late'] else '  ok'}  {duty['name']:<18} {when}{' · ' + plain(duty['last_error']) if duty['last_error'] else ''}"
        )
    if all(duty["seconds_ago"] is None for duty in found["duties"]):
        say("No duty has run yet: start `broadsheet up`, or, where its processes run one by one, beat and the workers.")
    for told in found["missed"].values():
        say(f"[red]{plain(told)}[/red]")
    events = found["payloads"]
    say(
        f"Events: {events['pending']:,} payloads wait, {events['set_aside']:,} set aside, {events['strays']:,} events about nothing of ours; latest {events['latest'] or 'never'}"
    )
    if events["set_aside"]:
        say("[yellow]`broadsheet replay` takes up what was set aside.[/yellow]")
    for issue in found["issues"]:
        unknown = f", {issue['unknown_batches']} unknown batches" if issue["unknown_batches"] else ""
        say(
            f"Issue {issue['id']}: {issue['state']}{unknown}{' · ' + plain(issue['state_reason']) if issue['state_reason'] else ''}"
        )


@command(root, example="broadsheet replay")
def replay() -> None:
    """Take up SendGrid's payloads that were set aside after five failures."""
    with database(settings.load()):
        again = tracking.replay()
    say(f"{again:,} payloads are taken up again." if again else "Nothing was set aside.")
