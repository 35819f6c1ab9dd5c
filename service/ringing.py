"""Rings from a thread of the process for what may wait a moment: bells of one task that come at once go as one, and whoever rang waits for
none of them. What a process that was killed had not rung yet, the sweep rings."""

import atexit
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from queue import Empty, SimpleQueue

import structlog

log = structlog.get_logger(__name__)

Ring = Callable[[str, tuple[int, ...]], object]
Waiting = SimpleQueue[tuple[str, int]]

PAUSE = 0.05
"""Seconds in which bells are collected after some were rung; the first is rung at once."""
MOST = 20
"""Rows that one bell is for: a task of them is done well within the time that it may take."""


class Together:
    """Bells of tasks that take any number of rows, on their way to `ring`. Whatever it raises is a line in the log: the next ones are rung."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._process: int | None = None
        self._waiting: Waiting = SimpleQueue()

    def add(self, name: str, number: int) -> None:
        """Ring for this row, in a moment."""
        if self._process != os.getpid():
            # A child has none of its parent's threads. Two that begin at once make two of them, and each rings what it was given.
            self._waiting = self._begin()
            self._process = os.getpid()
        self._waiting.put((name, number))

    def _begin(self) -> Waiting:
        waiting: Waiting = SimpleQueue()
        threading.Thread(target=self._work, args=(waiting,), daemon=True).start()
        atexit.register(self._ring_all, waiting)
        return waiting

    def _work(self, waiting: Waiting) -> None:
        while True:
            self._ring_all(waiting, waiting.get())
            time.sleep(PAUSE)

    def _ring_all(self, waiting: Waiting, *first: tuple[str, int]) -> None:
        numbers = defaultdict(list)
        for name, number in [*first, *_rest(waiting)]:
            numbers[name].append(number)
        for name, rows in numbers.items():
            for start in range(0, len(rows), MOST):
                try:
                    self._ring(name, tuple(rows[start : start + MOST]))
                except Exception:
                    log.exception("bell not rung", task=name)


def _rest(waiting: Waiting) -> list[tuple[str, int]]:
    found = []
    try:
        while True:
            found.append(waiting.get_nowait())
    except Empty:
        return found
