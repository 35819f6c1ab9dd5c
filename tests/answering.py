"""Servers of others, with the answers that a test gives them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from service.clients.dns import NoSuchName


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
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
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
