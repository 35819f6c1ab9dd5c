"""Looks at a set-up that is broken in one way, and says what the doctor found there."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from service.clients.dns import NoSuchName
from service.operations import diagnosing
from service.operations.diagnosing import Finding, Surroundings
from service.settings import Settings

PATIENCE = 30.0
"""Seconds: a machine that runs other tests is slow, and only one test is about being late."""


def around(chosen: Settings, **changed: Any) -> Surroundings:
    """What is looked at where these settings are changed."""
    return Surroundings(replace(chosen, **changed))


def looked(name: str, where: Surroundings, seconds: float = PATIENCE) -> list[Finding]:
    """What is said of one thing, after what it needs was looked at."""
    needed = {one.needs for one in diagnosing.CHECKS if one.name == name}
    checks = [one for one in diagnosing.CHECKS if one.name == name or one.name in needed]
    return diagnosing.diagnose(where, seconds=seconds, checks=checks)[name]


def told(findings: list[Finding], level: str, text: str, remedy: str) -> None:
    """One of the findings is of this level, names the fault by these words and its remedy by those."""
    for one in findings:
        if one.level == level and text.lower() in one.text.lower() and remedy.lower() in one.remedy.lower():
            return
    raise AssertionError(f"no {level} says “{text}” and “{remedy}”: {findings}")


def is_well(findings: list[Finding]) -> None:
    """Nothing is broken or doubtful."""
    assert [one for one in findings if one.level != "ok"] == []
    assert findings


@contextmanager
def answering(answers: dict[str, tuple[int, Any]], **headers: str) -> Iterator[str]:
    """A web server with these answers by path; any other path is answered as `*` is."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path.partition("?")[0], answers.get("*", (404, {})))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Names:
    """Name servers that know these records only."""

    def __init__(self, records: dict[tuple[str, str], list[str]]) -> None:
        self._records = records

    def records(self, name: str, kind: str) -> list[str]:
        if (name, kind) not in self._records:
            raise NoSuchName(name)
        return self._records[name, kind]
