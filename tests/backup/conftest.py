"""Homes of their own, with commands, a running `up`, and code run in them as a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service import embedded
from service.embedded import Servers
from tests.cli.commands import Commands, command_line, environment
from tests.cli.conftest import LETTER, processes_of, wait_until_up
from tests.conftest import Sandbox, free_port

READERS = ("ann", "bob", "cas", "dee")
SCRIPT = """
import json
from datetime import UTC, datetime, timedelta
from service import settings
from service.db import transaction
from service.operations import certificates, digesting, erasing, scheduling
from service.running import database
with database(settings.load()):
    print(json.dumps(({expression})))
"""


class Home:
    """One installation, and what a person does with it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.run = Commands(BROADSHEET_HOME=self.home, PORT=free_port(), SANDBOX_PORT=free_port())
        self.key = folder / "key"
        self.key.write_text("a passphrase that is long enough\n")
        self.backups = folder / "backups"

    def fill(self) -> int:
        """A newsletter, four readers, and an issue. Returns the issue's id."""
        create = ("newsletter", "create", "monthly", "--name", "Monthly", "--from", "news@sender.example")
        self.run(*create, "--postal-address", "1 Quay Street").succeeded()
        people = self.folder / "people.csv"
        people.write_text("email\n" + "".join(f"{name}@readers.example\n" for name in READERS))
        self.run("subscribers", "import", people, "--newsletter", "monthly", "--consent", "at the fair").succeeded()
        letter = self.folder / "letter.md"
        letter.write_text(LETTER)
        made = self.run("issue", "create", letter, "--newsletter", "monthly", "--json").succeeded()
        return int(made.json["issue"]["id"])

    def python(self, expression: str) -> Any:
        """The value of an expression, worked out by a process of its own that is wired to this home."""
        code = [sys.executable, "-c", SCRIPT.format(expression=expression)]
        ended = subprocess.run(
            code, env=environment(**self.run.environ), capture_output=True, text=True, check=False, cwd="/"
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def state(self, issue: int) -> str:
        return str(self.run("issue", "show", issue, "--json").succeeded().json["issue"]["state"])

    def backup(self, *more: object) -> Path:
        made = self.run("backup", self.backups, "--key-file", self.key, "--json", *more).succeeded()
        return Path(made.json["file"])

    @contextmanager
    def up(self) -> Iterator[Sandbox]:
        """Everything runs: web, workers, beat, sandbox."""
        log = self.folder / "up.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command_line("up", "--quiet"), env=environment(**self.run.environ), stdout=file, stderr=file
            )
        try:
            wait_until_up(process, log)
            yield Sandbox(f"http://127.0.0.1:{self.run.environ['SANDBOX_PORT']}")
        finally:
            process.terminate()
            process.wait(60)

    @contextmanager
    def servers(self) -> Iterator[Servers]:
        with embedded.running(self.home) as found:
            yield found


@pytest.fixture
def home() -> Iterator[Home]:
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-backup-", dir="/tmp"))
    outer.chmod(0o711)
    made = Home(outer)
    yield made
    made.run.end()
    for pid in processes_of(made.home):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(outer, ignore_errors=True)
