"""Gunicorn's threaded worker, which takes a connection only when it has a thread for it. Gunicorn's own takes whatever comes, and the process
that wakes first may get all of a proxy's connections: the other one rests while requests wait."""

from typing import Any

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc]
    """While all of its threads are busy, a new connection waits where another process may take it."""

    def accept(self, listener: Any) -> None:
        """Take a connection, or look for none until a thread is free."""
        if self._is_busy():
            self.set_accept_enabled(False)
        else:
            super().accept(listener)

    def set_accept_enabled(self, enabled: bool) -> None:
        """The worker's loop asks for this again after every event."""
        super().set_accept_enabled(enabled and not self._is_busy())

    @property
    def max_keepalived(self) -> int:
        """How many connections may stay open after their answers. None while one waits for a thread: those that are always asking would
        keep everybody else from being taken."""
        return 0 if self._asking() > self.cfg.threads else self._most_kept

    @max_keepalived.setter
    def max_keepalived(self, most: int) -> None:
        self._most_kept = most

    def _is_busy(self) -> bool:
        return self._asking() >= int(self.cfg.threads)

    def _asking(self) -> int:
        return int(self.nr_conns) - len(self.keepalived_conns) - len(self.pending_conns)
