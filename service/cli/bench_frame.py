"""What the benchmark commands share: a home that is removed afterwards, and how their results are shown."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.cli.frame import say, show_json


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
