"""`broadsheet preflight`: what is wrong with an issue, before anybody gets it; and its warnings before a send."""

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from service import settings
from service.cli.frame import as_json, command, screen, show_json
from service.cli.groups import root
from service.cli.versions import names_issue, source_of, versions_option
from service.errors import Invalid
from service.operations import preflighting
from service.operations.preflighting import Blocked, Report
from service.rendering.preflight.findings import SEVERITIES, Finding
from service.running import database

despite = click.option(
    "--despite", "reason", metavar="REASON", help="Send it although preflight stops it; the reason is kept."
)
_LOOKS = {
    "blocks": ("✗", "red", "Stops the send"),
    "warns": ("!", "yellow", "Should be mended"),
    "notes": ("·", "cyan", "Good to know"),
}


@command(root, example="broadsheet preflight letter.md --newsletter monthly")
@click.argument("what", metavar="FILE|ID")
@click.option("--newsletter", metavar="SLUG", help="For a file: whose sender, design and readers it is looked at with.")
@click.option("--field", "fields", multiple=True, help="For a file: an attribute that readers will have.")
@versions_option
@click.option("--network/--no-network", default=True, help="Whether to ask for links and the sender's domain.")
@as_json
def preflight(
    what: str,
    newsletter: str | None,
    fields: tuple[str, ...],
    versions: tuple[str, ...],
    network: bool,
    as_json: bool,
) -> None:
    """Look at a file, or at an issue by its number, as the mail that would be sent: all that is wrong, and how to mend it.

    Exit code 1 when something would stop the send.
    """
    chosen = settings.load()
    path = Path(what)
    if names_issue(what):
        if newsletter or fields or versions:
            raise Invalid("--newsletter, --field and --version are for a file; an issue has its own.")
        named: dict[str, Any] = {"issue": int(what)}
        with database(chosen), _waiting():
            report = preflighting.check_issue(int(what), network=network)
    else:
        source = source_of(path, versions)
        named = {"file": what}
        settings.configure(chosen)
        with database(chosen) if newsletter else nullcontext(), _waiting():
            report = preflighting.check_file(source, newsletter=newsletter, fields=frozenset(fields), network=network)
    if as_json:
        counts = {severity: report.count(severity) for severity in SEVERITIES}
        found = {"subject": report.subject, "findings": [asdict(finding) for finding in report.findings]}
        show_json(named | counts | found)
    else:
        _show(report)
    sys.exit(1 if report.blocking else 0)


def warn(issue_id: int) -> tuple[Finding, ...]:
    """Say before a send what should be mended, without the network; what stops it is returned."""
    report = preflighting.check_issue(issue_id, network=False)
    for finding in report.findings:
        if finding.severity == "warns":
            say_finding(finding)
    return report.blocking


def say_finding(finding: Finding) -> None:
    """One finding on a line."""
    sign, look, _title = _LOOKS[finding.severity]
    words = Text.assemble((sign, look), " ", f"{finding.where}: {finding.text}. ", (finding.remedy, "dim"))
    screen.print(words, soft_wrap=True)


def refuse_unless(reason: str | None, stopping: tuple[Finding, ...]) -> None:
    """Stop here where something stops the send and nobody gave a reason. Raises Blocked."""
    if stopping and reason is None:
        raise Blocked(stopping)


def _waiting() -> Any:
    return screen.status("Looking at it…")


def _show(report: Report) -> None:
    for severity in SEVERITIES:
        found = [finding for finding in report.findings if finding.severity == severity]
        if not found:
            continue
        sign, look, title = _LOOKS[severity]
        screen.print(Text(title, style=f"bold {look}"))
        table = Table.grid(padding=(0, 2), expand=False)
        table.add_column(style=look)
        table.add_column(max_width=30, overflow="fold")
        table.add_column(overflow="fold")
        for finding in found:
            words = Text.assemble(_sentence(finding.text), "\n", (finding.remedy, "dim"))
            table.add_row(sign, Text(finding.where), words)
        screen.print(table)
        screen.print()
    screen.print(_counts(report))


def _sentence(words: str) -> str:
    return words if words.endswith((".", "…", "!", "?")) else f"{words}."


def _counts(report: Report) -> Text:
    """Such as “3 block, 5 warn, 2 notes”."""
    words = {"blocks": ("block", "blocks"), "warns": ("warn", "warns"), "notes": ("notes", "note")}
    parts: list[Any] = []
    for severity in SEVERITIES:
        number = report.count(severity)
        many, one = words[severity]
        parts += [", "] if parts else []
        parts.append((f"{number} {one if number == 1 else many}", _LOOKS[severity][1] if number else "dim"))
    return Text.assemble(*parts)
