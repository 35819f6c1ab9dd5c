"""Commands on issues, and `render`."""

import sys
from pathlib import Path

import click

from service import settings
from service.cli.frame import actor, as_json, command, fail, plain, say, show_json
from service.cli.groups import issues, root
from service.cli.preflight import despite, warn
from service.cli.versions import source_of, versions_option
from service.cli.watching import exit_code, show_issue, wait_for_ledger
from service.domain.outcomes import Reason
from service.operations import archiving, authoring, newsletter_making, reporting, scheduling
from service.operations import missing as missing_of
from service.operations.authoring import Source
from service.running import database, everything

issue_argument = click.argument("issue_id", metavar="ID", type=click.IntRange(1))


@command(issues, example='broadsheet issue create letter.md --newsletter monthly --subject "News of March"')
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--newsletter", required=True, metavar="SLUG")
@click.option("--subject", help="Else from the file: `subject:` at its head, or its first heading.")
@versions_option
@as_json
def create(file: Path, newsletter: str, subject: str | None, versions: tuple[str, ...], as_json: bool) -> None:
    """Create a draft from a Markdown, plain-text, HTML or Word file, rendered and checked."""
    with database(settings.load()):
        source = source_of(file, versions)
        issue_id, rendered = authoring.create_issue(
            source, newsletter_id=newsletter_making.find_newsletter(newsletter), actor=actor(), subject=subject
        )
        found = reporting.show(issue_id)
    show_draft(source)
    for warning in rendered.warnings:
        say(f"[yellow]![/yellow] {plain(warning)}")
    if as_json:
        show_json(found)
    else:
        several = f", {len(found['variants'])} variants" if len(found["variants"]) > 1 else ""
        say(
            f"Issue [bold]{issue_id}[/bold] created: {plain(authoring.without_reader(rendered, rendered.subject))}{several}. Next: `broadsheet issue send {issue_id} --wait`"
        )


def show_draft(source: Source) -> None:
    """How a file that is no Markdown was understood."""
    for note in source.draft.report if source.draft else ():
        say(f"  {plain(note.where)}: {plain(note.text)}")


@command(issues, example="broadsheet issue send 12 --wait")
@issue_argument
@click.option("--wait", is_flag=True, help="Watch until the ledger closes.")
@click.option("--timeout", type=click.FloatRange(1), default=900, show_default=True, help="Seconds to wait.")
@despite
@as_json
def send(issue_id: int, wait: bool, timeout: float, reason: str | None, as_json: bool) -> None:
    """Send an issue to its audience. A second time changes nothing: nobody gets two copies."""
    chosen = settings.load()
    if not wait:
        with database(chosen):
            warn(issue_id)
            scheduling.schedule(issue_id, actor=actor(), override=reason)
            found = reporting.show(issue_id)
        say("Scheduled. A running `broadsheet up` sends it; `broadsheet issue show` tells how far it is.")
        if as_json:
            show_json(found)
        return
    with everything(chosen) as running:
        warn(issue_id)
        scheduling.schedule(issue_id, actor=actor(), override=reason)
        found = wait_for_ledger(running, issue_id, timeout)
    finish(found, as_json)


def finish(found: dict[str, object], as_json: bool) -> None:
    """Print the issue and end with the code that says whether all is well."""
    if as_json:
        show_json(found)
    else:
        show_issue(found)
    sys.exit(exit_code(found))


@command(issues, example="broadsheet issue show 12")
@issue_argument
@as_json
def show(issue_id: int, as_json: bool) -> None:
    """Ledger, events, and batches that need a person."""
    with database(settings.load()):
        found = reporting.show(issue_id)
    if as_json:
        show_json(found)
    else:
        show_issue(found)


@command(issues, example="broadsheet issue readers 12 --reason render_error")
@issue_argument
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Only these.")
@click.option("--after", type=click.IntRange(0), default=0, help="The last delivery of the page before.")
@as_json
def readers(issue_id: int, reason: str | None, after: int, as_json: bool) -> None:
    """Who of the audience got no copy, and why; a hundred a page."""
    with database(settings.load()):
        found = reporting.readers_left_out(issue_id, reason=reason, after=after)
    if as_json:
        show_json({"readers": found})
        return
    for row in found:
        click.echo(f"{row['delivery']:>10}  {row['reason']:<16} {row['address'] or '(erased)'}")
    if not found:
        say("Nobody else." if after else "Nobody has been left out.")


@command(issues, example="broadsheet issue missing 12")
@issue_argument
@click.option("--names", type=click.IntRange(0, 1000), default=5, show_default=True, help="How many readers to name.")
@as_json
def missing(issue_id: int, names: int, as_json: bool) -> None:
    """Which tags without a default have no value for some readers, who would get no copy."""
    with database(settings.load()):
        found = missing_of.missing_values(issue_id, sample=names)
    if as_json:
        show_json({"missing": [{**vars(one), "sample": list(one.sample)} for one in found]})
        return
    for one in found:
        say(f"{one.readers:,} of {one.audience:,} readers have no {plain(one.field)}:")
        for address in one.sample:
            click.echo(f"  {address}")
    if not found:
        say("Nothing: every reader has a value for every tag without a default.")


