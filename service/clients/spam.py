"""Asks SpamAssassin, where it is installed, what it thinks of a mail: offline, bounded, and never for a decision."""

import re
import shutil
import subprocess
from dataclasses import dataclass

COMMAND = "spamassassin"
PATIENCE = 30.0
_POINTS = re.compile(r"\((-?\d+(?:\.\d+)?) points?, (-?\d+(?:\.\d+)?) required\)")
_REASON = re.compile(r"^\s*(-?\d+\.\d+) ([A-Z][A-Z0-9_]+)\s+(.*)$", re.MULTILINE)
# What it says of a mail that has no way behind it yet.
_UNFAIR = frozenset({"NO_RELAYS", "NO_RECEIVED", "MISSING_DATE", "MISSING_MID"})


@dataclass(frozen=True)
class Opinion:
    """Points, how many of them are spam, and what was counted: name and words, and its points."""

    points: float
    required: float
    reasons: tuple[tuple[str, float], ...]


class NotAsked(Exception):
    """There is no opinion, and why."""


def ask(mail: bytes, *, command: str = COMMAND, patience: float = PATIENCE) -> Opinion:
    """The filter's opinion of a raw mail. Raises NotAsked where it is not installed, fails or takes too long."""
    program = shutil.which(command)
    if program is None:
        raise NotAsked("SpamAssassin is not installed")
    try:
        # -L: local tests alone, nothing of the mail leaves this machine; -t: explain the points.
        ended = subprocess.run(  # noqa: S603 - a program of this machine, and nothing of the mail on its command line
            [program, "-L", "-t"], input=mail, capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotAsked(f"SpamAssassin took more than {patience:.0f} seconds") from None
    except OSError as error:
        raise NotAsked(f"SpamAssassin cannot be run: {error.strerror}") from None
    return read(ended.stdout.decode(errors="replace"))


def read(report: str) -> Opinion:
    """What it wrote. Raises NotAsked for what is no report."""
    found = list(_POINTS.finditer(report))
    if not found:
        raise NotAsked("SpamAssassin gave no report")
    reasons = tuple(
        (f"{one.group(2)}: {one.group(3).strip()}", float(one.group(1)))
        for one in _REASON.finditer(report, found[-1].end())
        if one.group(2) not in _UNFAIR
    )
    return Opinion(float(found[-1].group(1)), float(found[-1].group(2)), reasons)
