"""What the benchmark commands share: options, a home that is removed afterwards, and how their results are shown."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from service.cli.frame import say, show_json

seconds = click.option(
    "--seconds", type=click.FloatRange(0.5, 60), default=5.0, show_default=True, help="Of each of three runs."
)
times = click.option("--times", type=click.IntRange(1, 20), default=3, show_default=True, help="Runs; medians count.")
latency = click.option(
    "--latency",
    type=click.FloatRange(0, 5000),
    default=100.0,
    show_default=True,
    help="Milliseconds until the sink answers.",
)
workers = click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Requests under way at once on each machine.",
)


@contextmanager
def home() -> Iterator[Path]:
    """A new folder that every account may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="broadsheet-bench-"))
    folder.chmod(0o711)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def show(found: dict[str, Any], line: str, *, as_json: bool) -> None:
    """One line for the result and one for the machine; everything on stdout with `--json`."""
    machine = found["machine"]
    say(line)
    say(
        f"On {machine['processors']} processors, {machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']};"
        f" load {machine['load_before']} before, {machine['load_after']} after."
    )
    if as_json:
        show_json(found)
