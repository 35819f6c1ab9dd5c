"""Commands that look at what sending depends on outside of us, and commands on segments."""

import json

import click

from service import settings
from service.cli.frame import actor, as_json, command, plain, say, show_json
from service.cli.groups import root, segments
from service.operations import checking
from service.operations import segments as operations
from service.running import database


@command(root, name="check", example="broadsheet check domains")
@click.argument("what", type=click.Choice(["sendgrid", "webhook", "domains"]))
@as_json
def check(what: str, as_json: bool) -> None:
    """Look at SendGrid's account, at the webhook, or at the DNS of the senders' domains, and say what to mend."""
    with database(settings.load()):
        checking.look(what, actor=actor())
        found = checking.latest()[what]
    if as_json:
        show_json({what: found})
        return
    for one in found:
        say(f"{one['subject'] or what}: [bold]{one['outcome']}[/bold]")
        for each in one["findings"]:
            say(f"  {plain(each['text'])}. {plain(each['fix'])}".rstrip())
        for each in one["records"]:
            say(f"  {each['kind']} {plain(each['host'])} → {plain(each['value'])} (set: {each['valid']})")


@command(segments, name="list", example="broadsheet segment list")
@as_json
def list_all(as_json: bool) -> None:
    """The segments of all newsletters, and what they say."""
    with database(settings.load()):
        found = operations.listed(actor=actor())
    if as_json:
        show_json({"segments": found})
        return
    for one in found:
        say(f"{one['id']:>4}  {plain(one['newsletter_name'])}: {plain(one['name'])}: {plain(one['words'])}")
    if not found:
        say("There is no segment yet.")


@command(segments, example="broadsheet segment count 3")
@click.argument("segment_id", metavar="ID", type=click.IntRange(1))
@as_json
def count(segment_id: int, as_json: bool) -> None:
    """How many active readers are in a segment now."""
    with database(settings.load()):
        one = operations.find(segment_id, actor=actor())
        found = operations.count(one["newsletter_id"], one["blocks"], actor=actor())
    if as_json:
        show_json({"readers": found.readers, "active": found.active})
        return
    say(f"{found.readers:,} of {found.active:,} active readers are in “{plain(one['name'])}”.")


@command(
    segments,
    example="""broadsheet segment create 1 "In German" '[[{"what": "language", "how": "begins", "value": "de"}]]'""",
)
@click.argument("newsletter_id", metavar="NEWSLETTER", type=click.IntRange(1))
@click.argument("name")
@click.argument("blocks")
@as_json
def create(newsletter_id: int, name: str, blocks: str, as_json: bool) -> None:
    """Save a segment: BLOCKS is JSON, a list of blocks of conditions, as the web's segment page makes them."""
    try:
        given = json.loads(blocks)
    except ValueError:
        given = None
    with database(settings.load()):
        made, _ = operations.save(newsletter_id, name, given, actor=actor())
    if as_json:
        show_json({"segment_id": made})
        return
    say(f"Segment {made} is saved.")
