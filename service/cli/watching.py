"""Waits for an issue's ledger to close, and shows it."""

import time
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.cli.frame import counted, plain, say, screen
from service.operations import reporting
from service.running import Running, wait_for_sandbox

POLL = 0.5
_STOPPED = ("paused", "held", "cancelled", "draft")


def wait_for_ledger(running: Running, issue_id: int, timeout: float) -> dict[str, Any]:
    """Watch the issue until its ledger closes, a person is needed, or the time is up. Returns what `issue show` gives."""
    found = watch(issue_id, timeout)
    if running.settings.sandbox and not running.joined:
        # Whoever started the sandbox ends it: wait for what it still has to tell.
        wait_for_sandbox(running.settings, 30)
        found = reporting.show(issue_id)
    return found


def watch(issue_id: int, timeout: float) -> dict[str, Any]:
    """Show how far the issue is, until its ledger closes, a person is needed, or the time is up."""
    deadline = time.monotonic() + timeout
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("Sending", total=None)
        while True:
            found = reporting.show(issue_id)
            ledger = found["ledger"]
            settled = ledger["candidates"] - ledger["pending"] - ledger["unknown"]
            progress.update(
                task,
                total=ledger["candidates"] or None,
                completed=settled,
                description=found["issue"]["state"].capitalize(),
            )
            if ledger["closed"] and found["issue"]["state"] != "sending":
                return found
            if found["issue"]["state"] in _STOPPED and not _under_way(found):
                return found
            if time.monotonic() > deadline:
                return found
            time.sleep(POLL)


def _under_way(found: dict[str, Any]) -> bool:
    """A paused issue's requests may still be finishing; its pending batches are not."""
    return False if found["issue"]["state"] != "cancelled" else found["ledger"]["pending"] > 0


def show_issue(found: dict[str, Any]) -> None:
    """Ledger, events, and what a person must decide, for the eye."""
    issue, ledger = found["issue"], found["ledger"]
    say(
        f"[bold]{plain(issue['subject'])}[/bold]  issue {issue['id']}, {issue['state']}, HTML {issue['html_bytes'] / 1024:.0f} KB, content {issue['content_hash'][:16]}"
    )
    _show_variants(found["variants"])
    table = Table(box=None, padding=(0, 3, 0, 0), show_header=False)
    table.add_row("Readers meant", f"{ledger['candidates']:,}", "")
    table.add_row(
        "accepted",
        f"{ledger['accepted']:,}",
        f"{ledger['accepted_by_decision']:,} by a person's decision" if ledger["accepted_by_decision"] else "",
    )
    for name in ("excluded", "failed"):
        reasons = ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in ledger[name].items())
        table.add_row(name, f"{sum(ledger[name].values()):,}", reasons)
    table.add_row("pending", f"{ledger['pending']:,}", "")
    table.add_row("unknown", f"{ledger['unknown']:,}", "")
    table.add_row(
        "Ledger",
        "[green]closed[/green]" if ledger["closed"] else "[yellow]open[/yellow]",
        counted(found["requests"], "request"),
    )
    screen.print(table)
    if missing := ledger["excluded"].get("render_error"):
        say(
            f"[yellow]{missing:,} readers have no value for a merge tag without a fallback[/yellow]: `broadsheet issue readers {issue['id']} --reason render_error`"
        )
    events = {name: n for name, n in found["events"].items() if n}
    if events:
        say("Events: " + ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in events.items()))
    if issue["state_reason"]:
        say(f"[yellow]{plain(issue['state_reason'])}[/yellow]")
    _show_unknown(found["unknown_batches"])


def _show_unknown(batches: list[dict[str, Any]]) -> None:
    """Each with its evidence, and what SendGrid was asked."""
    for batch in batches:
        say(
            f"[yellow]Batch {batch['batch']}[/yellow]: {batch['readers']:,} readers, {plain(batch['reason'] or '')}; armed {batch['armed_at']}, "
            f"{batch['readers_with_events']} of them with events. `broadsheet issue resolve {batch['batch']} --sent|--not-sent --reason …`"
        )
        for asked in batch["lookups"]:
            say(f"    {plain(asked['told'])}")


def _show_variants(variants: list[dict[str, Any]]) -> None:
    if len(variants) > 1:
        for one in variants:
            say(f"{one['readers']:>12,} readers  {plain(one['name'])}: {plain(one['subject'])}")


def exit_code(found: dict[str, Any]) -> int:
    """0 when the issue was sent and its ledger is closed."""
    return 0 if found["ledger"]["closed"] and found["issue"]["state"] == "sent" else 1
