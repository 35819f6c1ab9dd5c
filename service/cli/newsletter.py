"""Commands on newsletters."""

import click

from service import settings
from service.cli.frame import actor, as_json, command, say, show_json
from service.cli.groups import newsletters
from service.operations import authoring
from service.running import database


@command(
    newsletters,
    example='broadsheet newsletter create monthly --name "The Monthly" --from news@firm.example --postal-address "1 Quay Street, Harbourton"',
)
@click.argument("slug")
@click.option("--name", required=True, help="What readers know it by.")
@click.option("--from", "sender_address", required=True, help="The sender's address.")
@click.option("--from-name", "sender_name", help="The sender's name; the newsletter's if not given.")
@click.option("--reply-to", help="Where answers go.")
@click.option("--postal-address", required=True, help="Shown at the foot of every mail, as the law asks.")
@click.option("--language", default="en", show_default=True)
@click.option(
    "--tracking",
    "tracking_policy",
    type=click.Choice(authoring.TRACKING_POLICIES),
    default="agreed",
    show_default=True,
    help="Whose opens and clicks are counted.",
)
@click.option("--colour", "brand_colour", default="#1f3a5f", show_default=True)
@click.option("--maximum-audience", type=click.IntRange(1), help="Hold an issue that is meant for more readers.")
@as_json
def create(as_json: bool, slug: str, **words: object) -> None:
    """Create a newsletter."""
    with database(settings.load()):
        newsletter_id = authoring.create_newsletter(slug, actor=actor(), **words)  # type: ignore[arg-type]
    if as_json:
        show_json({"id": newsletter_id, "slug": slug})
    else:
        say(
            f"Newsletter [bold]{slug}[/bold] created. Next: `broadsheet subscribers import PEOPLE.csv --newsletter {slug} --consent …`"
        )
