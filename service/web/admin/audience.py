"""Who an issue is for."""

from flask import Blueprint, Response, request

from service.domain.permissions import Permission
from service.operations import editing, editing_history, newsletters, segments, send_room
from service.web.admin import gate
from service.web.admin.frame import actor, back, fragment, page

blueprint = Blueprint("admin_audience", __name__, url_prefix=f"{gate.PREFIX}/issues/<int:issue_id>/audience")


@blueprint.get("")
def show(issue_id: int) -> Response:
    """Who will get it, who is left out and why."""
    issue = editing.find(issue_id, actor=actor())
    may_change = actor().may(Permission.WRITE, issue["newsletter_id"]) and issue["state"] in editing.EDITABLE
    former = editing_history.listed(
        actor(), newsletter_id=issue["newsletter_id"], states=["sent", "cancelled", "paused", "sending"], limit=20
    )
    others = {number: name for number, name in newsletters.names(actor()).items() if number != issue["newsletter_id"]}
    may_see = actor().may(Permission.SEE_READERS, issue["newsletter_id"])
    known = segments.listed(actor=actor(), newsletter_id=issue["newsletter_id"]) if may_see else []
    is_open = issue["state"] in editing.EDITABLE
    later = is_open and "now" not in request.args and newsletters.is_large(issue["newsletter_id"])
    counted = send_room.expected(issue_id, actor=actor()) if is_open and not later else None
    return page(
        "audience/show.html",
        issue=issue,
        expected=counted,
        later=later,
        former=former,
        others=others,
        segments=known,
        chosen={key: [one["id"] for one in issue["audience"].get(key, [])] for key in segments.KEYS},
        may_change=may_change,
        tab="audience",
    )


@blueprint.get("/expected")
def expected(issue_id: int) -> Response:
    """The counts, for a page that came before them."""
    issue = editing.find(issue_id, actor=actor())
    counted = send_room.expected(issue_id, actor=actor()) if issue["state"] in editing.EDITABLE else None
    return fragment("audience/expected.html", issue=issue, expected=counted)


@blueprint.post("")
def choose(issue_id: int) -> Response:
    """Other readers."""
    kept = {
        name: value
        for name, value in editing.find(issue_id, actor=actor())["audience"].items()
        if name in ("import", "got", "again")
    }
    chosen = {
        name: [int(one) for one in request.form.getlist(name) if one.isdecimal()]
        for name in ("without_newsletters", "without_issues", *segments.KEYS)
    }
    editing.set_audience(issue_id, kept | {name: ids for name, ids in chosen.items() if ids}, actor=actor())
    return back(".show", "Saved.", issue_id=issue_id)
