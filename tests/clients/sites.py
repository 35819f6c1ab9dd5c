"""A web site on this machine that answers as each path says, and remembers what it was asked."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Site(ThreadingHTTPServer):
    """`/ok`, `/status/404`, `/slow/2`, `/get-only/404`, `/to?https://…`, `/round`, `/drip`, `/endless`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.asked: list[tuple[str, str]] = []
        self.agents: set[str] = set()
        self.hosts: set[str] = set()
        self.most_at_once = 0
        self.at_once = 0
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, host: str = "site.test") -> str:
        return f"http://{host}:{self.port}{path}"


class _Answering(BaseHTTPRequestHandler):
    server: Site

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing on stderr."""

    def do_HEAD(self) -> None:
        self._answer()

    do_GET = do_HEAD  # noqa: N815

    def _answer(self) -> None:
        site = self.server
        with site.lock:
            site.asked.append((self.command, self.path))
            site.agents.add(self.headers["User-Agent"])
            site.hosts.add(self.headers["Host"])
            site.at_once += 1
            site.most_at_once = max(site.most_at_once, site.at_once)
        self.open = True
        try:
            self._say(self.path.partition("?")[0].strip("/").split("/"))
        finally:
            self._close()

    def _close(self) -> None:
        """Counted before the answer goes out: who has it may ask for the next at once."""
        if self.open:
            self.open = False
            with self.server.lock:
                self.server.at_once -= 1

    def _say(self, words: list[str]) -> None:
        match words:
            case ["status", code]:
                self._end(int(code))
            case ["slow", seconds]:
                time.sleep(float(seconds))
                self._end(200)
            case ["get-only", code]:
                self._end(int(code) if self.command == "HEAD" else 200)
            case ["to"]:
                self._end(302, self.path.partition("?")[2])
            case ["round"]:
                self._end(301, self.path)
            case ["drip"]:
                for _ in range(60):
                    self.wfile.write(b"H")
                    self.wfile.flush()
                    time.sleep(0.5)
            case ["endless"]:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                for _ in range(90):
                    self.wfile.write(b"X-Long: " + b"x" * 60_000 + b"\r\n")
                self.wfile.write(b"\r\n")
            case _:
                self._end(200)

    def _end(self, code: int, location: str | None = None) -> None:
        self._close()
        self.send_response(code)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def site() -> Iterator[Site]:
    """The site, running."""
    with Site() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
