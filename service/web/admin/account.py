"""One's own account: name and zone, password, second step, and where one is signed in."""

from datetime import timedelta
from zoneinfo import available_timezones

import segno
from flask import Blueprint, Response, make_response, redirect, request

from service.errors import Conflict, Invalid
from service.operations import operator_sessions, operators, passkeys, second_step
from service.operations.signing_in import TooManyTries
from service.web.admin import gate
from service.web.admin.frame import actor, back, operator, page
from service.web.sealed import read_cookie, seal, set_cookie, unseal

blueprint = Blueprint("admin_account", __name__, url_prefix=f"{gate.PREFIX}/account")
_PROPOSED = "second-step"
_CHALLENGE = "passkey-added"
CHALLENGE_LASTS = timedelta(minutes=5)


@blueprint.get("")
def show() -> Response:
    """Everything about oneself."""
    return _show()


@blueprint.post("/details")
def change() -> Response:
    """Name and zone."""
    try:
        operators.change_own(operator(), name=request.form.get("name", ""), time_zone=request.form.get("time_zone", ""))
    except Invalid as error:
        return _show(422, details=error.problems)
    return back(".show", "Saved.")


@blueprint.post("/password")
def change_password() -> Response:
    """A new password; the other browsers are signed out."""
    try:
        operators.change_password(operator(), old=request.form.get("old", ""), new=request.form.get("new", ""))
    except (Invalid, TooManyTries) as error:
        return _show(422, password=(str(error),) if isinstance(error, TooManyTries) else error.problems)
    return back(".show", "The password is changed. You are signed out everywhere else.")


@blueprint.post("/sessions")
def end_session() -> Response:
    """Sign out at one other browser, or at all others."""
    chosen = request.form.get("session", "")
    ended = operator_sessions.end_ones_own(operator(), int(chosen) if chosen.isdecimal() else None)
    return back(".show", "Signed out there." if ended else "Nobody was signed in there any more.")


@blueprint.get("/second-step")
def propose() -> Response:
    """A picture to scan."""
    gate.need_recent_proof()
    proposal = second_step.propose(operator().address)
    return _propose(proposal.secret, proposal.uri)


@blueprint.post("/second-step")
def turn_on() -> Response:
    """In force, once a first code was right; the recovery codes are shown."""
    gate.need_recent_proof()
    secret = unseal(_PROPOSED, request.form.get("proposal", ""), gate.PROOF_LASTS)
    if not isinstance(secret, str):
        return back(".propose", "That picture was shown too long ago. Scan this one.")
    try:
        codes = second_step.turn_on(
            operator().operator_id,
            secret=secret,
            code=request.form.get("code", ""),
            actor=actor(),
            here=operator().session_id,
        )
    except Invalid as error:
        uri = second_step.uri_of(secret, operator().address)
        return _propose(secret, uri, error.problems, 422)
    return page("account/codes.html", codes=codes)


@blueprint.post("/second-step/off")
def turn_off() -> Response:
    """By password alone again."""
    gate.need_recent_proof()
    second_step.turn_off(operator().operator_id, actor=actor())
    return back(".show", "The second step is off.")


@blueprint.post("/second-step/codes")
def new_codes() -> Response:
    """Ten new recovery codes."""
    gate.need_recent_proof()
    return page("account/codes.html", codes=second_step.new_codes(operator().operator_id, actor=actor()))


@blueprint.post("/passkeys/options")
def passkey_options() -> Response:
    """What the browser is asked for."""
    gate.need_recent_proof()
    options, challenge = passkeys.options_to_add(operator())
    response = Response(options, mimetype="application/json")
    set_cookie(response, _CHALLENGE, seal(_CHALLENGE, challenge.hex()), CHALLENGE_LASTS)
    return response


@blueprint.post("/passkeys")
def add_passkey() -> Response:
    """One more passkey."""
    gate.need_recent_proof()
    try:
        passkeys.add(
            operator(),
            request.form.get("passkey_name", ""),
            request.form.get("credential", ""),
            challenge_of(_CHALLENGE),
        )
    except (Invalid, Conflict) as error:
        return _show(422, passkey=(str(error),))
    return back(".show", "The passkey is added. From now on it signs you in, without password or code.")


@blueprint.post("/passkeys/<int:passkey_id>")
def remove_passkey(passkey_id: int) -> Response:
    """One passkey less."""
    gate.need_recent_proof()
    try:
        passkeys.remove(operator(), passkey_id)
    except Conflict as error:
        return _show(422, passkey=(str(error),))
    return back(".show", "The passkey is removed, and you are signed out everywhere else.")


def challenge_of(name: str) -> bytes:
    """What was asked to be signed, from the cookie; nothing that anybody could sign where there is none, or an old one."""
    found = unseal(name, read_cookie(name) or "", CHALLENGE_LASTS)
    return bytes.fromhex(found) if isinstance(found, str) else b""


@blueprint.post("/proof")
def prove() -> Response:
    """The password once more, before something grave."""
    try:
        operators.prove(operator(), request.form.get("password", ""))
    except (Invalid, TooManyTries) as error:
        return page("account/proof.html", 422, problems=(str(error),), next=request.form.get("next", ""))
    return make_response(redirect(gate.inside(request.form.get("next", "")), 303))


def _show(status: int = 200, **problems: tuple[str, ...]) -> Response:
    return page(
        "account/show.html",
        status,
        problems=problems,
        zones=sorted(available_timezones()),
        sessions=operator_sessions.open_ones(operator().operator_id),
        codes_left=second_step.codes_left(operator().operator_id),
        passkeys=passkeys.listed(operator().operator_id),
        has_passkeys=passkeys.are_possible(),
    )


def _propose(secret: str, uri: str, problems: tuple[str, ...] = (), status: int = 200) -> Response:
    picture = segno.make(uri, micro=False).svg_data_uri(scale=5, dark="#10141c", light="#ffffff")
    return page(
        "account/second_step.html",
        status,
        picture=picture,
        secret=secret,
        proposal=seal(_PROPOSED, secret),
        has_passkeys=passkeys.are_possible(),
        problems=problems,
    )
