"""How long a reader waits for the database: a web request has until its deadline, whatever the server does. A frozen server sends
nothing and closes nothing, so only a clock on our side ends the wait. Whoever sets no deadline waits on."""

import math
import time
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Engine, event

SILENT = 1.5
"""Seconds that a request waits while the server has not answered the last ones: else all threads wait, and the next reader behind
them."""
REMEMBERED = 10.0
LEAST = 0.5
"""Seconds below which no connection is begun."""

_until: ContextVar[float | None] = ContextVar("deadline", default=None)
_changed: ContextVar[bool] = ContextVar("changed", default=False)
_silent_since: float | None = None


def begin(seconds: float | None) -> None:
    """From here on this thread waits so long for the database, all its statements together; and nothing was changed yet."""
    _changed.set(False)
    if seconds is None:
        _until.set(None)
        return
    now = time.monotonic()
    silent = _silent_since is not None and now - _silent_since < REMEMBERED
    _until.set(now + (min(seconds, SILENT) if silent else seconds))


def end() -> None:
    """No deadline any more."""
    _until.set(None)


def left() -> float | None:
    """Seconds until the deadline, not below nought; None where there is none."""
    until = _until.get()
    return None if until is None else max(0.0, until - time.monotonic())


def note_change() -> None:
    """Something was committed, or may have been: the server was asked to, and did not answer."""
    _changed.set(True)


def may_have_changed() -> bool:
    """Whether this request has changed something, or may have. False only when it surely has not."""
    return _changed.get()


def note_answer() -> None:
    """The server answers."""
    global _silent_since
    _silent_since = None


def _note_silence() -> None:
    global _silent_since
    _silent_since = time.monotonic()


class _Connection(psycopg.Connection[Any]):
    """One that gives up at the deadline. What the server was asked meanwhile may still be done, so the connection is not used
    again."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        remaining = left()
        if remaining is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, remaining if timeout is None else min(timeout, remaining))
        except errors._WaitTimeout:
            _note_silence()
            self.pgconn.finish()
            raise psycopg.OperationalError("the server did not answer in time") from None


def keep(engine: Engine) -> None:
    """Make this engine's connections, and the making of them, heed the deadline."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: list[Any], words: dict[str, Any]) -> Any:
        remaining = left()
        if remaining is not None:
            if remaining < LEAST:
                raise psycopg.OperationalError("the server did not answer in time")
            # psycopg takes whole seconds, and no fewer than two.
            words["connect_timeout"] = max(2, math.floor(remaining))
        try:
            return _Connection.connect(*arguments, **words)
        except errors.ConnectionTimeout:
            _note_silence()
            raise
