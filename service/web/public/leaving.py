"""The leave link of a mail: GET shows one button, POST leaves at once; RFC 8058's one-click POST needs nothing else. Mails
get forwarded: these pages say nothing of the reader, and only ever lessen what is sent."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

from service.domain.networks import network_of
from service.errors import Conflict, Invalid, NotFound
from service.operations import leaving, linking, pausing, undoing
from service.operations.leaving import LeaveView
from service.web import frame
from service.web.frame import gettext, page
from service.web.origin import origin_of_request
from service.web.public.linking import wait_page
from service.web.sealed import seal, unseal

blueprint = Blueprint("leaving", __name__)


@blueprint.get("/u/<token>")
def show(token: str) -> Response:
    """The page behind the link: scanners open it too, so it changes nothing. Who was erased is told that nothing comes."""
    leaving.subscription_of(token)
    try:
        return _leave_page(token)
    except NotFound:
        return page("public/left.html", 404, view=None)


@blueprint.post("/u/<token>")
def leave(token: str) -> Response:
    """Leave. The token is the authority: mail providers post here with neither cookie nor referrer, and as
    multipart or urlencoded; any body will do, and a redirect is forbidden."""
    one_click = request.form.get("List-Unsubscribe") == "One-Click"
    left = leaving.leave(token, method="one-click" if one_click else "page", origin=origin_of_request())
    if one_click:
        # Nobody looks at it, and thousands may come in the minutes after an issue.
        return Response(gettext("You have left"), mimetype="text/plain")
    try:
        view = _view(token)
    except NotFound:
        return page("public/left.html", view=None)
    return _left_page(token, view, left.withdrawn_id)


@blueprint.post("/u/<token>/undo")
def undo(token: str) -> Response:
    """Take back what the page just shown did: a leaving, or a pause."""
    view, ticket = _view(token), _ticket(token)
    if "until" in ticket:
        until, before = ticket["until"], ticket["before"]
        pausing.undo_pause(
            ticket["subscription"],
            until=datetime.fromisoformat(until),
            before=datetime.fromisoformat(before) if before else None,
        )
    elif ticket.get("withdrawn"):
        undoing.undo([(ticket["subscription"], ticket["withdrawn"])])
    else:
        raise Conflict(gettext("There is nothing to undo here."))
    return page("public/back_again.html", view=view)


@blueprint.post("/u/<token>/reason")
def reason(token: str) -> Response:
    """Why they left, if they care to say."""
    view, ticket = _view(token), _ticket(token)
    chosen, words = request.form.get("reason", ""), request.form.get("words", "")
    try:
        leaving.say_why(ticket["subscription"], reason=chosen, words=words)
    except Invalid as error:
        field = "words" if chosen in leaving.REASONS else "reason"
        return _left_page(
            token,
            view,
            ticket.get("withdrawn"),
            422,
            problems={field: gettext(str(error))},
            reason=chosen,
            words=words,
        )
    return page("public/reason_kept.html", view=view)


@blueprint.post("/u/<token>/all")
def leave_all(token: str) -> Response:
    """Leave whatever else comes from here."""
    view, ticket = _view(token), _ticket(token)
    leaving.leave_all(ticket["subscription"], origin=origin_of_request())
    return page("public/left_all.html", view=view)


@blueprint.post("/u/<token>/pause")
def pause(token: str) -> Response:
    """Get nothing until a day."""
    view = _view(token)
    span, day = request.form.get("span", ""), request.form.get("day", "")
    try:
        until, before = pausing.pause(token, span=span, day=day)
    except Invalid as error:
        field = "day" if span == "date" else "span"
        return _leave_page(token, 422, problems={field: gettext(str(error))}, span=span, day=day)
    ticket = _seal(token, until=until.isoformat(), before=before.isoformat() if before else None)
    return page("public/paused.html", view=view, until=until, ticket=ticket, token=token)


@blueprint.post("/u/<token>/tracking")
def tracking(token: str) -> Response:
    """Be tracked no more."""
    view = _view(token)
    pausing.stop_tracking(token, origin=origin_of_request())
    return page("public/untracked.html", view=view)


@blueprint.post("/u/<token>/link")
def link(token: str) -> Response:
    """Mail the reader of this subscription a link to everything else. Whoever holds a forwarded mail gets nothing by it."""
    view = _view(token)
    wait = linking.request_for_subscription(
        leaving.subscription_of(token), language=frame.language(), network=network_of(request.remote_addr)
    )
    if wait is not None:
        return wait_page(wait)
    return page("public/link_mailed.html", view=view)


def _view(token: str) -> LeaveView:
    view = leaving.view_leave(token)
    frame.newsletter(view.slug)
    return view


def _leave_page(token: str, status: int = 200, **values: object) -> Response:
    return page("public/leave.html", status, **{"view": _view(token), "token": token, "problems": {}, **values})


def _left_page(token: str, view: LeaveView, withdrawn_id: int | None, status: int = 200, **values: object) -> Response:
    """`withdrawn_id` is what can be undone; the ticket in the page shows that its holder has just pressed the button."""
    return page(
        "public/left.html",
        status,
        **{
            "view": view,
            "token": token,
            "ticket": _seal(token, withdrawn=withdrawn_id),
            "can_undo": withdrawn_id is not None,
            "problems": {},
            **values,
        },
    )


def _seal(token: str, **values: object) -> str:
    return seal("leaving", {"subscription": leaving.subscription_of(token), **values})


def _ticket(token: str) -> dict[str, Any]:
    """What the page before sealed for this very link. Raises Conflict: a mail alone, perhaps forwarded, allows none of this."""
    found = unseal("leaving", request.form.get("ticket", ""), undoing.UNDO)
    if not isinstance(found, dict) or found.get("subscription") != leaving.subscription_of(token):
        raise Conflict(gettext("This page is older than half an hour. Open the link in your mail again."))
    return found
