"""Tags: all of them, and what they are called."""

from flask import Blueprint, Response, request

from service.errors import Conflict, Invalid
from service.operations import tagging
from service.web.admin import gate
from service.web.admin.frame import actor, back, page

blueprint = Blueprint("admin_tags", __name__, url_prefix=f"{gate.PREFIX}/tags")


@blueprint.get("")
def index() -> Response:
    """All of them."""
    return _index()


@blueprint.post("/<int:tag_id>")
def rename(tag_id: int) -> Response:
    """Another name, wherever it is used."""
    try:
        tagging.rename(tag_id, request.form.get("name", ""), actor=actor())
    except (Invalid, Conflict) as error:
        return _index(422, str(error))
    return back(".index", "The tag has its new name everywhere.")


@blueprint.post("/<int:tag_id>/delete")
def delete(tag_id: int) -> Response:
    """For good."""
    try:
        readers = tagging.delete(tag_id, actor=actor())
    except Conflict as error:
        return _index(422, str(error))
    return back(".index", f"The tag is deleted; {readers:,} readers had it.")


def _index(status: int = 200, *problems: str) -> Response:
    return page("tags/index.html", status, tags=tagging.listed(actor=actor()), problems=problems)
