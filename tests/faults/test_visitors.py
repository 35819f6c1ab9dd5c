"""Visitors of a machine under fault are counted when they were really there, and runs when they were really in the middle."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from service.lab import bench
from service.lab.faults import suite
from service.lab.faults.issues import TooLateError
from service.lab.faults.servers_hurt import _Visitors
from service.settings import Settings


class _Machine:
    """With two readers who can leave, and one who answers."""

    def __init__(self) -> None:
        self.left: list[str] = []

    def sql(self, *_: object) -> list[tuple[int]]:
        return [(1,), (2,)]

    def leave(self, token: str, timeout: float) -> int:
        self.left.append(token)
        return 200


class _Run:
    newsletter = 1

    def __init__(self, machine: Any) -> None:
        self.machine = machine


def test_when_all_have_left_nobody_is_counted_as_answered(database: Settings) -> None:
    machine = _Machine()
    run: Any = _Run(machine)
    visitors = _Visitors(run, always_answered=True)
    thread = threading.Thread(target=visitors._again, args=(visitors._leave,))
    thread.start()
    deadline = time.monotonic() + 10
    while visitors._free and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.8)
    visitors._stop.set()
    thread.join()
    assert (visitors.answered, len(machine.left), visitors.wrong) == (2, 2, [])


class _Ready:
    """A machine on which nothing happens."""

    size = SimpleNamespace(patience=1, pace=0.05)

    def is_open(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("late", "doubled", "begun", "came_to"),
    [(0, 9, 1, "ok"), (2, 9, 3, "ok"), (3, 9, 3, "broken off"), (2, 1, 1, "I1"), (2, 2, 2, "I1")],
)
def test_a_run_that_came_too_late_is_made_again_unless_it_went_wrong(
    monkeypatch: pytest.MonkeyPatch, late: int, doubled: int, begun: int, came_to: str
) -> None:
    """The first `late` runs come too late, and in the one of number `doubled` somebody gets two copies."""
    runs: list[int] = []

    def fault(run: Any) -> None:
        runs.append(run.seed)
        if len(runs) <= late:
            raise TooLateError("it was over")

    monkeypatch.setitem(suite.FAULTS, "F1", ("a fault", fault, 1))
    monkeypatch.setattr(
        suite,
        "settle",
        lambda run, _: suite._nothing(0.0, ["I1: two copies"] if len(runs) == doubled else [], run.notes),
    )
    machine: Any = _Ready()
    found = suite.once(machine, 1, bench.Form(()), "F1", 7)
    assert runs == [7] * begun
    assert found["notes"] == ({"tries": begun} if begun > 1 else {})
    assert [came_to] == (["ok"] if not found["faults"] else [found["faults"][0].split(":")[0]])
