"""Visitors of a machine under fault are counted when they were really there."""

import threading
import time
from typing import Any

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
