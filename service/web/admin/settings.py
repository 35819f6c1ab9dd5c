"""The installation: whether everything that sending depends on is as it should be, how long things are kept, and the switch that
stops everything. What is set in the environment is shown here, and never its secrets."""

from flask import Blueprint, Response, abort, request

from service.domain.permissions import Permission
from service.errors import Invalid
from service.operations import checking, epochs, installation, retaining, scheduling
from service.operations.permitting import require
from service.web.admin import gate
from service.web.admin.frame import actor, back, page

blueprint = Blueprint("admin_settings", __name__, url_prefix=f"{gate.PREFIX}/settings")
NAMES = ("sendgrid", "webhook", "domains")


@blueprint.get("")
def show() -> Response:
    """All of it."""
    return _show()


@blueprint.post("/check/<what>")
def check(what: str) -> Response:
    """Look now."""
    require(actor(), Permission.ADMINISTER)
    if what not in NAMES:
        abort(404)
    checking.look(what, actor=actor())
    return back(".show", "Looked at just now.", _anchor=what)


@blueprint.post("/halt")
def halt() -> Response:
    """Stop everything: whoever is in a hurry need not prove who they are."""
    try:
        scheduling.halt(reason=request.form.get("reason", ""), actor=actor())
    except Invalid as error:
        return _show(422, error.problems)
    return back(".show", "Everything is stopped. Requests that are under way may still end.")


@blueprint.post("/go-on")
def go_on() -> Response:
    """Send again."""
    require(actor(), Permission.ADMINISTER)
    gate.need_recent_proof()
    scheduling.unhalt(actor=actor())
    return back(".show", "Sending goes on.")


@blueprint.post("/accept-restored")
def accept_restored() -> Response:
    """Go on with a database that was restored; each of its issues stays held."""
    require(actor(), Permission.ADMINISTER)
    gate.need_recent_proof()
    try:
        held = epochs.accept(reason=request.form.get("reason", ""), actor=actor())
    except Invalid as error:
        return _show(422, error.problems)
    return back(
        ".show",
        f"The database is in force again. {held} held for you to decide, one by one."
        if held
        else "The database is in force again.",
    )


def _show(status: int = 200, problems: tuple[str, ...] = ()) -> Response:
    return page(
        "settings/show.html",
        status,
        installation=installation.about(actor=actor()),
        checks=checking.latest(),
        kept=retaining.periods(),
        problems=problems,
    )
