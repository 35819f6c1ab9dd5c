"""Some faults of the suite once, all of them in the long form; `broadsheet faults run` has them by the hundred."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service import wiring
from service.errors import BroadsheetError
from service.lab.faults import suite
from service.settings import Settings, current

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SHORT = ["F1", "F3", "F4", "F6", "F10"]
ALL = [name for name in suite.FAULTS if name not in (suite.GUARDED, suite.CLOCKED)]


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """The suite wires this process to machines of its own."""
    before: Settings = current()
    yield
    wiring.wire(before)


@pytest.mark.parametrize("chosen", [SHORT, pytest.param(ALL, marks=pytest.mark.long)], ids=["some", "all"])
def test_every_fault_once(tmp_path: Path, as_it_was: None, chosen: list[str]) -> None:
    report = tmp_path / "faults.jsonl"
    said: list[str] = []
    rows = suite.run(chosen, seeds=1, readers=200, stock=False, report=suite.Report(report), say=said.append)
    assert suite.is_green(rows), "\n".join(said)
    assert [row["runs"] for row in rows] == [1] * len(chosen)
    again = suite.run(chosen, seeds=1, readers=200, stock=False, report=suite.Report(report), say=said.append)
    assert again == rows
    assert len(said) == len(chosen), "what the report has is not run again"


def test_a_fault_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BroadsheetError, match="There is no fault F99"):
        suite.run(["F99"], seeds=1, readers=200, stock=False, report=suite.Report(None), say=print)
