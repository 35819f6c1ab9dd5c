"""The sandbox's HTTP server: threads, HTTP/1.1, bound to 127.0.0.1 and nothing else, silent unless something breaks."""

import gc
from typing import Any

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

HOST = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    # A client that stops in the middle of a request must not keep its thread for ever.
    timeout = 120

    def log_request(self, *_anything: Any) -> None:
        """Nothing: a line per request would hold addresses in its query."""


class Server(ThreadedWSGIServer):
    daemon_threads = True
    # Bursts of clients that each open a connection per request; the default of 128 would do, 5 would not.
    request_queue_size = 256


def make(app: Flask, port: int) -> Server:
    # A decoded request is tens of thousands of objects without cycles: collecting at the default pace costs a seventh.
    gc.set_threshold(200_000, 20, 20)
    return Server(HOST, port, app, handler=_Quiet)
