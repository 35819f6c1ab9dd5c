"""A machine that does not come up leaves nothing running and nothing on the disk."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import BroadsheetError, Invalid
from service.lab.faults import sizes
from service.lab.faults.machine import Machine
from service.lab.faults.servers import StockServers
from tests.conftest import missing


class Interrupted(StockServers):
    """Whose making is broken off when both servers run."""

    def _create(self) -> None:
        super()._create()
        assert len(running(str(self._outer))) >= 2
        raise KeyboardInterrupt


class Silent(Machine):
    """Whose `up` is given up."""

    def _answers(self) -> bool:
        assert running(str(self.home.parent))
        raise AssertionError("it says nothing")


def running(named: str) -> list[int]:
    """Processes whose command line or output names that folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # Redis writes over its command line.
            if named in (entry / "cmdline").read_bytes().decode(errors="replace") + str(
                (entry / "fd" / "1").readlink()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture
def outer() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="broadsheet-starting-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_servers_that_were_half_made_are_ended(outer: Path) -> None:
    try:
        with pytest.raises(KeyboardInterrupt):
            Interrupted(outer, {})
    except BroadsheetError as error:
        missing(str(error))
    assert running(str(outer)) == []


def test_a_machine_with_bad_settings_leaves_no_servers_and_no_folder(
    outer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_words: str(outer))
    monkeypatch.setenv("LOG_LEVEL", "loud")
    try:
        with pytest.raises(Invalid, match="LOG_LEVEL"):
            Machine(sizes.chosen(), stock=True)
    except BroadsheetError as error:
        missing(str(error))
    assert (running(str(outer)), outer.exists()) == ([], False)


def test_an_up_that_does_not_answer_is_ended() -> None:
    machine = Silent(sizes.chosen())
    try:
        with pytest.raises(AssertionError, match="says nothing"):
            machine.start()
        assert running(str(machine.home.parent)) == []
    finally:
        machine.close()
    assert not machine.home.parent.exists()
