"""Shows in the database that this process lives, from a thread of its own: a worker that is busy with a long task is not dead."""

import threading
from collections.abc import Callable, Sequence

import structlog

from service.operations import epochs, workers

EVERY = 15.0
"""Seconds."""

log = structlog.get_logger(__name__)


class Heart:
    """Beats until it is stopped. `is_well`: whether what the process is for goes on; while not, the heart is silent."""

    def __init__(
        self, name: str, kind: str, queues: Sequence[str] = (), is_well: Callable[[], bool] = lambda: True
    ) -> None:
        self._name, self._kind, self._queues, self._is_well = name, kind, queues, is_well
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The process ends as it should."""
        self._stop.set()
        self._thread.join(5)
        self._try(lambda: workers.gone(self._name))

    def _run(self) -> None:
        while True:
            if self._is_well():
                self._try(lambda: workers.seen(self._name, kind=self._kind, queues=self._queues))
                self._try(epochs.keep)  # every machine's file knows what it has seen, whatever runs there
            if self._stop.wait(EVERY):
                return

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # a database that is away comes back; the heart must not die of it
            log.warning("sign of life not written", process=self._name, error=type(error).__name__)
