"""Commands on keys for programs."""

import click

from service import settings
from service.cli.frame import actor, as_json, command, plain, say, show_json
from service.cli.groups import root
from service.domain.permissions import ROLES
from service.operations import keys
from service.running import database


@root.group(name="key")
def group() -> None:
    """Keys by which programs act over HTTP."""


@command(group, example='broadsheet key create "Client database" --role editor --newsletter 1 --days 365')
@click.argument("name")
@click.option("--role", type=click.Choice(list(ROLES)), required=True)
@click.option("--newsletter", type=click.IntRange(1), help="Only in this one, by its number.")
@click.option(
    "--days", type=click.IntRange(1, keys.MOST_DAYS), help="How long it serves; without it, until it is revoked."
)
@as_json
def create(name: str, role: str, newsletter: int | None, days: int | None, as_json: bool) -> None:
    """Make a key, and print it: it is kept as a fingerprint only."""
    with database(settings.load()):
        made, token = keys.make(name, role=role, newsletter_id=newsletter, days=days, actor=actor())
    if as_json:
        show_json({"key_id": made, "key": token})
        return
    say(f"Key {made}. It is not shown again:")
    click.echo(token)


@command(group, name="list", example="broadsheet key list")
@as_json
def list_all(as_json: bool) -> None:
    """All keys, and when they were used last."""
    with database(settings.load()):
        found = keys.listed(actor=actor())
    if as_json:
        show_json({"keys": found})
        return
    for one in found:
        ended = "revoked" if one["revoked_at"] else "over" if one["is_over"] else "in force"
        say(f"{one['id']:>4}  …{plain(one['last_four'])}  {one['role']:<9} {ended:<9} {plain(one['name'])}")
    if not found:
        say("There is no key yet.")


@command(group, example="broadsheet key revoke 2")
@click.argument("key_id", metavar="ID", type=click.IntRange(1))
def revoke(key_id: int) -> None:
    """Let a key open nothing any more."""
    with database(settings.load()):
        keys.revoke(key_id, actor=actor())
    say(f"Key {key_id} is revoked.")
