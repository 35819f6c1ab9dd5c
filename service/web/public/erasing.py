"""Being erased: what goes, what stays and why; done by a ticked box and one button, answered with the certificate, which names
nobody and can be kept."""

import base64

from flask import Blueprint, Response, request

from service.operations import preferences
from service.operations.linking import Session
from service.operations.preferences_erasing import erase_reader
from service.settings import current
from service.web import frame, sessions
from service.web.frame import gettext, page

blueprint = Blueprint("erasing", __name__)


@blueprint.get("/preferences/erase")
def ask() -> Response:
    """What erasure means here, and the box to tick."""
    return _ask_page(sessions.required())


@blueprint.post("/preferences/erase")
def erase() -> Response:
    """Erase the reader, once the box is ticked. It cannot be undone."""
    session = sessions.required()
    sessions.read_form(session, request.form.get("form", ""))
    if request.form.get("sure") != "yes":
        return _ask_page(session, 422, gettext("Tick the box if you want to be erased. Nothing was erased yet."))
    number, text, file = erase_reader(session.subscriber_id)
    # In the page itself: there is nobody left whom a link to it could be kept for.
    href = "data:application/json;base64," + base64.b64encode(file.encode()).decode()
    response = page("public/erased.html", number=number, text=text, href=href)
    sessions.end(response)
    return response


def _ask_page(session: Session, status: int = 200, problem: str = "") -> Response:
    return page(
        "public/erase.html",
        status,
        session=session,
        reader=preferences.view(session.subscriber_id, frame.language()),
        form_seal=sessions.form_seal(session),
        keep_days=current().keep_consent_days,
        problems={"sure": problem} if problem else {},
    )
