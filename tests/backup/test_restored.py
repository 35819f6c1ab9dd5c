"""A database that was put back to an earlier state sends nothing by itself, however it was put back; who was erased stays erased."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from service import embedded
from service.clients.postgresql import conninfo
from service.embedded import Servers
from tests.backup.conftest import READERS, Home
from tests.backup.test_secrets import leave_one_click

SOON = "scheduling.schedule({issue}, at=datetime.now(UTC) + timedelta(seconds={seconds}), actor='test')"
MOVED = "__import__('tests.backup.moved', fromlist=['x']).moved('{name}@readers.example', '{name}.new@readers.example')"
AWHILE = 15
"""Seconds that beat and workers are given: three sweeps."""


def wait_until_sent(home: Home, issue: int) -> None:
    deadline = time.monotonic() + 60
    while home.state(issue) != "sent":
        assert time.monotonic() < deadline, home.state(issue)
        time.sleep(0.5)


def raw_dump(servers: Servers, to: Path) -> None:
    """As an administrator does it who knows nothing of Broadsheet."""
    program = embedded.postgresql_program("pg_dump")
    subprocess.run([program, "-Fc", "-f", to, conninfo(servers.owner_url)], check=True)


def raw_restore(servers: Servers, dumped: Path) -> None:
    with psycopg.connect(conninfo(servers.owner_url, "postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE broadsheet WITH (FORCE)")
        connection.execute("CREATE DATABASE broadsheet TEMPLATE template0")
    program = embedded.postgresql_program("pg_restore")
    subprocess.run([program, "--exit-on-error", "-d", conninfo(servers.owner_url), dumped], check=True)


def sent_since(home: Home, back_up: Callable[[], object]) -> int:
    """An issue that was scheduled when `back_up` was called, and was sent since; and a reader who was erased since. The issue is
    due, and not two hours late, whenever the backup is put back."""
    issue = home.fill()
    home.python(SOON.format(issue=issue, seconds=20))
    back_up()
    with home.up() as sandbox:
        wait_until_sent(home, issue)
        assert sandbox.stats["recipients"] == 4
        home.run("subscribers", "erase", "cas@readers.example", "--reason", "asked", "--yes").succeeded()
        for name in ("bob", "dee"):  # who have another key from now on than in the backup
            home.python(MOVED.format(name=name))
        leave = re.fullmatch(r"<(.*)>", sandbox.messages("bob@readers.example")[0]["headers"]["List-Unsubscribe"])
        assert leave
        assert leave_one_click(leave[1]) == 200
        home.run("subscribers", "suppress", "dee.new@readers.example", "--reason", "asked").succeeded()
    assert len(list((home.home / "erasures").glob("*.json"))) == 1, "kept at once, not at the next digest"
    return issue


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_dump_put_back_behind_our_back_is_noticed_and_sends_nothing(home: Home) -> None:
    raw = home.folder / "raw.dump"

    def dump() -> None:
        with home.servers() as servers:
            raw_dump(servers, raw)

    issue = sent_since(home, dump)
    with home.servers() as servers:
        raw_restore(servers, raw)
    with home.up() as sandbox:
        time.sleep(AWHILE)
        assert sandbox.stats["recipients"] == 4, "nothing more was sent"
        assert home.state(issue) == "held"
        assert home.run("epoch", "show", "--json").succeeded().json["standing"] == "restored"
        alarms = home.run("alarms", "list", "--json").succeeded().json["alarms"]
        (alarm,) = [one for one in alarms if one["kind"] == "restored"]
        assert "this machine has seen it as it was at" in alarm["told"]


@pytest.mark.timeout(240)
def test_yesterdays_backup_with_a_scheduled_issue_sends_nothing_and_the_erased_stay_erased(home: Home) -> None:
    made: list[Path] = []
    issue = sent_since(home, lambda: made.append(home.backup()))
    found = home.run("restore", made[0], "--key-file", home.key, "--replace", "--json").succeeded().json
    assert (found["held"], found["certificates"], found["erased"], found["findings"]) == (1, 1, 1, 0)
    assert (found["carried"]["left"], found["carried"]["known"]) == (1, True)
    with home.up() as sandbox:
        time.sleep(AWHILE)
        assert (sandbox.stats["recipients"], home.state(issue)) == (4, "held"), "nothing more was sent"
        (problem,) = home.run("issue", "resume", issue).refused(1)
        assert "broadsheet epoch accept" in problem
        (problem,) = home.run("restore", "--drop-old").refused(1)
        assert "Stop it first" in problem
        home.run("epoch", "accept", "--reason", "the disk was lost").succeeded()
        time.sleep(6)
        assert (sandbox.stats["recipients"], home.state(issue)) == (4, "held"), "each issue is a person's decision"
        home.run("issue", "resume", issue).succeeded()
        wait_until_sent(home, issue)
        copies = {name: len(sandbox.messages(f"{name}@readers.example")) for name in READERS}
        assert copies == {"ann": 2, "bob": 1, "cas": 1, "dee": 1}, "who left, was erased or suppressed since stays so"
    assert home.run("consent", "verify").succeeded()
    assert home.run("restore", "--drop-old", "--json").succeeded().json["dropped"] == [found["old"]]


@pytest.mark.long
def test_a_database_on_a_machine_that_has_not_seen_it_does_not_start_to_send(home: Home) -> None:
    """As when it is restored on a new machine by hand, where nothing knows of its past."""
    issue = home.fill()
    home.python(SOON.format(issue=issue, seconds=1))
    (home.home / "epoch.json").unlink()
    (problem,) = home.run("up", "--quiet").refused(1)
    assert "has not seen this database before" in problem
    assert home.run("epoch", "show", "--json").succeeded().json["standing"] == "new"
    home.run("epoch", "join", "--reason", "only the file was lost").succeeded()
    with home.up() as sandbox:
        wait_until_sent(home, issue)
        assert sandbox.stats["recipients"] == 4


@pytest.mark.parametrize("content", ["", "{}", '{"installation": "x"'])
def test_a_damaged_epoch_file_keeps_everything_from_sending(home: Home, content: str) -> None:
    home.run("migrate").succeeded()
    (home.home / "epoch.json").write_text(content)
    (problem,) = home.run("up", "--quiet").refused(1)
    assert "cannot be read" in problem
    home.run("epoch", "accept", "--reason", "it was damaged").succeeded()
    assert home.run("epoch", "show", "--json").succeeded().json["standing"] == "same"