@command(issues, "list", example="broadsheet issue list --newsletter monthly")
@click.option("--newsletter", metavar="SLUG")
@click.option("--before", type=int, help="The last id of the page before.")
@as_json
def list_issues(newsletter: str | None, before: int | None, as_json: bool) -> None:
    """The newest issues, twenty a page."""
    with database(settings.load()):
        found = reporting.list_issues(newsletter, before=before)
    if as_json:
        show_json({"issues": found})
        return
    for row in found:
        say(f"{row['id']:>6}  {row['state']:<10} {row['newsletter']:<20} {plain(row['subject'])}")
    if not found:
        say("No issues yet: `broadsheet issue create --help`.")


@command(issues, example="broadsheet issue pause 12")
@issue_argument
def pause(issue_id: int) -> None:
    """Send no more batches; requests under way may finish."""
    with database(settings.load()):
        scheduling.pause(issue_id, actor=actor())
        ledger = reporting.show(issue_id)["ledger"]
    say(
        f"Paused: {ledger['accepted']:,} accepted, {ledger['pending']:,} waiting. `broadsheet issue resume {issue_id}` goes on."
    )


@command(issues, example="broadsheet issue resume 12")
@issue_argument
@click.option(
    "--audience", type=click.IntRange(1), metavar="N", help="Let it go to N readers, above the newsletter's maximum."
)
def resume(issue_id: int, audience: int | None) -> None:
    """Go on where the issue was paused or held."""
    with database(settings.load()):
        scheduling.resume(issue_id, actor=actor(), audience=audience)
    say("Resumed. A running `broadsheet up` goes on with it.")


@command(issues, example="broadsheet issue cancel 12")
@issue_argument
def cancel(issue_id: int) -> None:
    """Send it to nobody else. This cannot be undone."""
    with database(settings.load()):
        readers = scheduling.cancel(issue_id, actor=actor())
    say(f"Cancelled: {readers:,} readers will not get it.")


@command(issues, example='broadsheet issue resolve 341 --not-sent --reason "SendGrid\'s activity shows nothing"')
@click.argument("batch_id", metavar="BATCH", type=click.IntRange(1))
@click.option("--sent/--not-sent", "sent", default=None, help="Count it as sent, or send it again by a new attempt.")
@click.option("--reason", required=True, help="Why; kept with the decision.")
def resolve(batch_id: int, sent: bool | None, reason: str) -> None:
    """Decide about a batch that nobody can vouch for. --not-sent may give its readers a second copy if you are wrong."""
    if sent is None:
        fail(["Say --sent or --not-sent."], code=2, as_json=False)
    with database(settings.load()):
        scheduling.resolve(batch_id, sent=sent, reason=reason, actor=actor())
    say(
        f"Batch {batch_id} is counted as sent."
        if sent
        else f"Batch {batch_id} is pending again; a running `broadsheet up` sends it."
    )


@command(issues, example="broadsheet issue archive 12 --yes")
@issue_argument
@click.option("--yes/--no", "public", default=None, help="Let anybody read it on the web, or nobody.")
@as_json
def archive(issue_id: int, public: bool | None, as_json: bool) -> None:
    """Put an issue into the newsletter's public archive, or take it out."""
    if public is None:
        fail(["Say --yes or --no."], code=2, as_json=as_json)
    with database(settings.load()):
        before = archiving.set_in_archive(issue_id, public, actor=actor())
    if as_json:
        show_json({"id": issue_id, "in_archive": public})
        return
    say(f"Issue {issue_id} is {'in the archive' if public else 'no longer public'}.")
    if public and not before["has_archive"]:
        say(
            f"[yellow]![/yellow] The newsletter has no archive yet: `broadsheet newsletter change {before['slug']} --archive on`."
        )
    elif public and before["prepared_at"] is None:
        say("It appears there as soon as it is sent.")


@command(issues, example="broadsheet issue rebind 12")
@issue_argument
def rebind(issue_id: int) -> None:
    """Send an issue through the account of the present settings, though it was frozen for another."""
    with database(settings.load()):
        provider = scheduling.rebind(issue_id, actor=actor())
    say(f"Issue {issue_id} is sent through {provider} from now on.")


@command(root, example='broadsheet halt --reason "wrong link in the letter"')
@click.option("--reason", required=True)
def halt(reason: str) -> None:
    """Stop everything: nothing of any issue is sent until `broadsheet unhalt`."""
    with database(settings.load()):
        scheduling.halt(reason=reason, actor=actor())
    say("Nothing is sent any more. Requests under way may still finish. `broadsheet unhalt` goes on.")


@command(root, example="broadsheet unhalt")
def unhalt() -> None:
    """Take a `halt` back."""
    with database(settings.load()):
        scheduling.unhalt(actor=actor())
    say("Sending goes on.")
