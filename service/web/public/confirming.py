"""The link of a confirmation mail: GET shows one button, or presses it by itself in the browser that the sign-up came from;
POST confirms. Scanners open links, so that nothing is confirmed by opening it."""

from flask import Blueprint, Response, g, request, url_for

from service.operations import confirming, limits
from service.operations.confirming import SignupView
from service.web import frame
from service.web.origin import origin_of_request
from service.web.public.subscribing import COOKIE, see_other
from service.web.sealed import read_cookie, unseal

blueprint = Blueprint("confirming", __name__)


@blueprint.get("/c/<token>")
def show(token: str) -> Response:
    """The page behind the link; it changes nothing."""
    view = confirming.view(token)
    by_itself = view.state == "open" and _is_our_reader(view)
    g.scripts = by_itself
    return _page(view, f"{view.state}.html", by_itself=by_itself)


@blueprint.post("/c/<token>")
def confirm(token: str) -> Response:
    """Confirm. The token is the authority; without the cookie of the same sign-up nothing presses the button by itself."""
    automatic = request.form.get("how") == "auto"
    if automatic and not _is_our_reader(confirming.view(token)):
        return see_other(url_for(".show", token=token))
    view = confirming.confirm(token, "auto" if automatic else "button", origin=origin_of_request())
    return _page(view, "done.html" if view.is_begun else f"{view.state}.html")


def _is_our_reader(view: SignupView) -> bool:
    """Whether this browser sent this very sign-up."""
    signup_id = unseal(COOKIE, read_cookie(COOKIE) or "", limits.CONFIRM_WITHIN)
    return view.id is not None and signup_id == view.id


def _page(view: SignupView, template: str, *, by_itself: bool = False) -> Response:
    if len(view.newsletters) == 1:
        frame.newsletter(view.newsletters[0].slug)
    g.reader_language = view.language
    return frame.page(f"public/confirm_{template}", signup=view, by_itself=by_itself)
