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

    def _is_busy(self) -> bool:
        resting = len(self.keepalived_conns) + len(self.pending_conns)
        return bool(self.nr_conns - resting >= self.cfg.threads)
