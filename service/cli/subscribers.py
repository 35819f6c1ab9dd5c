"""Commands on readers."""

import base64
import inspect
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from service import settings
from service.cli.frame import actor, as_json, command, plain, say, screen, show_json
from service.cli.groups import subscribers
from service.operations import erasing, erasing_again, importing, newsletter_making, suppressing
from service.operations.importing import SYNONYMS, ImportReport
from service.running import database

COLUMNS = "\n".join(f"  {name}: {', '.join(others)}" for name, others in SYNONYMS.items())


@command(
    subscribers,
    "import",
    example='broadsheet subscribers import people.csv --newsletter monthly --consent "ticked the box on firm.example/news, March 2026"',
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--newsletter", required=True, metavar="SLUG")
@click.option("--consent", required=True, help="How these people agreed; kept as evidence.")
@click.option(
    "--tracking-consent", help="How they agreed to opens and clicks being counted. Without it nobody is tracked."
)
@click.option(
    "--implied-until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day on which an implied consent ends, as 2028-03-01; they get nothing from then on unless they sign up.",
)
@click.option("--encoding", help="Of the file, when it is not UTF-8.")
@click.option(
    "--update", "update_existing", is_flag=True, help="Overwrite names and attributes of readers that are known."
)
@as_json
def import_file(
    file: Path,
    newsletter: str,
    consent: str,
    tracking_consent: str | None,
    implied_until: datetime | None,
    encoding: str | None,
    update_existing: bool,
    as_json: bool,
) -> None:
    """Import readers from a CSV file. Nobody who left or is suppressed comes back by it.

    A header with a column `email` is required. Other columns become attributes, except these and their synonyms:
    """
    with database(settings.load()):
        newsletter_id = newsletter_making.find_newsletter(newsletter)
        with screen.status("Reading…"):
            report = importing.import_subscribers(
                file,
                newsletter_id=newsletter_id,
                consent=consent,
                tracking_consent=tracking_consent,
                encoding=encoding,
                update_existing=update_existing,
                implied_until=implied_until.date() if implied_until else None,
                actor=actor(),
            )
    if as_json:
        show_json(report.to_json())
    else:
        show_report(report)


import_file.help = f"{inspect.cleandoc(import_file.help or '')}\n\n\b\n{COLUMNS}"


@command(subscribers, example='broadsheet subscribers suppress someone@firm.example --reason "asked by telephone"')
@click.argument("addresses", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why; kept with the suppression.")
def suppress(addresses: tuple[str, ...], reason: str) -> None:
    """Never write to these addresses again, whatever is imported later."""
    with database(settings.load()):
        fresh = suppressing.suppress_addresses(list(addresses), reason=reason, actor=actor())
    say(f"{fresh:,} of {len(addresses):,} addresses suppressed; the others were already.")


@command(
    subscribers, example='broadsheet subscribers lift someone@firm.example --reason "the mailbox works again, they say"'
)
@click.argument("address")
@click.option("--reason", required=True, help="Why; kept with your name.")
@click.option("--request", default="", help="How the reader asked for it; needed to lift a complaint.")
def lift(address: str, reason: str, request: str) -> None:
    """Write to a suppressed address again, after a bounce, a complaint or a stop of the team's.

    Who left everything is not brought back by this: only their own new confirmation does. SendGrid keeps lists of its own.
    """
    with database(settings.load()):
        lifted = suppressing.lift(address, reason=reason, request=request, actor=actor())
    say(
        f"Lifted: {', '.join(lifted)}. SendGrid may still drop the mail: take the address off its suppression lists, too."
    )


def show_report(report: ImportReport) -> None:
    """The counts, then the faults by line."""
    counts = {
        name: value
        for name, value in report.to_json().items()
        if isinstance(value, int) and name not in ("import_id", "faults_total")
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in counts.items():
        table.add_row(name.replace("_", " "), f"{value:,}")
    screen.print(table)
    for note in report.notes:
        say(f"[yellow]![/yellow] {plain(note)}")
    for fault in report.faults[:20]:
        say(f"  line {fault.line}: {plain(fault.reason)}")
    if report.faults_total > 20:
        say(f"  … and {report.faults_total - 20:,} more; --json names up to 1,000.")


@command(
    subscribers,
    "erase",
    example='broadsheet subscribers erase mei@readers.example --reason "asked by letter of 3 March"',
)
@click.argument("address")
@click.option("--reason", required=True, help="Why; kept with your name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def erase(address: str, reason: str, yes: bool, as_json: bool) -> None:
    """Erase a reader for good, and print the sealed certificate of it.

    What says who it was goes. A keyed hash stays, so that nobody writes there again and the consent can still be proved.
    """
    with database(settings.load()):
        if not yes and not as_json:
            click.confirm("Erase this reader for good? It cannot be undone.", abort=True)
        certificate = erasing.erase_address(address, reason=reason, actor=actor())
    signature = base64.b64encode(certificate.signature).decode()
    if as_json:
        show_json({"certificate": certificate.body, "text": certificate.text, "signature": signature})
        return
    say(plain(certificate.text))
    say(f"Signature: {signature}")
    say(
        "[green]Erased.[/green] Keep the certificate and its signature; --json prints them in a form that can be stored."
    )


@command(subscribers, "erase-again", example="broadsheet subscribers erase-again")
@as_json
def erase_again(as_json: bool) -> None:
    """Erase again whom a restored backup has brought back.

    Goes by the certificates in `erasures/` of the home. Whoever has signed up anew since their erasure stays.
    """
    with database(settings.load()):
        certificates, made = erasing_again.erase_again(actor=actor())
    if as_json:
        show_json({"certificates": certificates, "erased": made})
    else:
        say(f"{certificates:,} certificates read; {made:,} readers erased again.")
