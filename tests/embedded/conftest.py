"""Owners of embedded servers as processes of their own, and homes that clean up after themselves."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.embedded import Servers

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path("/var/lib/broadsheet")
USE = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from service import embedded
try:
    with embedded.running(Path(sys.argv[1])) as found:
        print(json.dumps(asdict(found)), flush=True)
        sys.stdin.read()
except embedded.EmbeddedError as error:
    sys.exit(str(error))
"""


class User:
    """A process that uses a home's servers until told to leave: the owner if it is the first, else a guest."""

    def __init__(
        self, home: Path, *, python: str = sys.executable, uid: int | None = None, site: Path | None = None
    ) -> None:
        path = os.pathsep.join(str(part) for part in (site, ROOT) if part)
        self.process = subprocess.Popen(
            [python, "-c", USE, str(home)],
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def servers(self) -> Servers:
        assert self.process.stdout
        assert self.process.stderr
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return Servers(**json.loads(line))

    def leave(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def ended(self) -> str:
        """Wait for its end; returns what it said to the person."""
        self.process.wait(60)
        assert self.process.stderr
        return self.process.stderr.read()


@pytest.fixture
def use() -> Iterator[Callable[..., User]]:
    """Start a user of a home."""
    started: list[User] = []

    def start(home: Path, **how: object) -> User:
        started.append(User(home, **how))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for user in reversed(started):
        if user.process.poll() is None:
            user.process.kill()
            user.process.wait()


@pytest.fixture
def home() -> Iterator[Path]:
    """A home below folders that every account may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="broadsheet-test-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder / "var"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def closed_home(tmp_path: Path) -> Iterator[Path]:
    """A home below a folder that only its owner may enter, as root's own is."""
    if os.geteuid() != 0:
        pytest.skip("only root hands the servers to an account that cannot enter a folder")
    tmp_path.chmod(0o700)
    yield tmp_path / "var"
    for left in SHARED.glob("data-*/home"):
        if Path(left.read_text()).is_relative_to(tmp_path):
            shutil.rmtree(left.parent)
