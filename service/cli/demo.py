"""`broadsheet demo`: the main job, from nothing, in one command."""

import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import click

from service.cli.frame import as_json, command, say, show_json
from service.cli.groups import root
from service.cli.watching import show_issue, watch
from service.lab import demo as lab


@command(root, example="broadsheet demo --readers 1000 --keep")
@click.option("--readers", type=click.IntRange(1, 1_000_000), default=1000, show_default=True)
@click.option("--keep", is_flag=True, help="Leave it running, to look around, until Ctrl-C.")
@as_json
def demo(readers: int, keep: bool, as_json: bool) -> None:
    """Send a sample letter to synthetic readers, in a temporary home, on embedded servers and the sandbox.

    No mail leaves this machine. Some readers are suppressed, some leave in between, some are not tracked; one request is
    throttled and one answer is lost, as on a bad day. Exit 0 only if every copy is accounted for and nobody got two.
    """
    stop = threading.Event()
    home = Path(tempfile.mkdtemp(prefix="broadsheet-demo-"))
    home.chmod(0o711)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with lab.running(home, readers, lambda issue: watch(issue, 600), say) as running:
            ok = _show(running.found, as_json)
            if keep:
                _keep(running, stop)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(0 if ok else 1)


def _show(found: dict[str, Any], as_json: bool) -> bool:
    sandbox = found["sandbox"]
    show_issue(found)
    say("Seconds: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in found["seconds"].items()))
    say(
        f"The sandbox took {_took(found['requests'], sandbox['requests'])} with {sandbox['recipients']:,} copies; duplicates: {sandbox['duplicates']}."
    )
    if as_json:
        show_json(found)
    ok = (
        bool(found["ledger"]["closed"])
        and found["issue"]["state"] == "sent"
        and not sandbox["duplicates"]
        and not sandbox["duplicates_any"]
    )
    say(
        "[green]Every copy is accounted for, and nobody got two.[/green]"
        if ok
        else "[red]Not every copy is accounted for.[/red]"
    )
    return ok


def _took(made: int, taken: int) -> str:
    """How many of the requests were taken, and what became of the others: the demo has one throttled, which takes nothing."""
    if made <= taken:
        return f"{taken:,} requests"
    return f"{taken:,} of {made:,} requests ({made - taken:,} throttled, and made again)"


def _keep(running: lab.Demo, stop: threading.Event) -> None:
    chosen = running.settings
    say(f"\nThe mails: [bold]http://127.0.0.1:{chosen.sandbox_port}/[/bold]   the service: {chosen.public_url}/healthz")
    say(f"Other commands join it with BROADSHEET_HOME={chosen.home}. Ctrl-C ends it and removes everything.")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
