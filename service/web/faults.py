"""What a reader sees when something of ours fails: never a false “done”, never a traceback."""

import structlog
from flask import Flask, Response, make_response, render_template, request
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

log = structlog.get_logger(__name__)


def register(app: Flask) -> None:
    """Answer faults with a page that says what to do; a database that is away is 503, which mail providers try again."""
    app.register_error_handler(DBAPIError, _database_away)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _broken)


def _database_away(error: DBAPIError) -> Response:
    log.error("database not available to a request", endpoint=request.endpoint, error=type(error.orig).__name__)
    response = _page(503)
    response.headers["Retry-After"] = "60"
    return response


def _broken(error: Exception) -> Response:
    log.exception("a request failed", endpoint=request.endpoint, error=type(error).__name__)
    return _page(500)


def _refused(error: HTTPException) -> Response:
    """Bad requests keep their own short words; they hold nothing that was sent to us."""
    return Response(f"{error.code} {error.name}\n", error.code, mimetype="text/plain")


def _page(status: int) -> Response:
    response = make_response(render_template("public/unavailable.html"), status)
    response.headers["Cache-Control"] = "no-store"
    return response
