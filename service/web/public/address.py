"""Changing the address: asked for at the reader's own page, answered by a button behind each of two mailed links."""

from flask import Blueprint, Response, g, make_response, redirect, request, url_for

from service.domain.addresses import AddressError
from service.errors import Invalid
from service.operations import changing_address, preferences
from service.operations.changing_address import ChangeView
from service.operations.linking import Session
from service.web import frame, sessions
from service.web.frame import gettext, page

blueprint = Blueprint("address", __name__)


@blueprint.get("/preferences/address")
def ask() -> Response:
    """The form for the new address, and a change that awaits an answer."""
    return _ask_page(sessions.required())


@blueprint.post("/preferences/address")
def send() -> Response:
    """Ask both ends by mail. The answer is the same whatever is known of the new address."""
    session = sessions.required()
    sessions.read_form(session, request.form.get("form", ""))
    typed = request.form.get("address", "")[:1000]
    try:
        changing_address.ask(session.subscriber_id, typed)
    except AddressError as error:
        return _ask_page(session, 422, problem=gettext(error.text, **error.values), typed=typed)
    except Invalid as error:
        return _ask_page(session, 422, problem=gettext(str(error)), typed=typed)
    return make_response(redirect(url_for(".ask"), 303))


@blueprint.get("/a/<token>")
def show(token: str) -> Response:
    """The page behind either link: it changes nothing."""
    return _answer_page(changing_address.view(token), token)


@blueprint.post("/a/<token>")
def answer(token: str) -> Response:
    """Yes from either end, or “this was not me” from the old one. The token is the authority."""
    if request.form.get("answer") == "no":
        return _answer_page(changing_address.refuse(token), token)
    return _answer_page(changing_address.agree(token), token)


def _ask_page(session: Session, status: int = 200, *, problem: str = "", typed: str = "") -> Response:
    found = preferences.view(session.subscriber_id, frame.language())
    return page(
        "public/address.html",
        status,
        session=session,
        reader=found,
        form_seal=sessions.form_seal(session),
        pending=changing_address.pending(session.subscriber_id),
        problems={"address": problem} if problem else {},
        typed=typed,
    )


def _answer_page(view: ChangeView, token: str) -> Response:
    g.reader_language = view.language
    return page("public/address_answer.html", change=view, token=token)
