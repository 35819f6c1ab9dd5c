"""Backups that cannot be restored say so before anything is touched; a backup that fails leaves nothing behind."""

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from service.clients import postgresql
from service.encryption import MAGIC, PIECE, Opening, Sealing
from service.errors import BroadsheetError
from tests.backup.conftest import READERS, Home
from tests.cli.commands import command_line, environment


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home with readers, for tests that leave it as it is."""
    outer = Path(tempfile.mkdtemp(prefix="broadsheet-archive-", dir="/tmp"))
    outer.chmod(0o711)
    made = Home(outer)
    made.fill()
    yield made
    made.run.end()
    shutil.rmtree(outer, ignore_errors=True)


@pytest.fixture(scope="module")
def archive(filled: Home) -> Path:
    return filled.backup()


def seal(content: bytes, secret: bytes = b"a secret") -> bytes:
    to = io.BytesIO()
    sealing = Sealing(to, secret)
    sealing.write(content)
    sealing.finish()
    return to.getvalue()


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_what_was_sealed_is_opened_and_no_other_way(size: int) -> None:
    content = os.urandom(size)
    sealed = seal(content)
    assert Opening(io.BytesIO(sealed), b"a secret").read() == content
    reading, found = Opening(io.BytesIO(sealed), b"a secret"), b""
    while piece := reading.read(70_001):
        found += piece
    assert found == content
    assert content[:64] not in sealed or size < 16


def test_pieces_that_were_changed_moved_or_left_out_are_refused() -> None:
    content = os.urandom(3 * PIECE + 100)
    sealed = seal(content)
    head, piece = len(sealed) - (3 * PIECE + 100) - 4 * 16, PIECE + 16
    first, second, third, last = (sealed[head + n * piece : head + (n + 1) * piece] for n in range(4))
    start = sealed[:head]
    wrong = {
        "without the last": start + first + second + third,
        "without one in the middle": start + first + third + last,
        "two changed places": start + second + first + third + last,
        "one twice": start + first + first + second + third + last,
        "something after the end": sealed + b"x",
        "cut off in a piece": sealed[:-1],
        "a changed byte": sealed[: head + 7] + bytes([sealed[head + 7] ^ 1]) + sealed[head + 8 :],
        "a changed prefix": sealed[: len(MAGIC) + 17]
        + bytes([sealed[len(MAGIC) + 17] ^ 1])
        + sealed[len(MAGIC) + 18 :],
        "only a beginning": sealed[:30],
    }
    opened = []
    for what, made in wrong.items():
        with suppress(BroadsheetError):
            Opening(io.BytesIO(made), b"a secret").read()
            opened.append(what)
    assert opened == []
    with pytest.raises(BroadsheetError, match="not the key"):
        Opening(io.BytesIO(sealed), b"another secret")


def test_a_backup_is_private_encrypted_and_holds_no_key(filled: Home, archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    assert archive.parent.stat().st_mode & 0o777 == 0o700
    content = archive.read_bytes()
    assert content.startswith(MAGIC)
    assert b"readers.example" not in content
    plain = Path(filled.run("backup", filled.folder / "plain", "--json").succeeded().json["file"])
    secrets = json.loads((filled.home / "secrets.json").read_text())
    with tarfile.open(plain) as tar:
        names = tar.getnames()
        held = b"".join(found.read() for one in tar if (found := tar.extractfile(one)))
    assert names[0] == "database.dump"
    assert names[-1] == "manifest.json"
    assert [name for name, value in secrets.items() if value.encode() in held] == []
    body = json.loads(held[held.rindex(b'{\n "made_at"') :])
    assert (body["tables"]["subscribers"], body["tables"]["issues"]) == (len(READERS), 1)


@pytest.mark.long
def test_the_keys_are_kept_apart_and_come_back(filled: Home) -> None:
    (problem,) = filled.run("backup", filled.backups, "--keys", filled.backups).refused()
    assert "a folder apart" in problem
    made = filled.run(
        "backup", filled.folder / "more", "--key-file", filled.key, "--keys", filled.folder / "keys", "--json"
    ).succeeded()
    keys = Path(made.json["keys"])
    assert keys.stat().st_mode & 0o777 == 0o600
    assert b"address_key" not in keys.read_bytes()
    before = (filled.home / "secrets.json").read_text()
    (filled.home / "secrets.json").write_text(json.dumps(json.loads(before) | {"address_key": "x" * 40}))
    try:
        (problem,) = filled.run("status").refused(1)
        assert "ADDRESS_KEY is not the key" in problem
        (problem,) = filled.run("restore", made.json["file"], "--key-file", filled.key, "--replace").refused(1)
        assert "another ADDRESS_KEY" in problem
        assert filled.run("secrets", "import", keys).refused() == [
            "The file is encrypted: give its key with --key-file."
        ]
        filled.run("secrets", "import", keys, "--key-file", filled.key).succeeded()
        assert json.loads((filled.home / "secrets.json").read_text()) == json.loads(before)
        filled.run("status").succeeded()
    finally:
        (filled.home / "secrets.json").write_text(before)


def test_a_file_that_is_no_whole_backup_is_refused_and_nothing_changes(filled: Home, archive: Path) -> None:
    content, other = archive.read_bytes(), filled.folder / "other-key"
    other.write_text("another passphrase, long enough\n")
    plain = Path(filled.run("backup", filled.folder / "plain2", "--no-trial", "--json").succeeded().json["file"])
    text = plain.read_bytes()
    place = text.index(b"monthly") if b"monthly" in text else 5000
    cases: list[tuple[bytes, Path | None, str]] = [
        (content, other, "not the key"),
        (content, None, "is encrypted"),
        (text, filled.key, "not encrypted"),
        (content[: len(content) // 2], filled.key, "changed or cut off"),
        (content[:-1], filled.key, "changed or cut off"),
        (content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], filled.key, "changed or cut off"),
        (text[: len(text) // 2], None, "cut off"),
        (text[: text.rindex(b"manifest.json") - 100], None, "cut off"),
        (text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :], None, "changed since|cut off"),
        (b"no backup at all", None, "is none"),
        (b"", None, "cut off|is none"),
    ]
    for number, (made, key, told) in enumerate(cases):
        file = filled.folder / f"case-{number}"
        file.write_bytes(made)
        more = ("--key-file", key) if key else ()
        (problem,) = filled.run("restore", file, "--replace", *more).refused(1)
        assert any(one in problem for one in told.split("|")), (number, problem)
    assert filled.python("[row[0] for row in []]") == []
    assert "1 " in filled.run("issue", "list").succeeded().err
    assert list(filled.home.glob(".backup-*")) == []


def changed(plain: Path, to: Path, change: Callable[[dict[str, object]], None]) -> Path:
    """The same backup with another manifest."""
    with tarfile.open(plain) as source, tarfile.open(to, "w") as target:
        for member in source:
            found = source.extractfile(member)
            assert found
            content = found.read()
            if member.name == "manifest.json":
                body = json.loads(content)
                change(body)
                content = json.dumps(body).encode()
                member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return to


@pytest.mark.long
def test_a_backup_of_another_version_is_refused(filled: Home) -> None:
    plain = Path(filled.run("backup", filled.folder / "plain3", "--no-trial", "--json").succeeded().json["file"])
    cases: list[tuple[dict[str, object], str]] = [
        ({"format": 2}, "has the format 2"),
        ({"migration": "9999"}, "a newer Broadsheet"),
        ({"postgresql": 99}, "PostgreSQL 99"),
        ({"kind": "real"}, "sends real mail"),
        ({"tables": {"subscribers": 5}}, "rows once loaded"),
    ]
    for number, (change, told) in enumerate(cases):
        file = changed(plain, filled.folder / f"version-{number}", lambda body, change=change: body.update(change))  # type: ignore[misc]
        (problem,) = filled.run("restore", file, "--replace").refused(1)
        assert told in problem, problem
    with filled.servers() as servers:
        assert postgresql.databases(servers.owner_url, "broadsheet") == ["broadsheet"], "nothing is left of them"


def test_a_database_in_use_is_put_aside_only_when_told(filled: Home, archive: Path) -> None:
    (problem,) = filled.run("restore", archive, "--key-file", filled.key).refused(1)
    assert "--replace" in problem
    with filled.up():
        (problem,) = filled.run("restore", archive, "--key-file", filled.key, "--replace").refused(1)
        assert "Stop it first" in problem


@pytest.mark.long
def test_a_member_from_elsewhere_is_refused(filled: Home) -> None:
    for name in ("../evil", "media/../../evil", "/etc/evil", "run/evil"):
        file = filled.folder / "evil.tar"
        with tarfile.open(file, "w") as tar:
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
        (problem,) = filled.run("restore", file, "--replace").refused(1)
        assert "does not belong in a backup" in problem
    link = tarfile.TarInfo("media/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(file, "w") as tar:
        tar.addfile(link)
    assert "does not belong" in filled.run("restore", file, "--replace").refused(1)[0]


@pytest.mark.long
def test_so_many_backups_are_kept_and_no_other_file_is_deleted(filled: Home) -> None:
    folder = filled.folder / "kept"
    folder.mkdir()
    (folder / "broadsheet-notes.txt").write_text("mine")
    made = []
    for _ in range(3):
        time.sleep(1.1)
        made.append(filled.run("backup", folder, "--keep", 2, "--no-trial", "--json").succeeded().json)
    assert [one["removed"] for one in made] == [0, 0, 1]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*(Path(one["file"]).name for one in made[1:]), "broadsheet-notes.txt"]
    )


def test_a_full_disk_leaves_nothing_behind(filled: Home) -> None:
    """A limit on the size of files is met as a full disk is: while the database is dumped, and while the archive is written."""
    plain = Path(filled.run("backup", filled.folder / "plain4", "--no-trial", "--json").succeeded().json["file"])
    with tarfile.open(plain) as tar:
        dump = tar.getmember("database.dump").size
    folder = filled.folder / "full"
    for limit in (64, dump // 1024 + 2):
        with filled.servers():
            ended = subprocess.run(
                ["bash", "-c", f'ulimit -f {limit}; exec "$0" "$@"', *command_line("backup", folder)],
                env=environment(**filled.run.environ),
                capture_output=True,
                text=True,
                check=False,
            )
        assert ended.returncode == 1, ended.stderr
        assert "Traceback" not in ended.stderr
        assert ended.stderr.count("✗") == 1, ended.stderr
        assert list(folder.iterdir()) == []
        assert list(filled.home.glob(".backup-*")) == []


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_backup_that_is_ended_leaves_nothing_behind(filled: Home, number: signal.Signals) -> None:
    folder = filled.folder / f"ended-{number}"
    process = subprocess.Popen(
        command_line("backup", folder), env=environment(**filled.run.environ), stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while not list(folder.glob(".broadsheet-*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert list(folder.iterdir()) == []
    assert list(filled.home.glob(".backup-*")) == []


@pytest.mark.long
def test_what_a_killed_backup_left_goes_with_the_next(filled: Home) -> None:
    folder = filled.folder / "killed"
    folder.mkdir()
    (folder / ".broadsheet-20200101T000000Z.tar.unfinished").write_bytes(b"readers")
    filled.run("backup", folder, "--no-trial").succeeded()
    assert [path.suffix for path in folder.iterdir()] == [".tar"]


def test_a_short_key_is_refused(filled: Home) -> None:
    short = filled.folder / "short"
    short.write_text("short\n")
    assert "fewer than 16" in filled.run("backup", filled.backups, "--key-file", short).refused()[0]
    assert "No such file" in filled.run("backup", filled.backups, "--key-file", "/nowhere").refused()[0]
