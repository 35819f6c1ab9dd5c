"""This machine: settings that are none, files that others may read, a disk that is full, a folder that is not ours."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service import settings
from service.operations.diagnosing import Finding, Surroundings
from service.operations.diagnosing_machine import MB
from service.settings import Settings
from tests.doctor.looking import is_well, looked, told

OWN = {
    "DATABASE_URL": "postgresql://a@127.0.0.1/a",
    "REDIS_URL": "redis://127.0.0.1/0",
    "SECRET_KEYS": "canary-of-a-secret-key-with-enough-characters",
    "ADDRESS_KEY": "canary-of-an-address-key-with-enough-characters",
    "BROADSHEET_SANDBOX": "1",
}


def _settings(folder: Path, **environ: str) -> list[Finding]:
    chosen, problems = settings.examine({"BROADSHEET_HOME": str(folder / "home"), **environ})
    return looked("settings", Surroundings(chosen, problems, environ))


@pytest.mark.parametrize(
    ("changed", "text", "remedy"),
    [
        ({"SECRET_KEYS": ""}, "SECRET_KEYS is required", "for example SECRET_KEYS="),
        ({"SECRET_KEYS": "canary-too-short"}, "SECRET_KEYS holds a key of fewer than 32", "for example SECRET_KEYS="),
        ({"ADDRESS_KEY": ""}, "ADDRESS_KEY is required", "for example ADDRESS_KEY="),
        ({"PORT": "eighty"}, "PORT must be a whole number", "PORT=8000"),
        (
            {"DATABASE_URL": "mysql://canary@db/a"},
            "DATABASE_URL must be a PostgreSQL address",
            "DATABASE_URL=postgresql://",
        ),
        ({"BROADSHEET_SANDBOX": ""}, "SENDGRID_API_KEY is required with DATABASE_URL", "SENDGRID_API_KEY=SG."),
        ({"SECRET_KEYS_FILE": "/nowhere"}, "SECRET_KEYS_FILE cannot be read", "where the service gets its environment"),
        ({"SECRET_KEYS_FILE": "/dev/null"}, "both set", "Keep one of them"),
        ({"PUBLIC_URL": "letters.firm.test"}, "PUBLIC_URL must be https://", "PUBLIC_URL=https://"),
    ],
)
def test_a_setting_that_is_none(tmp_path: Path, changed: dict[str, str], text: str, remedy: str) -> None:
    found = _settings(tmp_path, **{**OWN, **changed})
    told(found, "fault", text, remedy)
    assert "canary" not in repr(found)


def test_settings_that_can_be_read(tmp_path: Path) -> None:
    is_well(_settings(tmp_path, **OWN))


def test_reading_the_settings_makes_nothing(tmp_path: Path) -> None:
    for environ in ({}, OWN, {"SENDGRID_API_KEY": "SG.x"}):
        _settings(tmp_path, **environ)
    assert list(tmp_path.iterdir()) == []


def test_what_the_home_keeps_is_read(tmp_path: Path) -> None:
    environ = {"BROADSHEET_HOME": str(tmp_path / "home")}
    made = settings.load(environ)
    assert settings.examine(environ) == (made, ())
    (tmp_path / "home" / "secrets.json").write_text("{")
    told(_settings(tmp_path), "fault", "secrets.json is damaged", "backup")


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Settings of a home that has its secrets."""
    return settings.load({"BROADSHEET_HOME": str(tmp_path / "home")})


@pytest.mark.parametrize(("name", "mode"), [("secrets.json", 0o644), ("sandbox_webhook.pem", 0o640)])
def test_a_file_with_secrets_that_others_may_read(home: Settings, name: str, mode: int) -> None:
    is_well(looked("secrets", Surroundings(home)))
    (home.home / name).chmod(mode)
    told(
        looked("secrets", Surroundings(home)),
        "fault",
        f"{name} holds a secret, and others may read it (mode 0{mode:o})",
        "chmod 600",
    )


def test_a_setting_from_a_file_that_others_may_read(home: Settings, tmp_path: Path) -> None:
    file = tmp_path / "api_key"
    file.write_text("SG.canary")
    where = Surroundings(home, environ={"SENDGRID_API_KEY_FILE": str(file)})
    file.chmod(0o644)
    found = looked("secrets", where)
    told(found, "fault", "api_key holds a secret", f"chmod 600 {file}")
    assert "canary" not in repr(found)
    file.chmod(0o640)
    is_well(looked("secrets", where))


def _room(free: int, size: int, inodes: int = 1_000_000) -> Any:
    return lambda _: SimpleNamespace(f_frsize=MB, f_blocks=size, f_bavail=free, f_files=1_000_000, f_favail=inodes)


@pytest.mark.parametrize(
    ("room", "level", "text", "remedy"),
    [
        (_room(100, 50_000), "fault", "nearly full: 100 MB", "Make room"),
        (_room(1_500, 8_000), "warning", "fills up", "Make room"),
        (_room(15_000, 900_000), "warning", "fills up", "Make room"),
        (_room(80_000, 2_000_000), "ok", "80,000 MB are free", ""),
        (_room(9_000, 20_000, inodes=500), "fault", "500 of 1,000,000 inodes", "Delete files"),
    ],
)
def test_the_disk(home: Settings, room: Any, level: str, text: str, remedy: str) -> None:
    told(looked("disk", Surroundings(home, room=room)), level, text, remedy)


def test_the_disk_that_is_there_is_measured(home: Settings) -> None:
    free = shutil.disk_usage(home.home).free
    (found,) = looked("disk", Surroundings(home))
    if found.level == "ok":
        assert abs(int(found.text.split()[0].replace(",", "")) - free // MB) < 500


def test_the_disk_of_data_that_lies_elsewhere_is_measured_too(home: Settings, tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk")
    (home.home / "embedded.json").write_text('{"data": "/dev/shm", "password": "canary"}')
    full, empty = _room(100, 50_000)(shared), _room(80_000, 90_000)(shared)
    where = Surroundings(home, room=lambda folder: full if folder == shared else empty)
    found = looked("disk", where)
    told(found, "fault", "the disk of /dev/shm is nearly full", "Make room")
    assert [one.level for one in found] == ["fault", "ok"]


def test_what_runs_is_said(home: Settings) -> None:
    told(looked("version", Surroundings(home)), "ok", "Broadsheet 0.", "")


def test_where_pictures_should_be_is_a_file(home: Settings) -> None:
    is_well(looked("media", Surroundings(home)))
    home.media.write_text("")
    told(looked("media", Surroundings(home)), "fault", "is a file", "Move")


@pytest.fixture
def foreign() -> Iterator[Path]:
    """A folder that this account may enter, and others too."""
    folder = Path(tempfile.mkdtemp(prefix="broadsheet-doctor-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    (folder / "media").chmod(0o700)
    shutil.rmtree(folder)


def test_the_folder_of_pictures_cannot_be_written(home: Settings, foreign: Path) -> None:
    (foreign / "media").mkdir(mode=0o555)
    where = Surroundings(replace(home, home=foreign))
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        found = looked("media", where)
    finally:
        os.seteuid(was)
    told(found, "fault", "may not write", "chown")


def test_root_may_write_anywhere_so_it_learns_nothing(home: Settings, foreign: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root meets it")
    (foreign / "media").mkdir()
    os.chown(foreign / "media", 65534, 65534)
    told(looked("media", Surroundings(replace(home, home=foreign))), "unknown", "root", "as the account")
