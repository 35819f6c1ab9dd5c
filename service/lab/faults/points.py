"""Points in the product's work at which a process may be killed or stopped. They are put there from outside, in processes of the
fault suite only; a file of a point's name in a folder says that the next process that comes by is hurt, once."""

import functools
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from service import queue
from service.clients import sendgrid, sendgrid_events
from service.operations import preparing, sending, sweeping, tracking, tracking_events

SENDING = ("after_claim", "after_arm", "mid_request", "after_202_before_commit", "after_commit")
PREPARING = ("after_snapshot_page", "after_prepared")
OTHERS = ("in_reaper", "in_resolver", "in_hook_store", "in_hook_parse")
POINTS = (*SENDING, *OTHERS, *PREPARING)
PUBLISHING = "before_publish"
"""Between a commit and its bells; in web processes only."""

KILL, KILL_ALL, STOP = "kill", "kill-all", "stop"
"""Killed alone; killed with the whole group, parent and pool; stopped until somebody lets it go on."""

_folder: Path | None = None


def arm(folder: Path, point: str, do: str) -> None:
    """Hurt the next process that comes by. Replaces what was armed there before."""
    folder.mkdir(exist_ok=True)
    taken(folder, point).unlink(missing_ok=True)
    half = folder / f".{point}"
    half.write_text(do)
    half.replace(folder / point)


def disarm(folder: Path, point: str) -> None:
    (folder / point).unlink(missing_ok=True)


def taken(folder: Path, point: str) -> Path:
    """Exists once a process was hurt at the point, and holds its number."""
    return folder / f"{point}.taken"


def reach(point: str) -> None:
    """Be hurt, if this process is the first to come by since the point was armed."""
    if _folder is None:
        return
    mine = _folder / f".{point}.{os.getpid()}"
    try:
        (_folder / point).rename(mine)
    except FileNotFoundError:
        return
    do = mine.read_text()
    mine.write_text(str(os.getpid()))
    mine.replace(taken(_folder, point))
    if do == KILL_ALL:
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGSTOP if do == STOP else signal.SIGKILL)


def install(folder: Path, *, web: bool) -> None:
    """Put the points into this process and those that it forks."""
    global _folder
    _folder = folder
    _after(preparing, "audience", "after_snapshot_page")
    _after(preparing, "_prepare", "after_prepared")
    _after(sending, "_claim", "after_claim")
    _after(sending, "_arm", "after_arm")
    _after(sendgrid, "post", "after_202_before_commit")
    _before(sending, "go_on", "after_commit")
    _wrap(sweeping, "_lose", _losing)
    _after(tracking_events, "accept_late", "in_resolver")
    _after(sendgrid_events, "check", "in_hook_store")
    _after(tracking, "_take", "in_hook_parse")
    if web:
        _before(queue, "publish", PUBLISHING)
    sendgrid._PlainConnection.send = _send_in_halves  # type: ignore[method-assign,assignment]


def _after(module: ModuleType, name: str, point: str) -> None:
    _wrap(module, name, lambda inner, *args, **named: _then(inner(*args, **named), point))


def _losing(inner: Callable[..., None], *arguments: Any) -> None:
    inner(*arguments)
    reach("in_reaper")


def _before(module: ModuleType, name: str, point: str) -> None:
    def passing(inner: Callable[..., Any], *args: Any, **named: Any) -> Any:
        reach(point)
        return inner(*args, **named)

    _wrap(module, name, passing)


def _then(result: Any, point: str) -> Any:
    if result is not None and result is not False:  # a claim that got nothing, an arming that was refused
        reach(point)
    return result


def _wrap(module: ModuleType, name: str, around: Callable[..., Any]) -> None:
    inner = getattr(module, name)  # an AttributeError: the product has changed, and the point would never be reached

    @functools.wraps(inner)
    def wrapped(*args: Any, **named: Any) -> Any:
        return around(inner, *args, **named)

    setattr(module, name, wrapped)


_whole = sendgrid._PlainConnection.send


def _send_in_halves(connection: Any, data: Any) -> None:
    """Half of a request's body is on its way when the process is hurt."""
    if isinstance(data, bytes) and len(data) > 4096:
        half = len(data) // 2
        _whole(connection, data[:half])
        reach("mid_request")
        data = data[half:]
    _whole(connection, data)


def let_go(folder: Path, point: str) -> None:
    """Let a process that was stopped at the point go on."""
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):
        os.kill(int(taken(folder, point).read_text()), signal.SIGCONT)
