"""Starts real sandboxes and a real receiver of their webhooks for these tests, and speaks HTTP to them."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

KEY = "SG.test-key"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Answer:
    def __init__(self, status: int, headers: http.client.HTTPMessage, raw: bytes) -> None:
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def json(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def errors(self) -> list[dict[str, str | None]]:
        return list(self.json["errors"])

    @property
    def fields(self) -> list[str | None]:
        return [one["field"] for one in self.errors]


class Sandbox:
    """One process; `kill` ends it as hard as the machine can."""

    def __init__(self, home: Path, *, webhook_url: str = "", port: int | None = None) -> None:
        self.home, self.port, self.webhook_url = home, port or free_port(), webhook_url
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Sandbox":
        environment = os.environ | {"SANDBOX_API_KEY": KEY, "SANDBOX_WEBHOOK_URL": self.webhook_url}
        command = [sys.executable, "-m", "service.sandbox", "--port", str(self.port), "--home", str(self.home)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        wait_for(self._answers, seconds=20)
        return self

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, "the sandbox ended"
        try:
            return self.call("GET", "/healthz").status == 200
        except OSError:
            return False

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)

    def call(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        headers: dict[str, str] | None = None,
        timeout: float = 30,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        raw = content if isinstance(content, bytes) else orjson.dumps(content) if content is not None else None
        try:
            connection.request(method, path, body=raw, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def send(self, body: Any, *, key: str = KEY, timeout: float = 30) -> Answer:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return self.call("POST", "/v3/mail/send", body, headers=headers, timeout=timeout)

    def script(self, **words: Any) -> Answer:
        answer = self.call("POST", "/sandbox/script", words)
        assert answer.status == 200, answer.raw
        return answer

    def mails(self, address: str = "") -> Any:
        return self.call("GET", f"/sandbox/messages?to={address}").json

    def stats(self) -> dict[str, int]:
        return dict(self.call("GET", "/sandbox/stats").json)

    def pending(self) -> int:
        return int(self.call("GET", "/sandbox/events/pending").json["pending"])

    def settle(self, seconds: float = 20) -> None:
        wait_for(lambda: self.pending() == 0, seconds=seconds)


class Receiver:
    """Takes webhooks: keeps each POST, answers `status`."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((dict(self.headers.items()), raw))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_anything: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/sendgrid"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def events(self, address: str = "") -> list[dict[str, Any]]:
        found = [event for _, raw in list(self.posts) for event in orjson.loads(raw)]
        return [event for event in found if address in ("", event["email"])]

    def kinds(self, address: str) -> list[str]:
        return [event["event"] for event in self.events(address)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def wait_for(happened: Callable[[], bool], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"did not happen within {seconds} s"
        time.sleep(0.02)
