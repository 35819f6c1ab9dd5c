"""Commands on the team."""

import click

from service import settings
from service.cli.frame import actor, as_json, command, plain, say, show_json
from service.cli.groups import root
from service.domain.permissions import ROLES
from service.operations import operator_links, operators, passkeys, second_step
from service.running import database


@root.group(name="operator")
def group() -> None:
    """The team: who signs in to the web application, and as what."""


role_option = click.option(
    "--role", type=click.Choice(list(ROLES)), default="owner", show_default=True, help="In all newsletters."
)


@command(group, example='broadsheet operator create ada@firm.example --name "Ada Quill" --role editor')
@click.argument("address")
@click.option("--name", required=True)
@role_option
@as_json
def create(as_json: bool, address: str, name: str, role: str) -> None:
    """Add somebody; prints the link by which they set their password."""
    with database(settings.load()):
        made = operators.create(address, name=name, role=role, actor=actor())
        link = operator_links.make(made, actor=actor())
    _link(as_json, made, link)


@command(group, example="broadsheet operator link ada@firm.example")
@click.argument("address")
@click.option(
    "--without-second-step",
    is_flag=True,
    help="Also turn their second step off and remove their passkeys: their device is lost.",
)
@as_json
def link(as_json: bool, address: str, without_second_step: bool) -> None:
    """A link by which somebody sets a new password."""
    with database(settings.load()):
        found = operators.find(address)
        if without_second_step:
            second_step.turn_off(found, actor=actor())
            passkeys.remove_all(found, actor=actor())
        made = operator_links.make(found, actor=actor())
    _link(as_json, found, made)


@command(group, name="list", example="broadsheet operator list")
@as_json
def list_all(as_json: bool) -> None:
    """Everybody of the team."""
    with database(settings.load()):
        found = operators.listed(actor())
    if as_json:
        show_json({"operators": found})
        return
    for one in found:
        say(
            f"{one['id']:>4}  {plain(one['name'])}  {plain(one['address'])}  {one['role'] or 'in single newsletters'}{'  disabled' if one['disabled_at'] else ''}"
        )
    if not found:
        say("There is nobody yet: `broadsheet operator create --help`.")


@command(group, example="broadsheet operator disable ada@firm.example")
@click.argument("address")
@click.option("--again", is_flag=True, help="Let them in again.")
def disable(address: str, again: bool) -> None:
    """Let somebody in no more, and sign them out everywhere."""
    with database(settings.load()):
        (operators.enable if again else operators.disable)(operators.find(address), actor=actor())
    say("They can sign in again." if again else "They are signed out, and cannot sign in.")


@command(group, name="set-up-code", example="broadsheet operator set-up-code")
def set_up_code() -> None:
    """The code that the first owner types at /admin/set-up."""
    with database(settings.load()):
        click.echo(operators.set_up_code())


def _link(as_json: bool, operator_id: int, link: str) -> None:
    if as_json:
        show_json({"operator": operator_id, "link": link})
        return
    say("Whoever opens this link within three days sets the password and is signed in:")
    click.echo(link)
