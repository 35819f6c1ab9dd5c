"""Keys for programs: made, shown once, revoked."""

from flask import Blueprint, Response, request

from service.domain.permissions import Permission
from service.errors import Invalid
from service.operations import keys, newsletters
from service.operations.permitting import require
from service.settings import current
from service.web.admin import gate
from service.web.admin.frame import actor, back, page

blueprint = Blueprint("admin_keys", __name__, url_prefix=f"{gate.PREFIX}/keys")


@blueprint.get("")
def index() -> Response:
    """All of them."""
    return _index()


@blueprint.post("")
def make() -> Response:
    """One more; it is shown once."""
    require(actor(), Permission.ADMINISTER)
    gate.need_recent_proof()
    given = {name: request.form.get(name, "") for name in ("name", "role", "newsletter", "days")}
    try:
        _, token = keys.make(
            given["name"],
            role=given["role"],
            newsletter_id=int(given["newsletter"]) if given["newsletter"].isdecimal() else None,
            days=_days(given["days"]),
            actor=actor(),
        )
    except Invalid as error:
        return _index(422, error.problems, given)
    return page("keys/shown.html", token=token, name=given["name"], site=current().public_url)


@blueprint.post("/<int:key_id>/revoke")
def revoke(key_id: int) -> Response:
    """It opens nothing any more."""
    keys.revoke(key_id, actor=actor())
    return back(".index", "The key is revoked. Whatever used it is refused from now on.")


def _days(text: str) -> int | None:
    """None: for good. What is no number is no number of days, and refused as one."""
    if not text.strip():
        return None
    return int(text) if text.strip().isascii() and text.strip().isdecimal() else 0


def _index(status: int = 200, problems: tuple[str, ...] = (), given: dict[str, str] | None = None) -> Response:
    return page(
        "keys/index.html",
        status,
        keys=keys.listed(actor=actor()),
        newsletters=newsletters.names(actor()),
        problems=problems,
        given=given or {"days": "365", "role": "editor"},
    )
