"""In and out."""

from flask import Blueprint, Response, make_response, redirect, request, url_for

from service.errors import Invalid
from service.operations import operator_sessions, signing_in
from service.web.admin import frame, gate
from service.web.origin import origin_of_request

blueprint = Blueprint("admin_signing_in", __name__, url_prefix=gate.PREFIX)


@blueprint.get("/sign-in")
def form() -> Response:
    """Address and password."""
    if gate.signed_in():
        return make_response(redirect(_next(), 303))
    return frame.page("signing_in/form.html", problems=(), address="", next=request.args.get("next", ""))


@blueprint.post("/sign-in")
def sign_in() -> Response:
    """In, and to the page that was asked for."""
    address = request.form.get("address", "")
    try:
        token = signing_in.sign_in(address, request.form.get("password", ""), origin=origin_of_request())
    except Invalid as error:
        given = {"problems": error.problems, "address": address, "next": request.form.get("next", "")}
        return frame.page("signing_in/form.html", 422, **given)
    return gate.begin(make_response(redirect(_next(), 303)), token)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """Out, here."""
    operator_sessions.end(gate.operator().session_id)
    return gate.end(make_response(redirect(url_for(".form"), 303)))


def _next() -> str:
    """Where somebody was going: a page of the team's side, and nowhere else."""
    wanted = request.values.get("next", "")
    inside = wanted.startswith(gate.PREFIX + "/") and "\\" not in wanted and "//" not in wanted and wanted.isprintable()
    return wanted if inside else url_for("admin_home.show")
