"""`up`: one for each home, joined by other commands, and gone without a trace however it ends."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import Commands, command_line, environment
from tests.cli.conftest import processes_of, wait_until_up
from tests.conftest import Sandbox, free_port


def test_a_second_up_of_a_home_is_refused_in_one_line(broadsheet: Commands, up: Sandbox, cli_home: Path) -> None:
    ended = broadsheet("up", "--quiet", "--port", free_port(), "--sandbox-port", free_port())
    assert ended.refused(code=1) == [f"`broadsheet up` is running for {cli_home} already."]
    assert up.stats


def test_other_commands_use_the_ports_of_the_up_that_runs(broadsheet: Commands, up: Sandbox, folder: Path) -> None:
    create = ("newsletter", "create", "joined", "--name", "Joined", "--from", "news@sender.example")
    broadsheet(*create, "--postal-address", "1 Quay Street").succeeded()
    arguments = ("--to", folder / "people.csv", "--newsletter", "joined", "--consent", "fair", "--yes")
    broadsheet("send", folder / "letter.md", *arguments, PORT=free_port(), SANDBOX_PORT=free_port()).succeeded()
    mail = up.messages("ann@readers.example")[0]
    leave = re.fullmatch(r"<(http://127\.0\.0\.1:\d+)/u/[\w-]{31}>", mail["headers"]["List-Unsubscribe"])
    assert leave
    assert leave[1] == f"http://127.0.0.1:{broadsheet.environ['PORT']}"


def test_no_key_or_password_is_in_the_arguments_of_any_process(up: Sandbox, cli_home: Path) -> None:
    secrets = re.findall(r'"([^"]{16,})"', (cli_home / "secrets.json").read_text())
    passwords = re.findall(r"://[^:/]*:([^@]+)@", (cli_home / "run" / "servers.json").read_text())
    assert len(secrets) == 3
    assert len(passwords) == 3
    seen = 0
    for pid in processes_of(cli_home):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        except FileNotFoundError:
            continue
        seen += 1
        assert [secret for secret in (*secrets, *passwords) if secret in arguments] == [], pid
    assert seen >= 8


@pytest.fixture
def own_home() -> Iterator[Path]:
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-up-", dir="/tmp"))
    outer.chmod(0o711)
    yield outer / "home"
    for pid in processes_of(outer / "home"):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(outer, ignore_errors=True)


@pytest.mark.timeout(200)
def test_up_leaves_no_process_however_it_ends(own_home: Path) -> None:
    """SIGTERM ends the `up` that all tests share, and is looked at there. One home: what is left would stop the next."""
    ports = {"PORT": free_port(), "SANDBOX_PORT": free_port()}
    for how, code in ((signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)):
        log = own_home.parent / "up.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command_line("up", "--quiet"),
                env=environment(BROADSHEET_HOME=own_home, **ports),
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        wait_until_up(process, log)
        assert len(processes_of(own_home)) >= 9
        process.send_signal(how)
        assert process.wait(60) == code, log.read_text()
        deadline = time.monotonic() + (20 if how == signal.SIGKILL else 2)
        while left := processes_of(own_home):
            assert time.monotonic() < deadline, f"{how.name} left {left}"
            time.sleep(0.1)
        assert "Traceback" not in log.read_text()
