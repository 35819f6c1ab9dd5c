"""Gives every request a name, the one that the proxy gave it or one of ours, which stands in every line that is logged meanwhile and in
the answer; and beside it the numbers of the issue, batch or whatever the address names."""

import re
import uuid

from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

HEADER = "X-Request-ID"
# No @, no slash: an address or a link in it would reach the log. Not longer than anybody's ids.
_GOOD = re.compile(r"[A-Za-z0-9_-]{8,64}")


def register(app: Flask) -> None:
    """Before all others, so that what refuses a request names it too."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _GOOD.fullmatch(given) else uuid.uuid4().hex
        # Threads are used again: nothing of the request before may stay.
        clear_contextvars()
        numbers = {name.removesuffix("_id"): n for name, n in (request.view_args or {}).items() if isinstance(n, int)}
        bind_contextvars(**{**numbers, "request": g.request_id})

    @app.after_request
    def tell(response: Response) -> Response:
        response.headers[HEADER] = g.get("request_id", "")
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        clear_contextvars()
