"""What is answered when something fails or is refused: never a false “done”, never a traceback. Browsers get a page in the
reader's language, programs get short words or JSON."""

from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, jsonify, request
from sqlalchemy.exc import DataError, DBAPIError
from werkzeug.exceptions import HTTPException

from service import deadline
from service.errors import Conflict, Forbidden, Invalid, NotFound, RetryLater
from service.languages import mark, translation
from service.web.admin import frame as admin
from service.web.admin import gate
from service.web.frame import gettext, language, page

log = structlog.get_logger(__name__)

PATIENCE = 6.0
"""Seconds for all that a request asks of the database; a reader is to have an answer within ten."""

_WORDS = {
    400: (
        mark("This could not be read"),
        mark("What was sent is incomplete or damaged. Go back, and try it once more."),
    ),
    403: (
        mark("This is not allowed"),
        mark("The link or form has not been accepted. Open it again, and try it once more."),
    ),
    404: (
        mark("This link does not work"),
        mark("The address may have been cut off or mistyped. If it is from a mail, open it from the mail itself."),
    ),
    405: (
        mark("This cannot be opened like that"),
        mark("Nothing was changed. Open the link again from the mail or the page that it is on."),
    ),
    409: (
        mark("This is no longer possible"),
        mark("Something has changed in the meantime. Open the page again to see how things are."),
    ),
    413: (mark("This is too much at once"), mark("What was sent is too large. Shorten it, and try it once more.")),
    429: (mark("Too many attempts"), mark("Nothing was changed. Please wait a few minutes, and try it once more.")),
    500: (
        mark("This did not work"),
        mark(
            "The fault is ours, and it has been noted. Please try again in a minute: the link in your mail keeps working."
        ),
    ),
    503: (
        mark("This did not work just now"),
        mark("Nothing was changed. Please try again in a minute: the link in your mail keeps working."),
    ),
}
"""Status → what has happened, and what to do. 500 does not say that nothing was changed: nobody knows."""

_TEAMS_WORDS = {
    400: ("This could not be read", "Nothing was changed. Go back, and try it once more."),
    403: ("This is not allowed", "Nothing was changed. If a form was open for long, load its page anew."),
    404: ("This is not here", "It may have been removed, or be in a newsletter that you have no role in."),
    405: ("This cannot be opened like that", "Nothing was changed. Go back to the page that you came from."),
    409: (
        "This is no longer possible",
        "Something has changed in the meantime. Open the page again to see how things are.",
    ),
    413: ("This is too much at once", "Nothing was changed. Take a smaller file."),
    422: ("This cannot be accepted", "Nothing was changed. Go back, and mend what is named."),
    429: ("Too many attempts", "Nothing was changed. Wait a few minutes, and try it once more."),
    500: (
        "This did not work",
        "The fault is ours, and it is in the log. Look whether it was done before you try again.",
    ),
    503: ("This did not work just now", "Nothing was changed. The database did not answer; try again in a minute."),
}
"""The same for the team."""

_UNSURE = mark(
    "It is not certain whether this was done. Please try again in a minute: the link in your mail keeps working, and doing it twice does no harm."
)
"""Instead, when a change was under way as the database fell silent."""

_NOT_SHOWN = mark(
    "This page cannot be shown just now. Please try again in a minute: the link in your mail keeps working."
)
"""Instead, for what only shows: perhaps what was done on the page before it, of which nobody must hear that it was not."""

_AGAIN_LATER = (429, 500, 503)


def register(app: Flask) -> None:
    """A database that is away is 503, which mail providers try again."""
    app.before_request(_begin)
    app.teardown_request(lambda _error: deadline.end())
    app.register_error_handler(DBAPIError, _database_away)
    app.register_error_handler(DataError, _unreadable)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(NotFound, lambda error: answer(404, str(error)))
    app.register_error_handler(
        gate.ProofNeeded, lambda _: admin.page("account/proof.html", 403, problems=(), next=_way_back())
    )
    app.register_error_handler(Invalid, lambda error: answer(400, str(error)))
    app.register_error_handler(Conflict, lambda error: answer(409, str(error)))
    app.register_error_handler(Forbidden, lambda error: answer(403, str(error)))
    app.register_error_handler(RetryLater, lambda error: _later(answer(503)))
    app.register_error_handler(Exception, _broken)


def answer(status: int, reason: str = "") -> Response:
    """The answer for a status of 400 and above. `reason` is one sentence of ours that says more; it is translated where a
    catalogue has it."""
    if gate.is_ours() or request.path.startswith(gate.PREFIX + "/"):
        return _to_the_team(status, reason)
    title, advice = _WORDS.get(status, _WORDS[500 if status >= 500 else 400])
    if status == 503 and deadline.may_have_changed():
        advice = _UNSURE
    elif status == 503 and request.method in ("GET", "HEAD"):
        advice = _NOT_SHOWN
    title, advice = gettext(title), gettext(advice)
    said = translation(language()).gettext(reason) if reason else ""
    if _wants_page():
        template = "unavailable" if status in _AGAIN_LATER else "not_found" if status == 404 else "refused"
        foreign = said == reason and language() != "en"
        return page(f"public/{template}.html", status, title=title, advice=advice, reason=said, foreign=foreign)
    if request.accept_mimetypes.best == "application/json" or request.path.startswith("/api/v1/"):
        response = jsonify(status=status, error=title, reason=said or advice)
        response.status_code = status
    else:
        response = Response(" ".join(filter(None, (f"{title}.", said, advice))) + "\n", status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response


def _to_the_team(status: int, reason: str) -> Response:
    """The team's words for it, in the team's frame; in the middle of a page, a notice that htmx puts on top."""
    title, advice = _TEAMS_WORDS.get(status, _TEAMS_WORDS[500 if status >= 500 else 400])
    if status == 503 and deadline.may_have_changed():
        advice = (
            "The database fell silent while something was being changed. Look whether it was done before you try again."
        )
    show = admin.fragment if request.headers.get("HX-Request") else admin.page
    template = "parts/fault.html" if request.headers.get("HX-Request") else "fault.html"
    return show(template, status, title=title, advice=advice, reason=reason)


def _way_back() -> str:
    """Where somebody was; a form that they had filled in is to be sent once more from its page."""
    return request.path if request.method == "GET" else urlsplit(request.referrer or "").path


def _wants_page() -> bool:
    """A browser names HTML. “*/*” is what programs send, SendGrid's and the mail providers' among them."""
    return request.blueprint != "webhooks" and "text/html" in request.headers.get("Accept", "").lower()


def _begin() -> None:
    """Readers, and programs that post what readers do, are answered soon; what the team asks for may take its time."""
    deadline.begin(None if gate.is_ours() or request.blueprint == "api_team" else PATIENCE)


def _database_away(error: DBAPIError) -> Response:
    log.error("database not available to a request", endpoint=request.endpoint, error=type(error.orig).__name__)
    return _later(answer(503))


def _unreadable(error: DataError) -> Response:
    """What no text of the database can hold, such as a NUL in an address: it is there, and trying again would not help."""
    log.warning("a request held what cannot be read", endpoint=request.endpoint, error=type(error.orig).__name__)
    return answer(404 if request.method in ("GET", "HEAD") else 400)


def _broken(error: Exception) -> Response:
    log.exception("a request failed", endpoint=request.endpoint, error=type(error).__name__)
    return answer(500)


def _refused(error: HTTPException) -> Response:
    response = error.get_response() if error.code is None or error.code < 400 else answer(error.code)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response  # type: ignore[return-value]


def _later(response: Response) -> Response:
    response.headers["Retry-After"] = "60"
    return response
