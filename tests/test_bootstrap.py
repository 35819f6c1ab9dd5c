"""The bootstrap, run for real in small checkouts of its own: a lock with one tiny wheel, and a command that tells how it was
called. Needs no network."""

import ast
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

BOOTSTRAP = Path(__file__).resolve().parents[1] / "broadsheet"
ECHO = (
    "import json, os, sys, tiny\n"
    "print(json.dumps({'arguments': sys.argv[1:], 'cwd': os.getcwd(), 'path': os.environ['PYTHONPATH'], 'tiny': tiny.__file__}))\n"
)
FAKE_PYTEST = "import sys\nprint(sys.argv[1:])\nsys.exit(5)\n"


def _wheel(folder: Path, name: str, source: str) -> str:
    """Make a wheel of one module; returns its line for a hash-locked file."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for path, text in files.items()
    )
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a check out"
    for name in ("requirements", "service", "wheels"):
        (root / name).mkdir(parents=True)
    shutil.copy(BOOTSTRAP, root / "broadsheet")
    (root / "service" / "__init__.py").touch()
    (root / "service" / "cli.py").write_text(ECHO)
    tiny = _wheel(root / "wheels", "tiny", "")
    pytest_stand_in = _wheel(root / "wheels", "pytest", FAKE_PYTEST)
    (root / "requirements" / "runtime.txt").write_text(tiny)
    (root / "requirements" / "test.txt").write_text(tiny + pytest_stand_in)
    return root


def _environment(root: Path, **more: str) -> dict[str, str]:
    """No uv on the path; the wheels are found through pip's own settings."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(root.parent),
        "TMPDIR": str(root.parent),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": (root / "wheels").as_uri(),
        **more,
    }


def _run(root: Path, *arguments: str, script: Path | None = None, cwd: Path | None = None, **more: str) -> Any:
    return subprocess.run(
        [sys.executable, str(script or root / "broadsheet"), *arguments],
        cwd=cwd or root,
        env=_environment(root, **more),
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_the_first_run_sets_up_in_one_line_and_the_second_says_nothing(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(checkout / "broadsheet")
    first = _run(checkout, "send", "--json", script=link, cwd=tmp_path)
    assert first.stderr.splitlines() == ["Setting up Broadsheet (first run only, about 30 s)…"]
    told = json.loads(first.stdout)
    assert told["arguments"] == ["send", "--json"]
    assert told["cwd"] == str(tmp_path)
    assert told["path"] == str(checkout)
    assert told["tiny"].startswith(str(checkout / ".venv"))
    second = _run(checkout, "send", cwd=Path("/"))
    assert (second.returncode, second.stderr) == (0, "")


def test_a_module_in_the_users_folder_does_not_stand_in_for_ours(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text("raise SystemExit('the wrong module')")
    assert _run(checkout, cwd=tmp_path).returncode == 0


def test_what_the_tests_need_is_enough_for_running_and_a_changed_lock_is_installed(checkout: Path) -> None:
    tested = _run(checkout, "test", "-k", "x")
    assert tested.stdout.strip() == "['-n', '2', '-k', 'x']"
    assert tested.returncode == 5
    assert _run(checkout, "test", "-n0").stdout.strip() == "['-n0']"
    assert _run(checkout).stderr == ""
    added = _wheel(checkout / "wheels", "added", "")
    with (checkout / "requirements" / "runtime.txt").open("a") as lock:
        lock.write(added)
    assert "Setting up" in _run(checkout).stderr
    assert list((checkout / ".venv").glob("lib/*/site-packages/added.py"))


def test_a_wheel_that_is_not_what_the_lock_says_is_refused_and_the_next_run_mends_it(checkout: Path) -> None:
    lock = checkout / "requirements" / "runtime.txt"
    good = lock.read_text()
    lock.write_text(good.split("sha256:")[0] + "sha256:" + "0" * 64 + "\n")
    refused = _run(checkout)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 2
    assert not list((checkout / ".venv").glob("lib/*/site-packages/tiny.py"))
    lock.write_text(good)
    assert _run(checkout).returncode == 0


def test_two_first_runs_at_once_both_succeed_and_one_of_them_installs(checkout: Path) -> None:
    command = [sys.executable, str(checkout / "broadsheet")]
    both = [
        subprocess.Popen(command, env=_environment(checkout), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=100)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert "".join(said).count("Setting up") == 1


@pytest.mark.parametrize("sign", ["bin/python", "lib/*/site-packages/pip"])
def test_a_kill_in_the_middle_is_mended_by_the_next_run(checkout: Path, sign: str) -> None:
    process = subprocess.Popen(
        [sys.executable, str(checkout / "broadsheet")],
        env=_environment(checkout),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list((checkout / ".venv").glob(sign)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (checkout / ".venv" / "broadsheet.json").exists()
    after = _run(checkout)
    assert after.returncode == 0, after.stderr
    assert "Setting up" in after.stderr


def test_the_script_can_be_read_by_an_old_python() -> None:
    ast.parse(BOOTSTRAP.read_text(), feature_version=(3, 6))


def test_an_old_python_looks_for_a_new_one_and_else_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 8, 10, 'final', 0)\n")
    alone = _run(checkout, PYTHONPATH=str(old), PATH=str(tmp_path))
    assert alone.returncode == 1
    assert alone.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer, and this is 3.8" in alone.stderr
    newer = tmp_path / "python3.12"
    newer.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec "{sys.executable}" "$@"\n')
    newer.chmod(0o755)
    found = _run(checkout, "status", PYTHONPATH=str(old), PATH=f"{tmp_path}:/bin")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["arguments"] == ["status"]


def test_without_a_network_one_line_says_so(checkout: Path) -> None:
    shutil.rmtree(checkout / "wheels")
    run = _run(
        checkout, PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0"
    )
    assert run.returncode == 1
    assert "the package index does not answer" in run.stderr.splitlines()[1]


def test_a_read_only_checkout_names_the_variable_that_helps(checkout: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        blocked = Path("/sys/broadsheet")  # not even root makes folders there
        refused = _run(checkout, BROADSHEET_VENV=str(blocked))
    else:
        checkout.chmod(0o555)
        refused = _run(checkout)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "set BROADSHEET_VENV=" in refused.stderr
    elsewhere = _run(checkout, BROADSHEET_VENV=str(tmp_path / "else where"))
    assert json.loads(elsewhere.stdout)["tiny"].startswith(str(tmp_path / "else where"))
    checkout.chmod(0o755)


def test_a_folder_with_other_files_is_never_emptied(checkout: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "letter.txt").write_text("keep me")
    refused = _run(checkout, BROADSHEET_VENV=str(precious))
    assert refused.returncode == 1
    assert (precious / "letter.txt").read_text() == "keep me"


def test_files_are_named_where_the_checkout_is_not_complete(checkout: Path) -> None:
    (checkout / "requirements" / "runtime.txt").unlink()
    refused = _run(checkout)
    assert refused.returncode == 1
    assert "runtime.txt is missing" in refused.stderr
