"""Commands by which a person of the team finds and decides: readers, issues, imports, and who did what."""

import click

from service import settings
from service.cli.frame import actor, as_json, command, plain, say, show_json
from service.cli.groups import issues, root, subscribers
from service.cli.issue import issue_argument
from service.operations import approving, auditing_log, editing, finding, importing_undo, scheduling, send_room
from service.running import database


@command(issues, example='broadsheet issue approve 12 --words "Read twice."')
@issue_argument
@click.option("--words", default="", help="Kept with the decision.")
def approve(issue_id: int, words: str) -> None:
    """Say yes to an issue as it is now, as another person than who wrote it."""
    with database(settings.load()):
        seen = bytes(editing.find(issue_id, actor=actor())["content_hash"]).hex()
        approving.approve(issue_id, seen=seen, words=words, actor=actor())
    say("Approved. Whatever is changed now ends the approval.")


@command(issues, example="broadsheet issue unschedule 12")
@issue_argument
def unschedule(issue_id: int) -> None:
    """Take a sending back before anything of it is prepared."""
    with database(settings.load()):
        scheduling.unschedule(issue_id, actor=actor())
    say("Taken back. Nothing was sent.")


@command(subscribers, name="undo-import", example="broadsheet subscribers undo-import 3")
@click.argument("import_id", metavar="ID", type=click.IntRange(1))
def undo_import(import_id: int) -> None:
    """Take a whole import back, with what it changed in readers' details, but for readers who did something since, or were sent
    an issue."""
    with database(settings.load()):
        found = importing_undo.undo(import_id, actor=actor())
    say(found.told())


@command(issues, example='broadsheet issue refuse 12 --words "The second link is wrong."')
@issue_argument
@click.option("--words", required=True, help="What is to be changed; whoever wrote it reads it.")
def refuse(issue_id: int, words: str) -> None:
    """Say no to an issue, and why."""
    with database(settings.load()):
        approving.refuse(issue_id, words, actor=actor())
    say("Refused. It is a draft again.")


@command(issues, example='broadsheet issue schedule 12 --at "2030-05-31 09:00"')
@issue_argument
@click.option("--at", required=True, help="Day and minute, in the newsletter's zone.")
@click.option("--by-reader", is_flag=True, help="By each reader's own clock: their detail time_zone.")
def schedule(issue_id: int, at: str, by_reader: bool) -> None:
    """Send an issue at a minute to come."""
    with database(settings.load()):
        when = send_room.schedule_at(issue_id, at, by_reader=by_reader, actor=actor())
    say(f"Scheduled; it begins at {when:%Y-%m-%d %H:%M %Z}. `broadsheet issue unschedule {issue_id}` takes it back.")


@command(subscribers, name="find", example="broadsheet subscribers find smith")
@click.argument("words")
@click.option("--anywhere", is_flag=True, help="Within words too; reads every reader, and gives up after ten seconds.")
@as_json
def find(words: str, anywhere: bool, as_json: bool) -> None:
    """Readers by the beginning of a name, an address or an organisation, by a whole address, or by @domain."""
    with database(settings.load()):
        found = finding.find(words, anywhere=anywhere, actor=actor())
    if as_json:
        show_json({"readers": found})
        return
    for one in found:
        name = f"{one['first_name']} {one['last_name']}".strip()
        say(f"{one['id']:>8}  {plain(one['address'])}  {plain(name)}")
    if not found:
        say("Nobody was found.")


@command(root, name="audit", example="broadsheet audit --words schedule")
@click.option("--words", default="", help="Anywhere in an entry.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@as_json
def audit(words: str, limit: int, as_json: bool) -> None:
    """Who did what, the newest first."""
    with database(settings.load()):
        found = auditing_log.find(actor=actor(), words=words, limit=limit)
    if as_json:
        show_json({"entries": found})
        return
    for one in found:
        details = ", ".join(f"{name} {value}" for name, value in one["details"].items())
        say(
            f"{one['at']:%Y-%m-%d %H:%M} {plain(one['who'])}: {one['action']} {one['subject']}  {plain(details)}".rstrip()
        )
