"""Backups do not get in each other's way, and a backup and its keys come, stay and go together."""

import fcntl
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.clients import postgresql
from service.errors import BroadsheetError
from service.operations.backup_files import draft, remove_old, settle
from tests.backup.conftest import Home
from tests.cli.commands import command_line, environment


@pytest.fixture(scope="module")
def empty() -> Iterator[Home]:
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-files-", dir="/tmp"))
    outer.chmod(0o711)
    made = Home(outer)
    made.run("migrate").succeeded()
    yield made
    made.run.end()
    shutil.rmtree(outer, ignore_errors=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_of_two_backups_at_once_the_first_is_made_and_the_second_refused(empty: Home) -> None:
    folder = empty.folder / "at-once"
    command = command_line("backup", folder, "--key-file", empty.key)
    first = subprocess.Popen(command, env=environment(**empty.run.environ), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not list(folder.glob(".broadsheet-*")):
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for other in (folder, empty.folder / "elsewhere"):
        (problem,) = empty.run("backup", other, "--key-file", empty.key).refused(1)
        assert "Another backup of this database is being made" in problem
    told = first.communicate(timeout=60)[1]
    assert first.returncode == 0, told
    assert [name.endswith(".backup") for name in names(folder)] == [True]
    assert names(empty.folder / "elsewhere") == []


def test_nothing_is_restored_while_a_backup_is_made(empty: Home) -> None:
    made = empty.backup("--no-trial")
    with empty.servers() as servers, postgresql.alone(servers.owner_url):
        (problem,) = empty.run("restore", made, "--key-file", empty.key, "--replace").refused(1)
    assert "Wait until it has ended" in problem


def test_the_draft_of_another_installation_in_the_folder_is_left_alone(empty: Home) -> None:
    folder = empty.folder / "shared"
    folder.mkdir()
    theirs, left = folder / ".broadsheet-20260101T000000Z.tar.unfinished", folder / ".broadsheet-1.tar.unfinished"
    left.write_bytes(b"readers")
    with theirs.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        empty.run("backup", folder, "--no-trial").succeeded()
        assert theirs.exists(), "somebody writes it"
        assert not left.exists(), "nobody does"


def test_what_a_killed_backup_unpacked_goes_with_the_next(empty: Home) -> None:
    left = empty.home / ".backup-abcd" / "media"
    left.mkdir(parents=True)
    empty.run("backup", empty.folder / "after-a-kill").succeeded()
    assert list(empty.home.glob(".backup-*")) == []


def test_old_keys_go_with_their_backup_and_no_others(empty: Home) -> None:
    folder, keys = empty.folder / "kept", empty.folder / "kept-keys"
    folder.mkdir()
    keys.mkdir()
    for day in ("01", "02"):
        (folder / f"broadsheet-202601{day}T000000Z.backup").write_bytes(b"old")
        (keys / f"broadsheet-202601{day}T000000Z.keys").write_bytes(b"old")
    (keys / "broadsheet-20250101T000000Z.keys").write_bytes(b"of a backup that lies elsewhere")
    made = empty.run("backup", folder, "--keys", keys, "--keep", 2, "--no-trial", "--json").succeeded().json
    assert made["removed"] == 1
    new = Path(made["file"]).stem
    assert names(folder) == ["broadsheet-20260102T000000Z.backup", f"{new}.tar"]
    assert names(keys) == [f"broadsheet-{day}T000000Z.keys" for day in ("20250101", "20260102")] + [f"{new}.keys"]


def test_a_backup_that_fails_leaves_no_keys(empty: Home) -> None:
    folder, keys = empty.folder / "failing", empty.folder / "failing-keys"
    command = command_line("backup", folder, "--keys", keys)
    with empty.servers():
        limited = ["bash", "-c", 'ulimit -f 64; exec "$0" "$@"', *command]
        ended = subprocess.run(limited, env=environment(**empty.run.environ), capture_output=True, check=False)
    assert ended.returncode == 1
    assert names(folder) == names(keys) == []


def test_keys_and_backup_get_their_names_both_or_neither(tmp_path: Path) -> None:
    keys, made = tmp_path / "keys.draft", tmp_path / "backup.draft"
    keys.write_text("keys")
    made.write_text("backup")
    with pytest.raises(OSError, match="No such file"):
        settle((keys, tmp_path / "a.keys"), (made, tmp_path / "gone" / "a.backup"))
    assert names(tmp_path) == ["backup.draft"]


def test_a_backup_of_this_very_second_stays_as_it_is(tmp_path: Path) -> None:
    target = tmp_path / "broadsheet-20260101T000000Z.backup"
    target.write_text("a whole one")
    with pytest.raises(BroadsheetError, match="in this very second"), draft(target):
        pass
    target.unlink()
    with draft(target) as (unnamed, _):
        with pytest.raises(BroadsheetError, match="No backup was made"), draft(target):
            pass
        assert unnamed.exists(), "of two that begin at once, one goes on"
        settle((unnamed, target))
    assert names(tmp_path) == [target.name]


def test_removing_is_taken_up_again_where_it_was_broken_off(tmp_path: Path) -> None:
    for day in ("01", "02"):
        (tmp_path / f"broadsheet-202601{day}T000000Z.backup").write_bytes(b"")
    assert remove_old(tmp_path, tmp_path / "keys-that-are-away", 1) == 1
    assert names(tmp_path) == ["broadsheet-20260102T000000Z.backup"]
