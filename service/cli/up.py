"""`broadsheet up`: everything on this machine until Ctrl-C."""

import os
import signal
import threading

import click

from service import settings
from service.cli.frame import command, plain, say
from service.cli.groups import root
from service.operations import operators
from service.running import everything


@command(root, example="broadsheet up --port 8000")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the web process.")
@click.option("--sandbox-port", type=click.IntRange(1, 65535), help="Of the sandbox.")
@click.option("--quiet", is_flag=True, help="Do not print the processes' lines; they are in the home's log folder.")
def up(port: int | None, sandbox_port: int | None, quiet: bool) -> None:
    """Run everything on this machine: servers, web, a worker for each queue, beat, and the sandbox where it applies.

    A process that dies is started again. Ctrl-C stops all.
    """
    environ: dict[str, str] = {}
    if port:
        environ["PORT"] = str(port)
    if sandbox_port:
        environ["SANDBOX_PORT"] = str(sandbox_port)
    chosen = settings.load({**os.environ, **environ})
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    lock = threading.Lock()

    def line(name: str, text: str) -> None:
        with lock:
            say(f"[dim]{name:<9}[/dim] {plain(text)}")

    with everything(chosen, on_line=None if quiet else line, announce=True) as running:
        say(f"[bold]Broadsheet[/bold] is up at {running.settings.public_url}  ·  home {running.settings.home}")
        if running.settings.sandbox:
            say(
                f"The sandbox's inbox: http://127.0.0.1:{running.settings.sandbox_port}/  ·  no mail leaves this machine"
            )
        say(_way_in(running.settings.public_url))
        say("Ctrl-C stops it.")
        stop.wait()
        say("Stopping…")


def _way_in(url: str) -> str:
    """Where the team signs in; before there is anybody, with the code that makes the first owner."""
    if operators.are_there():
        return f"The team signs in at {url}/admin/"
    return f"Set up your account: {url}/admin/set-up?code={operators.set_up_code()}"
