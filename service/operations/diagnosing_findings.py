"""What a look at the installation says, and what it looks with."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from service.clients.dns import Resolver, SystemResolver
from service.settings import Settings

OK: Final = "ok"
UNKNOWN: Final = "unknown"
WARNING: Final = "warning"
FAULT: Final = "fault"


@dataclass(frozen=True)
class Finding:
    """`level`: ok, unknown (it could not be looked at), warning, fault. What was found, and, unless it is well, what to do."""

    level: str
    text: str
    remedy: str = ""


class Room(Protocol):
    """What `os.statvfs` says of a disk."""

    @property
    def f_frsize(self) -> int: ...
    @property
    def f_blocks(self) -> int: ...
    @property
    def f_bavail(self) -> int: ...
    @property
    def f_files(self) -> int: ...
    @property
    def f_favail(self) -> int: ...


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Surroundings:
    """What is looked at: the settings as far as they can be read, what is wrong with them, and the environment they were read from;
    and with what: this machine's clock, disk and name servers."""

    settings: Settings
    problems: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    now: Callable[[], datetime] = _now
    room: Callable[[Path], Room] = os.statvfs
    resolver: Resolver = field(default_factory=SystemResolver)
    bad_database_url: bool = False

    def start(self, process: str = "") -> str:
        """How that process, or all of them, is started in such an installation: a sentence's end."""
        if self.settings.embedded:
            return "start `broadsheet up`, which starts all"
        unit, service = (f"broadsheet@{process}", f" {process}") if process else ("broadsheet.target", "")
        ways = f"systemd: `systemctl start {unit}`; containers: `docker compose up -d{service}`"
        if process:
            return f"start it as it is run here ({ways}; otherwise `broadsheet run {process}`, or `broadsheet up`, which starts all)"
        return f"start its processes as they are run here ({ways}; otherwise `broadsheet up`)"

    def log(self, process: str) -> str:
        """Where that process says what goes wrong: a sentence's subject."""
        file = f"log/{process}.log in the home"
        if self.settings.embedded:
            return file
        return f"its log (systemd: `journalctl -u broadsheet@{process}`; containers: `docker compose logs {process}`; by `up`: {file})"


def fine(text: str) -> Iterator[Finding]:
    """It is as it should be."""
    yield Finding(OK, text)


def unknown(text: str, remedy: str = "Mend that first, then run this again.") -> Iterator[Finding]:
    """It could not be looked at."""
    yield Finding(UNKNOWN, text, remedy)


def doubtful(text: str, remedy: str) -> Iterator[Finding]:
    """It works, but should not stay so."""
    yield Finding(WARNING, text, remedy)


def faulty(text: str, remedy: str) -> Iterator[Finding]:
    """It is broken."""
    yield Finding(FAULT, text, remedy)
