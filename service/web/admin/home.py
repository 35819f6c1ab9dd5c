"""Home: what needs attention, what goes out next, how the last issues did."""

from flask import Blueprint, Response

from service.operations import approving, attention
from service.web.admin import gate
from service.web.admin.frame import actor, page

blueprint = Blueprint("admin_home", __name__, url_prefix=gate.PREFIX)


@blueprint.get("/")
def show() -> Response:
    """The first page after signing in."""
    return page("home.html", **attention.overview(actor()), waiting=approving.waiting_for(actor()))
