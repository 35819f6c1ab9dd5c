"""Commands by which a person decides about an issue or an import: approve, take back."""

import click

from service import settings
from service.cli.frame import actor, command, say
from service.cli.groups import issues, subscribers
from service.cli.issue import issue_argument
from service.operations import approving, editing, importing_undo, scheduling
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
    """Take a whole import back, but for readers who did something since, or were sent an issue."""
    with database(settings.load()):
        found = importing_undo.undo(import_id, actor=actor())
    say(
        f"{found.subscriptions:,} readers are taken back; {found.sent:,} were sent an issue since, and {found.touched:,} did something themselves: they stay."
    )
