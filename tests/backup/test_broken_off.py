"""A restore that fails or is killed leaves the old state whole, or the new one, and says which and what to do."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from service.clients.postgresql import conninfo
from tests.backup.broken_off import KILLED
from tests.backup.conftest import READERS, Home
from tests.cli.commands import command_line, environment

DIGEST = "digesting.make_digest(not_within=timedelta(0))"
COUNT = "__import__('tests.backup.broken_off', fromlist=['x']).readers()"
KILL = "from tests.backup.broken_off import restore_until; restore_until({point!r}, {file!r}, {key!r})"
FIRST = "00000001.json"


class State:
    """A home some time after its backup: a picture and the first digest were lost, and a reader and a digest have come."""

    def __init__(self, home: Home, backup: Path, readers: int) -> None:
        self.home, self.backup, self.readers = home, backup, readers
        self.before = self.files()
        self.restore = ("restore", backup, "--key-file", home.key, "--replace")

    def files(self) -> list[str]:
        folders = [self.home.home / name for name in ("media", "designs", "digests")]
        found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return sorted(path.relative_to(self.home.home).as_posix() for path in found)

    def is_as_before(self) -> None:
        assert self.files() == self.before
        assert self.home.python(COUNT) == self.readers

    def is_restored(self) -> None:
        aside = {Path(name).name for name in self.files() if "not-in-the-backup" in name}
        assert {Path(name).name for name in self.before if "digests/" in name} <= aside | {FIRST}
        present = [name for name in self.files() if "not-in-the-backup" not in name]
        assert present == [f"digests/{FIRST}", "media/picture"]
        assert self.home.python(COUNT) == len(READERS)
        self.home.run("consent", "verify").succeeded()
        self.home.python(DIGEST)


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[Home, Path]]:
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-broken-", dir="/tmp"))
    outer.chmod(0o711)
    home = Home(outer)
    with home.servers():
        home.fill()
        home.python(DIGEST)
        (home.home / "media").mkdir(exist_ok=True)
        (home.home / "media" / "picture").write_bytes(b"a picture")
        yield home, home.backup("--no-trial")
    home.run.end()
    shutil.rmtree(outer, ignore_errors=True)


@pytest.fixture
def state(kept: tuple[Home, Path]) -> State:
    home, backup = kept
    people = home.folder / "more.csv"
    people.write_text(f"email\nlater{time.time_ns()}@readers.example\n")
    home.run("subscribers", "import", people, "--newsletter", "monthly", "--consent", "at the fair").succeeded()
    home.python(DIGEST)
    (home.home / "media" / "picture").unlink(missing_ok=True)
    (home.home / "digests" / FIRST).unlink(missing_ok=True)
    return State(home, backup, home.python(COUNT))


def killed(state: State, point: str) -> None:
    code = KILL.format(point=point, file=str(state.backup), key=str(state.home.key))
    environ = environment(**state.home.run.environ)
    ended = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == KILLED, ended.stderr


def test_files_that_cannot_be_written_leave_the_old_state_whole(state: State) -> None:
    folder = state.home.home / "media"
    folder.rmdir()
    folder.write_text("a file where a folder should be")
    (problem,) = state.home.run(*state.restore).refused(1)
    folder.unlink()
    assert f"{folder}: " in problem
    assert "the database is as it was" in problem
    state.is_as_before()


def test_digests_that_cannot_have_their_place_are_told_and_come_later(state: State) -> None:
    with pytest.raises(AssertionError, match=r"is restored, but for its digests.*No space left.*restore --finish"):
        killed(state, "full")
    assert state.home.run("restore", "--finish", "--json").succeeded().json == {"finished": True}
    state.is_restored()


def test_a_database_that_somebody_uses_leaves_the_old_state_whole(state: State) -> None:
    with state.home.servers() as servers:
        address = conninfo(servers.owner_url)
        environ = environment(**state.home.run.environ)
        process = subprocess.Popen(
            command_line(*state.restore), env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        with psycopg.connect(conninfo(servers.owner_url, "postgres"), autocommit=True) as watching:
            deadline = time.monotonic() + 30
            while not watching.execute("SELECT 1 FROM pg_database WHERE datname LIKE '%restoring%'").fetchone():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.01)
        with psycopg.connect(address):
            told = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "The database is as it was" in told
    state.is_as_before()


@pytest.mark.parametrize("point", ["swap", "finish", *(pytest.param(n, marks=pytest.mark.long) for n in "12")])
def test_a_restore_that_is_killed_is_brought_to_its_end_or_cleared_away(state: State, point: str) -> None:
    killed(state, point)
    assert "A restore was broken off" in state.home.python(
        "__import__('tests.backup.broken_off', fromlist=['x']).told_by_the_digest()"
    )
    finished = state.home.run("restore", "--finish", "--json").succeeded().json
    assert finished == {"finished": point != "swap"}
    if point == "swap":
        state.before = sorted(
            [*state.before, "media/picture"]
        )  # which nobody refers to: a killed process takes nothing back
        state.is_as_before()
    else:
        state.is_restored()
    assert state.home.run("restore", "--finish", "--json").succeeded().json == {"finished": False}


def test_a_restore_is_whole(state: State) -> None:
    found = state.home.run(*state.restore, "--json").succeeded().json
    assert (found["files"], found["digests_aside"]) == (1, 1)
    state.is_restored()
