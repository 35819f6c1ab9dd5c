"""The leave link of a mail: GET shows one button, POST leaves at once; RFC 8058's one-click POST needs nothing else."""

from flask import Blueprint, Response, make_response, render_template, request

from service.errors import NotFound
from service.operations import subscribing

blueprint = Blueprint("leaving", __name__)


@blueprint.get("/u/<token>")
def show(token: str) -> Response:
    """The page behind the link: scanners open it too, so it changes nothing."""
    return _page("leave.html", view=subscribing.view_leave(token))


@blueprint.post("/u/<token>")
def leave(token: str) -> Response:
    """Leave. The token is the authority: mail providers post here with neither cookie nor referrer, and as
    multipart or urlencoded; any body will do, and a redirect is forbidden."""
    one_click = request.form.get("List-Unsubscribe") == "One-Click"
    subscribing.leave(token, method="one-click" if one_click else "page")
    try:
        return _page("left.html", view=subscribing.view_leave(token))
    except NotFound:
        return _page("left.html", view=None)


@blueprint.errorhandler(NotFound)
def not_found(error: NotFound) -> Response:
    response = _page("not_found.html", reason=str(error))
    response.status_code = 404
    return response


def _page(template: str, **values: object) -> Response:
    response = make_response(render_template(f"public/{template}", **values))
    response.headers["Cache-Control"] = "no-store"
    return response
