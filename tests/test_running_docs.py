"""The files in docs/running are what docs/running.md says: units that systemd takes, containers of every process, settings that exist."""

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
    assert len(names) == 5
    done = subprocess.run([str(program), "verify", "--man=no", *names], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "broadsheet" in line]
    assert (done.returncode, ours) == (0, [])


def test_every_command_of_the_units_and_containers_exists() -> None:
    known = set(commands())
    texts = [unit.read_text() for unit in UNITS]
    called = re.findall(r"^ExecStart=/opt/broadsheet/broadsheet ([a-z]+)", "\n".join(texts), re.MULTILINE)
    called += [service["command"][0] for service in composed()["services"].values() if "build" in service]
    called += re.findall(r'^CMD \["(\w+)"', (FOLDER / "Containerfile").read_text(), re.MULTILINE)
    assert len(called) == 3 + len(PROCESSES) + 1 + 1
    assert set(called) <= known


EXAMPLES = {variable.name: variable.example for variable in VARIABLES} | {"SENDGRID_WEBHOOK_KEYS": P256}
FILLED = {name: EXAMPLES[name] if "CHANGE-ME" in value else value for name, value in EXAMPLE.items()}


def test_the_example_of_settings_is_taken_when_it_is_filled_in() -> None:
    found = settings.load(FILLED)
    assert not found.embedded
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
