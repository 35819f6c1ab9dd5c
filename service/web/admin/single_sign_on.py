"""In by the organisation's own sign-on: there, back, and in."""

from datetime import timedelta

from flask import Blueprint, Response, make_response, redirect, request

from service.errors import Invalid
from service.operations import passkeys, single_sign_on
from service.operations.signing_in import TooManyTries
from service.web.admin import frame, gate
from service.web.admin.gate import open_to_all
from service.web.origin import origin_of_request
from service.web.sealed import drop_cookie, read_cookie, seal, set_cookie, unseal

blueprint = Blueprint("admin_single_sign_on", __name__, url_prefix=f"{gate.PREFIX}/single-sign-on")
_COOKIE = "single-sign-on"
_LASTS = timedelta(minutes=10)


@blueprint.get("")
@open_to_all
def begin() -> Response:
    """There. Nothing is changed by it here."""
    try:
        there, kept = single_sign_on.begin()
    except Invalid as error:
        return _sign_in(str(error))
    response = make_response(redirect(there, 303))
    set_cookie(response, _COOKIE, seal(_COOKIE, {**kept, "next": request.args.get("next", "")}), _LASTS)
    return response


@blueprint.get("/back")
@open_to_all
def back() -> Response:
    """Back: one button more, because looking at an address must not sign anybody in. A script presses it."""
    if request.args.get("error"):
        return _sign_in("The provider did not let you in. Try again, or sign in with your password.")
    return frame.page(
        "signing_in/back.html",
        code=request.args.get("code", ""),
        state=request.args.get("state", ""),
        name=single_sign_on.name(),
    )


@blueprint.post("/back")
@open_to_all
def finish() -> Response:
    """In."""
    found = unseal(_COOKIE, read_cookie(_COOKIE) or "", _LASTS)
    kept = found if isinstance(found, dict) else {}
    try:
        token = single_sign_on.finish(
            request.form.get("code", ""), request.form.get("state", ""), kept, origin=origin_of_request()
        )
    except (Invalid, TooManyTries) as error:
        return _sign_in(str(error), 429 if isinstance(error, TooManyTries) else 422)
    response = gate.begin(make_response(redirect(gate.inside(str(kept.get("next", ""))), 303)), token)
    drop_cookie(response, _COOKIE)
    return response


def _sign_in(problem: str, status: int = 422) -> Response:
    given = {"problems": (problem,), "address": "", "next": "", "has_passkeys": passkeys.are_possible()}
    return frame.page("signing_in/form.html", status, single_sign_on=single_sign_on.name(), **given)
