"""`broadsheet send`: text in, readers in, out they go, in one command."""

import inspect
import sys
from pathlib import Path
from typing import Any

import click

from service import settings
from service.cli.frame import actor, as_json, command, counted, fail, say, screen
from service.cli.groups import root
from service.cli.issue import finish, show_draft
from service.cli.preflight import despite, refuse_unless, warn
from service.cli.subscribers import COLUMNS, show_report
from service.cli.versions import source_of, versions_option
from service.cli.watching import wait_for_ledger
from service.errors import Conflict, Invalid, NotFound
from service.operations import authoring, importing, newsletter_making, repeating, scheduling
from service.operations.repeating import Plan
from service.running import Running, everything
from service.settings import Settings


@command(
    root,
    example='broadsheet send letter.md --to people.csv --newsletter "The Monthly" --consent "asked for it at the fair, May 2026" --yes',
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "people",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV file of readers; the audience is exactly its sendable rows.",
)
@click.option("--newsletter", required=True, metavar="NAME", help="Its slug or its name; created when there is none.")
@click.option("--consent", required=True, help="How these people agreed; kept as evidence.")
@click.option(
    "--tracking-consent", help="How they agreed to opens and clicks being counted. Without it nobody is tracked."
)
@click.option("--subject", help="Else from the file.")
@click.option("--from", "sender_address", help="Sender of a new newsletter.")
@click.option("--postal-address", help="Postal address of a new newsletter.")
@versions_option
@click.option("--encoding", help="Of the CSV file, when it is not UTF-8.")
@click.option(
    "--timeout", type=click.FloatRange(1), default=900, show_default=True, help="Seconds to wait for the ledger."
)
@click.option(
    "--again",
    type=click.IntRange(1),
    metavar="N",
    help="Send this content once more to readers who have it; N is their number, typed.",
)
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal, and with --json.")
@despite
@as_json
def send(
    file: Path,
    people: Path,
    newsletter: str,
    subject: str | None,
    versions: tuple[str, ...],
    timeout: float,
    again: int | None,
    yes: bool,
    reason: str | None,
    as_json: bool,
    **words: Any,
) -> None:
    """Import readers, create the issue, send it, and wait until every copy is accounted for.

    Run again with the same text, it sends nothing to anybody who has it.
    """
    source = source_of(file, versions)
    with everything(settings.load()) as running:
        newsletter_id = _newsletter(running.settings, newsletter, words["sender_address"], words["postal_address"])
        import_id = _import(people, newsletter_id, words)
        planned = repeating.plan(
            source,
            newsletter_id=newsletter_id,
            import_id=import_id,
            subject=subject,
            again=again is not None,
            actor=actor(),
        )
        show_draft(source)
        try:
            if not planned.repeated:
                refuse_unless(reason, warn(planned.issue_id))
            _agree(planned, again=again, yes=yes, as_json=as_json)
        except BaseException:  # however the answer was no: leave no draft behind
            if not planned.repeated:
                authoring.discard_draft(planned.issue_id)
            raise
        found = _send(running, planned, timeout, reason)
    finish(found, as_json)


send.help = f"{inspect.cleandoc(send.help or '')}\n\nThe CSV file has a header with `email`. Other columns become attributes, except these and their synonyms:\n\n\b\n{COLUMNS}"


def _newsletter(chosen: Settings, name: str, sender: str | None, postal: str | None) -> int:
    """Find the newsletter by slug or name, or create it. Real mail needs a real sender and a postal address."""
    slug = newsletter_making.slug_of(name)
    try:
        newsletter_id = newsletter_making.find_newsletter(name)
    except NotFound:
        pass
    else:
        newsletter_making.check_sender(newsletter_id, sender_address=sender, postal_address=postal)
        return newsletter_id
    if not chosen.sandbox and not (sender and postal):
        raise Invalid(f"There is no newsletter {slug!r} yet: to create it, give --from and --postal-address.")
    if not (sender and postal):
        say("No --from or --postal-address: stand-ins are used, which is fine in the sandbox only.")
    return newsletter_making.create_newsletter(
        slug,
        name=name,
        sender_address=sender or "news@sandbox.example",
        postal_address=postal or "No postal address was given",
        actor=actor(),
        # Who sends to one file has not said that anybody may join.
        accepts_signups=False,
    )


def _import(people: Path, newsletter_id: int, words: dict[str, Any]) -> int:
    """Read the file; its sendable rows are the audience. Raises Invalid when there are none."""
    with screen.status("Reading the readers…"):
        report = importing.import_subscribers(
            people,
            newsletter_id=newsletter_id,
            consent=words["consent"],
            tracking_consent=words["tracking_consent"],
            encoding=words["encoding"],
            actor=actor(),
        )
    show_report(report)
    if report.sendable == 0:
        raise Invalid(f"Nobody in {people.name} can be sent to; the lines above say why. No issue was created.")
    return report.import_id


def _agree(planned: Plan, *, again: int | None, yes: bool, as_json: bool) -> None:
    """The last question, with the number in it."""
    if again is not None and again != planned.readers:
        raise Conflict(f"--again {again}: it would go to {planned.readers:,} readers. Type that number if you mean it.")
    if planned.repeated:
        say(
            f"This content is issue {planned.issue_id} already, and every reader of this file is in it. Nobody gets a second copy."
        )
        return
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        readers = counted(planned.readers, "reader")
        fail(
            [f"It would go to {readers}, and nobody can be asked here. Add --yes if you mean it."],
            code=2,
            as_json=as_json,
        )
    click.confirm(
        f"Send “{authoring.without_reader(planned.rendered, planned.rendered.subject)}” to {planned.readers:,} readers?",
        abort=True,
        err=True,
    )


def _send(running: Running, planned: Plan, timeout: float, reason: str | None) -> dict[str, Any]:
    if not planned.repeated:
        scheduling.schedule(planned.issue_id, actor=actor(), override=reason)
    return wait_for_ledger(running, planned.issue_id, timeout)
