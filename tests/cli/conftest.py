"""One home with a running `up` that every command joins, and the command itself."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.announcing import running_up
from tests.cli.commands import Commands, command_line, environment
from tests.conftest import Sandbox, free_port

LETTER = '# News of the month\n\nDear {{ first_name | default: "reader" }},\n\nread [our guide](https://www.example.com/guide).\n'
PEOPLE = "email,first_name\nann@readers.example,Ann\nbob@readers.example,Bob\nnot an address,Nobody\nann@readers.example,Ann\n"


@pytest.fixture(scope="session")
def cli_home() -> Iterator[Path]:
    """A home below a folder that every account may pass through: embedded servers never run as root."""
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-cli-", dir="/tmp"))
    outer.chmod(0o711)
    yield outer / "home"
    shutil.rmtree(outer, ignore_errors=True)


@pytest.fixture(scope="session")
def broadsheet(cli_home: Path) -> Iterator[Commands]:
    """The command in a home of its own."""
    commands = Commands(BROADSHEET_HOME=cli_home, PORT=free_port(), SANDBOX_PORT=free_port(), LOG_FORMAT="json")
    yield commands
    commands.end()


@pytest.fixture(scope="session")
def up(broadsheet: Commands, cli_home: Path) -> Iterator[Sandbox]:
    """`broadsheet up` in that home; the sandbox is what a test wants to see of it."""
    log = cli_home.parent / "up.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command_line("up", "--quiet"), env=environment(**broadsheet.environ), stdout=file, stderr=file
        )
    try:
        wait_until_up(process, log)
        ports = running_up(cli_home)
        assert ports
        yield Sandbox(f"http://127.0.0.1:{ports['sandbox_port']}")
    finally:
        process.terminate()
        code = process.wait(60)
    assert code == 0
    assert processes_of(cli_home) == [], "SIGTERM left processes"


def wait_until_up(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until an `up` says that it is."""
    deadline = time.monotonic() + 90
    while "Ctrl-C stops it" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A letter and its readers."""
    (tmp_path / "letter.md").write_text(LETTER)
    (tmp_path / "people.csv").write_text(PEOPLE)
    return tmp_path


def processes_of(home: Path) -> list[int]:
    """Every process whose command line, environment or working folder names this home, but not this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            texts = [(entry / name).read_bytes() for name in ("cmdline", "environ")]
            texts.append(os.fsencode(os.readlink(entry / "cwd")))
        except OSError:
            continue
        if any(os.fsencode(home) in text for text in texts):
            found.append(int(entry.name))
    return sorted(found)
