"""The team: who is in it, what they may do where."""

from flask import Blueprint, Response, request, url_for

from service.errors import Conflict, Invalid, NotFound
from service.operations import newsletters, operator_links, operators, second_step
from service.web.admin import gate
from service.web.admin.frame import actor, back, page

blueprint = Blueprint("admin_operators", __name__, url_prefix=f"{gate.PREFIX}/team")


@blueprint.get("")
def index() -> Response:
    """Everybody, with their roles."""
    return _index()


@blueprint.post("")
def invite() -> Response:
    """Add somebody; the link by which they set their password is shown once."""
    gate.need_recent_proof()
    given = {name: request.form.get(name, "") for name in ("address", "name", "role")}
    try:
        made = operators.create(given["address"], name=given["name"], role=given["role"] or None, actor=actor())
    except (Invalid, Conflict) as error:
        return _index(422, problems=getattr(error, "problems", (str(error),)), given=given)
    return page("operators/link.html", name=given["name"], link=operator_links.make(made, actor=actor()))


@blueprint.post("/<int:operator_id>/link")
def link(operator_id: int) -> Response:
    """A new link to set the password."""
    gate.need_recent_proof()
    found = _find(operator_id)
    return page("operators/link.html", name=found["name"], link=operator_links.make(operator_id, actor=actor()))


@blueprint.get("/<int:operator_id>")
def show(operator_id: int) -> Response:
    """Their roles, in all newsletters and in each."""
    return _show(operator_id)


@blueprint.post("/<int:operator_id>")
def give_roles(operator_id: int) -> Response:
    """Other roles."""
    gate.need_recent_proof()
    memberships = {
        int(name[5:]): role
        for name, role in request.form.items()
        if name.startswith("role-") and name[5:].isdecimal() and role
    }
    try:
        operators.give_roles(operator_id, role=request.form.get("role") or None, memberships=memberships, actor=actor())
    except (Invalid, Conflict) as error:
        return _show(operator_id, 422, problems=(str(error),))
    return back(".index", "The roles are changed; they sign in anew.")


@blueprint.post("/<int:operator_id>/disable")
def disable(operator_id: int) -> Response:
    """Out, and not in again."""
    gate.need_recent_proof()
    try:
        operators.disable(operator_id, actor=actor())
    except Conflict as error:
        return _show(operator_id, 422, problems=(str(error),))
    return back(
        ".index", "They are signed out, and cannot sign in.", undo=(url_for(".enable", operator_id=operator_id), {})
    )


@blueprint.post("/<int:operator_id>/enable")
def enable(operator_id: int) -> Response:
    """In again."""
    gate.need_recent_proof()
    operators.enable(operator_id, actor=actor())
    return back(".index", "They can sign in again.")


@blueprint.post("/second-step")
def ask_second_step() -> Response:
    """Of everybody, or of nobody."""
    gate.need_recent_proof()
    required = request.form.get("required") == "yes"
    second_step.ask_of_all(required, actor=actor())
    return back(
        ".index", "Whoever has no second step sets it up first." if required else "A second step is up to each."
    )


def _find(operator_id: int) -> dict[str, object]:
    found = [one for one in operators.listed(actor()) if one["id"] == operator_id]
    if not found:
        raise NotFound("There is no such person in the team.")
    return found[0]


def _index(status: int = 200, problems: tuple[str, ...] = (), given: dict[str, str] | None = None) -> Response:
    return page(
        "operators/index.html",
        status,
        team=operators.listed(actor()),
        problems=problems,
        given=given or {},
        newsletters=newsletters.names(actor()),
        is_step_required=second_step.is_required(),
    )


def _show(operator_id: int, status: int = 200, problems: tuple[str, ...] = ()) -> Response:
    return page(
        "operators/show.html",
        status,
        person=_find(operator_id),
        newsletters=newsletters.names(actor()),
        problems=problems,
    )
