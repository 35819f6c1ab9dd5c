"""Commands on what is kept for how long."""

import click

from service import settings
from service.cli.frame import as_json, command, say, show_json
from service.cli.groups import retention
from service.operations import retaining
from service.running import database

WORDS = {
    "unconfirmed_signups": "sign-ups that nobody confirmed",
    "confirmed_signups": "forms of confirmed sign-ups",
    "link_requests": "requests for a link",
    "links": "links to preferences",
    "address_changes": "changes of address that were not finished, or are long done",
    "mails": "notes of the service's own mails",
    "origins": "networks and browsers of consents",
    "opens_and_clicks": "readers' opens and clicks of a copy",
    "deliveries_cut_off": "deliveries that no longer name their reader",
    "leave_reasons_cut_off": "reasons for leaving that no longer name their reader",
    "consent_records": "consent records of readers who left long ago",
}


@command(retention, example="broadsheet retention run --dry-run")
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@as_json
def run(dry_run: bool, as_json: bool) -> None:
    """Delete what has been kept for as long as the settings say.

    The service does all of it once a day by itself, but for the last kind: consent records are removed by this command only,
    as the owner of the tables, and a sealed note stays in their place.
    """
    with database(settings.load()):
        found = retaining.delete_what_is_due(dry_run=dry_run)
        found["consent_records"] = retaining.remove_old_consent(dry_run=dry_run)
    if as_json:
        show_json({"dry_run": dry_run, **found})
        return
    for what, count in found.items():
        say(f"{count:>9,}  {WORDS[what]}")
    say("Nothing was deleted: this was a dry run." if dry_run else "Deleted.")
