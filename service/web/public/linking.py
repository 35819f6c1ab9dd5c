"""Asking for a link to the preferences, and opening it. The answer is the same for every address; the link opens once, by a
button that no scanner presses."""

import math
from datetime import timedelta

from flask import Blueprint, Response, g, make_response, redirect, request, url_for
from werkzeug.exceptions import Forbidden

from service.domain.addresses import AddressError
from service.domain.networks import network_of
from service.errors import Conflict
from service.operations import linking
from service.web import frame, sessions
from service.web.frame import gettext, page
from service.web.sealed import is_from_our_page, read_cookie, seal, set_cookie, unseal

blueprint = Blueprint("linking", __name__)

_ASKED = "link-request"
_ASKED_LASTS = timedelta(hours=1)


@blueprint.get("/manage")
def ask() -> Response:
    """The form that asks for the address."""
    return _ask_page()


@blueprint.post("/manage")
def send() -> Response:
    """Have a link mailed, if the address is known; nobody learns here whether it is."""
    typed = request.form.get("address", "")[:1000]
    try:
        asked = linking.request_for_address(typed, language=frame.language(), network=network_of(request.remote_addr))
    except AddressError as error:
        return _ask_page(422, problems={"address": gettext(error.text, **error.values)}, typed=typed)
    if isinstance(asked, timedelta):
        return wait_page(asked)
    response = make_response(redirect(url_for("linking.sent"), 303))
    if is_from_our_page():
        set_cookie(response, _ASKED, seal(_ASKED, asked), _ASKED_LASTS)
    return response


@blueprint.get("/manage/sent")
def sent() -> Response:
    """The same words for everybody."""
    return page("public/manage_sent.html")


@blueprint.get("/m/<token>")
def show(token: str) -> Response:
    """The page behind a mailed link: one button, or none where it has been opened. Changes nothing."""
    if not linking.can_open(token):
        return _used_up()
    g.scripts = by_itself = _asked_here(token)
    return page("public/open_link.html", by_itself=by_itself)


@blueprint.post("/m/<token>")
def enter(token: str) -> Response:
    """Open the link. The token is the authority; a form on another site may not press the button for anybody."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise Forbidden
    if request.form.get("how") == "auto" and not _asked_here(token):
        return page("public/open_link.html", by_itself=False)
    try:
        link_id = linking.open_link(token)
    except Conflict:
        return _used_up()
    response = make_response(redirect(url_for("preferences.show"), 303))
    sessions.begin(response, link_id)
    return response


def wait_page(wait: timedelta) -> Response:
    """Too many requests came from one network; says when to try again."""
    minutes = math.ceil(wait / timedelta(minutes=1))
    response = page(
        "public/unavailable.html",
        429,
        title=gettext("Too many requests"),
        advice=gettext(
            "Too many requests came from your network. Please try again in %(minutes)s minutes.", minutes=minutes
        ),
    )
    response.headers["Retry-After"] = str(minutes * 60)
    return response


def _ask_page(status: int = 200, **values: object) -> Response:
    return page("public/manage.html", status, **{"problems": {}, "typed": "", **values})


def _used_up() -> Response:
    return page("public/link_used.html", 410)


def _asked_here(token: str) -> bool:
    """Whether this browser asked for the link: then it is no scanner's."""
    request_id = unseal(_ASKED, read_cookie(_ASKED) or "", _ASKED_LASTS)
    return isinstance(request_id, int) and linking.was_asked_by(request_id, token)
