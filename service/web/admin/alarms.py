"""Alarms: what went wrong, on a page of their own, and somebody's word that it is seen to."""

from flask import Blueprint, Response, request

from service.errors import Invalid
from service.operations import alarms
from service.web.admin import gate
from service.web.admin.frame import actor, back, page

blueprint = Blueprint("admin_alarms", __name__, url_prefix=f"{gate.PREFIX}/alarms")


@blueprint.get("")
def index() -> Response:
    """Those that are open."""
    return _show()


@blueprint.post("/<int:alarm_id>/acknowledge")
def acknowledge(alarm_id: int) -> Response:
    """Somebody has seen to it."""
    try:
        alarms.acknowledge(alarm_id, reason=request.form.get("reason", ""), actor=actor())
    except Invalid as error:
        return _show(422, error.problems)
    return back(".index", "Acknowledged.")


def _show(status: int = 200, problems: tuple[str, ...] = ()) -> Response:
    return page("alarms/index.html", status, alarms=alarms.listed(actor=actor()), problems=problems)
