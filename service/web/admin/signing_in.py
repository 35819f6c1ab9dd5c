"""In and out: the first owner, address and password, the second step, links that set a password."""

from zoneinfo import available_timezones

from flask import Blueprint, Response, make_response, redirect, request, url_for

from service.errors import Invalid
from service.operations import (
    operator_links,
    operator_sessions,
    operators,
    passkeys,
    second_step,
    signing_in,
    single_sign_on,
    team_mails,
)
from service.operations.signing_in import TooManyTries
from service.web.admin import account, frame, gate
from service.web.admin.gate import open_to_all
from service.web.origin import origin_of_request
from service.web.sealed import seal, set_cookie

_CHALLENGE = "passkey"
blueprint = Blueprint("admin_signing_in", __name__, url_prefix=gate.PREFIX)


@blueprint.get("/sign-in")
@open_to_all
def form() -> Response:
    """Address and password; before there is anybody, the way to the set-up."""
    if gate.signed_in():
        return make_response(redirect(gate.inside(request.values.get("next", "")), 303))
    if not operators.are_there():
        return make_response(redirect(url_for(".set_up_form"), 303))
    return _form(
        problems=(),
        address="",
        next=request.args.get("next", ""),
    )


@blueprint.post("/sign-in")
@open_to_all
def sign_in() -> Response:
    """In, and to the page that was asked for."""
    address = request.form.get("address", "")
    try:
        token = signing_in.sign_in(address, request.form.get("password", ""), origin=origin_of_request())
    except (Invalid, TooManyTries) as error:
        given = {"problems": [str(error)], "address": address, "next": request.form.get("next", "")}
        status = 429 if isinstance(error, TooManyTries) else 422
        return _form(
            status,
            **given,
        )
    return gate.begin(make_response(redirect(gate.inside(request.values.get("next", "")), 303)), token)


@blueprint.post("/passkey/options")
@open_to_all
def passkey_options() -> Response:
    """What the browser is asked for; no account is named."""
    options, challenge = passkeys.options_to_sign_in()
    response = Response(options, mimetype="application/json")
    set_cookie(response, _CHALLENGE, seal(_CHALLENGE, challenge.hex()), account.CHALLENGE_LASTS)
    return response


@blueprint.post("/passkey")
@open_to_all
def use_passkey() -> Response:
    """In, by what the device signed: both steps at once, or the second one of a session that awaits it."""
    waiting = gate.signed_in()
    try:
        token = passkeys.sign_in(
            request.form.get("credential", ""),
            account.challenge_of(_CHALLENGE),
            origin=origin_of_request(),
            instead_of=waiting,
        )
    except Invalid as error:
        if waiting is not None and waiting.awaits_step:
            return _step(422, str(error))
        given = {"problems": [str(error)], "address": "", "next": request.form.get("next", "")}
        return _form(
            422,
            **given,
        )
    return gate.begin(make_response(redirect(gate.inside(request.values.get("next", "")), 303)), token)


@blueprint.get("/forgotten")
@open_to_all
def forgotten() -> Response:
    """Ask for a link by mail."""
    return frame.page("signing_in/forgotten.html", problems=(), address="", is_asked=False)


@blueprint.post("/forgotten")
@open_to_all
def ask_for_link() -> Response:
    """The same answer, whoever it is."""
    try:
        team_mails.ask_for_reset(request.form.get("address", ""), network=origin_of_request()["network"])
    except TooManyTries as error:
        return frame.page("signing_in/forgotten.html", 429, problems=(str(error),), address="", is_asked=False)
    return frame.page("signing_in/forgotten.html", problems=(), address="", is_asked=True)


@blueprint.get("/second-step")
def step() -> Response:
    """The code of the authenticator."""
    if not gate.operator().awaits_step:
        return make_response(redirect(gate.inside(request.values.get("next", "")), 303))
    return _step()


@blueprint.post("/second-step")
def take_step() -> Response:
    """Wholly in."""
    try:
        token = signing_in.take_second_step(gate.operator(), request.form.get("code", ""), origin=origin_of_request())
    except (Invalid, TooManyTries) as error:
        return _step(422, str(error))
    return gate.begin(make_response(redirect(gate.inside(request.values.get("next", "")), 303)), token)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """Out, here."""
    operator_sessions.end(gate.operator())
    return gate.end(make_response(redirect(url_for(".form"), 303)))


@blueprint.get("/set-up")
@open_to_all
def set_up_form() -> Response:
    """The first owner, as long as there is nobody."""
    if operators.are_there():
        return make_response(redirect(url_for(".form"), 303))
    return _set_up({"code": request.args.get("code", "")}, ())


@blueprint.post("/set-up")
@open_to_all
def set_up() -> Response:
    """Make the first owner, and let them in."""
    given = {name: request.form.get(name, "") for name in ("code", "address", "name", "password", "time_zone")}
    try:
        operators.set_up(**given)
    except Invalid as error:
        return _set_up(given, error.problems, 422)
    token = signing_in.sign_in(given["address"], given["password"], origin=origin_of_request())
    return gate.begin(make_response(redirect(url_for("admin_home.show"), 303)), token)


@blueprint.get("/link/<sealed>")
@open_to_all
def link(sealed: str) -> Response:
    """Whoever was given a link sets their password here."""
    name, address = operator_links.holder(sealed)
    return frame.page("signing_in/link.html", problems=(), name=name, address=address, sealed=sealed)


@blueprint.post("/link/<sealed>")
@open_to_all
def use_link(sealed: str) -> Response:
    """Set it, and in."""
    name, address = operator_links.holder(sealed)
    try:
        session = operator_links.use(sealed, password=request.form.get("password", ""), origin=origin_of_request())
    except Invalid as error:
        values = {"problems": error.problems, "name": name, "address": address, "sealed": sealed}
        return frame.page("signing_in/link.html", 422, **values)
    return gate.begin(make_response(redirect(url_for("admin_home.show"), 303)), session)


def _step(status: int = 200, *problems: str) -> Response:
    """The page of the second step, with what this person has for it."""
    who = gate.operator()
    return frame.page(
        "signing_in/step.html",
        status,
        problems=problems,
        has_code=second_step.codes_left(who.operator_id) is not None,
        has_passkey=who.has_passkey,
    )


def _form(status: int = 200, **values: object) -> Response:
    """The page with every way in."""
    return frame.page(
        "signing_in/form.html",
        status,
        has_passkeys=passkeys.are_possible(),
        single_sign_on=single_sign_on.name(),
        **values,
    )


def _set_up(given: dict[str, str], problems: tuple[str, ...], status: int = 200) -> Response:
    return frame.page(
        "signing_in/set_up.html", status, given=given, problems=problems, zones=sorted(available_timezones())
    )
