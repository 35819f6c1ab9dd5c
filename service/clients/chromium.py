"""Pictures of a mail as a mail program would show it, through Chromium where there is one. It runs no script of the mail, asks
nobody anything, keeps nothing, and ends after a minute whatever happens.

It is spoken to over two pipes (its DevTools protocol), so that no port is open to others on this machine.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.errors import BroadsheetError
from service.settings import current

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 60.0
TALLEST = 16_000
"""Pixels. Longer mails are cut there; Chromium draws no picture much higher."""
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--hide-scrollbars",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--password-store=basic",
)
# Chromium reads commands from file descriptor 3 and answers on 4, wherever the pipes are in this process.
_SHELL = 'read_from=$1 write_to=$2; shift 2; exec "$@" 3<"/dev/fd/$read_from" 4>"/dev/fd/$write_to"'


@dataclass(frozen=True)
class View:
    """A way to look at a mail."""

    name: str
    width: int
    scheme: str = "light"
    pictures: bool = True


VIEWS = (
    View("375-light", 375),
    View("375-dark", 375, "dark"),
    View("375-without-pictures", 375, pictures=False),
    View("680-light", 680),
    View("680-dark", 680, "dark"),
    View("680-without-pictures", 680, pictures=False),
)


def find() -> str:
    """The program's path. Raises BroadsheetError, saying what to install."""
    if chosen := current().chrome:
        if os.access(chosen, os.X_OK):
            return chosen
        raise BroadsheetError(f"CHROME names {chosen}, which is no program here. Correct it, or leave it out.")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise BroadsheetError(
            "Screenshots need Chromium, and there is none here. Install it (`apt install chromium`), or set CHROME to where it is."
        )
    return found


def photograph(html: str, views: tuple[View, ...] = VIEWS) -> Iterator[tuple[View, bytes]]:
    """A PNG of each view. Pictures are shown only from files of this machine. Raises BroadsheetError."""
    program = find()
    with tempfile.TemporaryDirectory(prefix="broadsheet-chromium-", ignore_cleanup_errors=True) as folder:
        page = Path(folder) / "mail.html"
        page.write_text(html, encoding="utf-8")
        with _running(program, Path(folder)) as browser:
            for view in views:
                yield view, _photograph(browser, page.as_uri(), view)


@dataclass
class _Browser:
    """A running Chromium: `call` asks and waits for the answer; what happens meanwhile is answered or remembered."""

    commands: int
    answers: int
    deadline: float
    number: int = 0
    rest: bytes = b""
    events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, session: str | None = None, /, **parameters: Any) -> dict[str, Any]:
        number = self.send(method, session, **parameters)
        while (message := self._next()).get("id") != number:
            self.events.append(message)
        if "error" in message:
            raise BroadsheetError(f"Chromium refused {method}: {message['error'].get('message', '')}")
        result: dict[str, Any] = message["result"]
        return result

    def send(self, method: str, session: str | None = None, /, **parameters: Any) -> int:
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        return self.number

    def event(self) -> dict[str, Any]:
        """The next thing that happened."""
        return self.events.pop(0) if self.events else self._next()

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.answers], [], [], max(0.0, self.deadline - time.monotonic()))
            if not ready:
                raise BroadsheetError(f"Chromium did not finish within {PATIENCE:.0f} seconds. Try again.")
            got = os.read(self.answers, 1 << 20)
            if not got:
                raise BroadsheetError("Chromium ended before it had drawn anything. Start it by hand to see why.")
            self.rest += got
        message, self.rest = self.rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def _running(program: str, folder: Path) -> Iterator[_Browser]:
    (their_in, our_out), (our_in, their_out) = _pipe(), _pipe()
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # root cannot use Chromium's own
    command = [program, *_FLAGS, *sandbox, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    process = subprocess.Popen(  # noqa: S603 (the operator's own Chromium; nothing of a mail is among the words)
        ["/bin/sh", "-c", _SHELL, "sh", str(their_in), str(their_out), *command],
        pass_fds=(their_in, their_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LANG": "C.UTF-8"},
    )
    os.close(their_in)
    os.close(their_out)
    try:
        yield _Browser(our_out, our_in, time.monotonic() + PATIENCE)
    except (BrokenPipeError, ConnectionError):
        raise BroadsheetError("Chromium could not be started. Start it by hand to see why.") from None
    finally:
        os.close(our_out)
        os.close(our_in)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _pipe() -> tuple[int, int]:
    """Both ends above the numbers that Chromium wants for itself."""
    ends = os.pipe()
    above = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return above[0], above[1]


def _photograph(browser: _Browser, page: str, view: View) -> bytes:
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(method: str, **parameters: Any) -> dict[str, Any]:
        return browser.call(method, session, **parameters)

    call("Page.enable")
    call("Fetch.enable", patterns=[{"urlPattern": "*"}])
    call("Emulation.setScriptExecutionDisabled", value=True)
    call("Emulation.setDeviceMetricsOverride", width=view.width, height=800, deviceScaleFactor=1, mobile=False)
    call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": view.scheme}])
    browser.send("Page.navigate", session, url=page)
    while (happened := browser.event()).get("method") != "Page.loadEventFired":
        if happened.get("method") == "Fetch.requestPaused":
            _settle(browser, session, happened["params"], page, view)
    height = min(TALLEST, int(call("Page.getLayoutMetrics")["cssContentSize"]["height"]))
    clip = {"x": 0, "y": 0, "width": view.width, "height": height, "scale": 1}
    shot = call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    browser.call("Target.closeTarget", targetId=target)
    browser.events.clear()
    return base64.b64decode(shot["data"])


def _settle(browser: _Browser, session: str, paused: dict[str, Any], page: str, view: View) -> None:
    """The mail itself, and pictures from this machine; nothing else, from nowhere."""
    url = paused["request"]["url"]
    is_picture = paused["resourceType"] == "Image" and url.startswith(("file:", "data:"))
    if url == page or (is_picture and view.pictures):
        browser.send("Fetch.continueRequest", session, requestId=paused["requestId"])
    else:
        browser.send("Fetch.failRequest", session, requestId=paused["requestId"], errorReason="BlockedByClient")
