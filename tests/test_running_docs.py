"""The files in docs/running are what docs/running.md says: units that systemd takes, containers of every process, settings that exist."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from service import settings
from service.errors import Invalid
from service.procfile import read_procfile
from service.settings import ROOT
from service.variables import VARIABLES
from tests.conftest import missing
from tests.test_readme import commands
from tests.test_settings import P256

FOLDER = ROOT / "docs" / "running"
UNITS = sorted(FOLDER.glob("broadsheet*.*"))
PROCESSES = set(read_procfile(ROOT / "Procfile")) - {"sandbox"}
EXAMPLE = dict(
    line.split("=", 1)
    for line in (FOLDER / "broadsheet.env.example").read_text().splitlines()
    if line and not line.startswith("#")
)


def composed() -> dict[str, Any]:
    found = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if not program:
        missing("systemd-analyze")
    names = []
    for unit in UNITS:
        if unit.suffix in (".service", ".target", ".timer"):
            text = unit.read_text().replace("/opt/broadsheet", str(ROOT)).replace("User=broadsheet", "User=daemon")
            (tmp_path / unit.name.replace("@.", "@sending.")).write_text(text.replace("Group=broadsheet\n", ""))
            names.append(tmp_path / unit.name.replace("@.", "@sending."))
    assert len(names) == 6
    done = subprocess.run([str(program), "verify", "--man=no", *names], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "broadsheet" in line]
    assert (done.returncode, ours) == (0, [])


PAGE = (ROOT / "docs" / "running.md").read_text()
SYSTEMD = re.findall(r"```console\n(.*?)```", PAGE.split("## systemd")[1].split("## Containers")[0], re.DOTALL)
# Nobody is root here: no account is made, nothing is started, and what goes to the machine's folders goes below one of the test's.
INSTEAD = {
    "sudo -u broadsheet ": "", "sudo ": "", " -o broadsheet": "", " -g broadsheet": "", "git archive HEAD": "tar -c docs",
    "/etc/": "$THERE/etc/", "/opt/": "$THERE/opt/", "/backup": "$THERE/backup",
}  # fmt: skip


def test_what_the_page_says_to_type_for_systemd_works_as_it_is_written(tmp_path: Path) -> None:
    lines = [line.removeprefix("$ ") for block in SYSTEMD for line in block.splitlines()]
    script = "\n".join(lines)
    for said, instead in INSTEAD.items():
        script = script.replace(said, instead)
    program = f"set -euo pipefail\nuseradd() {{ :; }}; systemctl() {{ :; }}; systemd-run() {{ :; }}\n{script}"
    (tmp_path / "etc" / "systemd" / "system").mkdir(parents=True)
    done = subprocess.run(
        ["bash", "-c", program], cwd=ROOT, env={**os.environ, "THERE": str(tmp_path)}, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    copied = {path.name for path in (tmp_path / "etc" / "systemd" / "system").iterdir()}
    assert copied == {unit.name for unit in UNITS if unit.suffix in (".service", ".target", ".timer")}
    for secret in ("broadsheet.env", "broadsheet-backup.key"):
        assert (tmp_path / "etc" / secret).stat().st_mode & 0o777 == 0o600
    enabled = {name for line in lines if "enable" in line for name in re.findall(r"broadsheet[\w-]*@?\.?\w*", line)}
    assert {
        "broadsheet.service",
        "broadsheet-migrate.service",
        "broadsheet.target",
        "broadsheet-backup.timer",
    } <= enabled
    assert all((tmp_path / folder).is_dir() for folder in ("backups", "backup-keys"))


def test_the_nightly_backup_keeps_its_keys_in_a_folder_apart() -> None:
    unit = (FOLDER / "broadsheet-backup.service").read_text()
    (called,) = re.findall(r"^ExecStart=\S+ backup (.*)$", unit, re.MULTILINE)
    folder, keys = called.split()[0], called.split("--keys ")[1].split()[0]
    writable = re.findall(r"^ReadWritePaths=(.*)$", unit, re.MULTILINE)[0].split()
    assert {folder, keys} <= set(writable)
    assert not keys.startswith(f"{folder}/")


@pytest.mark.parametrize("page", ["running.md", "backup.md"])
def test_commands_of_the_pages_can_be_typed_as_they_are_written(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    typed = re.findall(r"`(broadsheet [a-z][^`]*)`", text) + re.findall(r"^\$ (broadsheet .*)$", text, re.MULTILINE)
    assert typed == []


def test_every_command_of_the_units_and_containers_exists() -> None:
    known = set(commands())
    texts = [unit.read_text() for unit in UNITS]
    called = re.findall(r"^ExecStart=/opt/broadsheet/broadsheet ([a-z]+)", "\n".join(texts), re.MULTILINE)
    called += [service["command"][0] for service in composed()["services"].values() if "build" in service]
    called += re.findall(r'^CMD \["(\w+)"', (FOLDER / "Containerfile").read_text(), re.MULTILINE)
    assert len(called) == 4 + len(PROCESSES) + 1 + 1
    assert set(called) <= known


EXAMPLES = {variable.name: variable.example for variable in VARIABLES} | {"SENDGRID_WEBHOOK_KEYS": P256}
FILLED = {name: EXAMPLES[name] if "CHANGE-ME" in value else value for name, value in EXAMPLE.items()}


def test_the_example_of_settings_is_taken_when_it_is_filled_in() -> None:
    found = settings.load(FILLED)
    assert not found.embedded
    assert not found.sandbox


def test_the_example_without_the_lines_about_servers_is_for_those_that_up_starts() -> None:
    names = list(EXAMPLE)
    servers = names[names.index("DATABASE_URL") : names.index("ADDRESS_KEY") + 1]
    assert len(servers) == 5, "as the example and the page say"
    found = settings.load({name: value for name, value in FILLED.items() if name not in servers})
    assert found.embedded
    assert not found.sandbox


@pytest.mark.parametrize("name", [name for name, value in EXAMPLE.items() if "CHANGE-ME" in value])
def test_the_example_of_settings_is_refused_until_all_of_it_is_filled_in(name: str) -> None:
    with pytest.raises(Invalid, match=f"{name} still says CHANGE-ME"):
        settings.load({**FILLED, name: EXAMPLE[name]})


def test_every_process_has_a_container_and_only_the_proxy_can_be_reached() -> None:
    services = composed()["services"]
    ours = {name: service for name, service in services.items() if service.get("image") == "broadsheet"}
    assert {name for name, service in ours.items() if service["command"] == ["run", name]} == PROCESSES
    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]
    for name, service in ours.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["env_file"] == "broadsheet.env", name
        if name != "migrate":
            assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    for name in ("postgres", "redis", "web"):
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
    assert "noeviction" in services["redis"]["command"]
    assert set(composed()["volumes"]) == {
        volume.split(":")[0]
        for service in services.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }


def test_images_are_of_named_versions_and_ours_runs_without_rights() -> None:
    images = [service["image"] for service in composed()["services"].values() if "build" not in service]
    lines = (FOLDER / "Containerfile").read_text().splitlines()
    images += [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert all(re.fullmatch(r"[a-z]+:\d[\w.-]*", image) for image in images), images
    assert lines.index("USER broadsheet") < next(n for n, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    assert all((ROOT / name).exists() for name in copied), copied
    ignored = (FOLDER / "Containerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    # What is filled in lies beside the example: it must not get into an image, nor into anybody's repository.
    for file in (ignored, (ROOT / ".gitignore").read_text().splitlines()):
        assert file.index("docs/running/broadsheet.env") > max(
            (n for n, line in enumerate(file) if line.startswith("!")), default=-1
        )


def test_the_roles_are_those_of_the_example() -> None:
    made = set(re.findall(r"CREATE ROLE (\w+)", (FOLDER / "roles.sh").read_text()))
    assert made == {re.split("[/:@]+", EXAMPLE[name])[1] for name in ("DATABASE_URL", "DATABASE_OWNER_URL")}
    assert subprocess.run(["bash", "-n", str(FOLDER / "roles.sh")], check=False).returncode == 0
