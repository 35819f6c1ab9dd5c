"""A reader's half hour at their preferences: the sealed cookie that names the opened link, and the sealed value that every form
within it carries. Refuses forms of other sites, of other sessions, and everything after the end."""

from typing import Any

from flask import Response, g
from werkzeug.exceptions import Forbidden

from service.errors import BroadsheetError
from service.operations import linking
from service.operations.linking import SESSION_LASTS, Session
from service.web import frame
from service.web.sealed import drop_cookie, read_cookie, seal, set_cookie, unseal

_COOKIE = "reader"
_FORM = "reader-form"


class SessionEnded(BroadsheetError):
    """Nobody is here, or not any more: a new link is needed."""


def begin(response: Response, link_id: int) -> None:
    """Let this browser in; how long is counted on our side from the link's opening."""
    set_cookie(response, _COOKIE, seal(_COOKIE, link_id), SESSION_LASTS)


def end(response: Response) -> None:
    """Make this browser forget that it was let in."""
    drop_cookie(response, _COOKIE)


def current() -> Session | None:
    """Who is here, if the link's half hour still runs and was not ended."""
    link_id = unseal(_COOKIE, read_cookie(_COOKIE) or "", SESSION_LASTS)
    return linking.session(link_id) if isinstance(link_id, int) else None


def required() -> Session:
    """Who is here; the page speaks their language from now on. Raises SessionEnded."""
    session = current()
    if session is None:
        raise SessionEnded("Ask for a new link.")
    g.reader_language = session.language
    return session


def form_seal(session: Session, **values: object) -> str:
    """What a form of this session carries, so that no other site and no other session can send it."""
    return seal(_FORM, {**values, "link": session.link_id})


def read_form(session: Session, text: str) -> dict[str, Any]:
    """What a form of this very session carried. Raises Forbidden for anything else."""
    found = unseal(_FORM, text, SESSION_LASTS)
    if not isinstance(found, dict) or found.get("link") != session.link_id:
        raise Forbidden
    return found


def ended(_: SessionEnded) -> Response:
    """The page that is shown in place of whatever needs a session."""
    response = frame.page("public/session_ended.html", 403)
    end(response)
    return response
