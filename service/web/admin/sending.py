"""The send room: the checklist, the sending, and how far it is."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from service.domain.permissions import Permission
from service.errors import Conflict, Invalid
from service.operations import editing, newsletter_settings, newsletters, resending, scheduling, send_room
from service.operations.preflighting import Blocked
from service.web.admin import gate
from service.web.admin.frame import actor, back, fragment, page

blueprint = Blueprint("admin_sending", __name__, url_prefix=f"{gate.PREFIX}/issues/<int:issue_id>/send")


@blueprint.get("")
def show(issue_id: int) -> Response:
    """Before it is sent: the checklist. Afterwards: how far it is."""
    return _show(issue_id)


@blueprint.post("")
def send(issue_id: int) -> Response:
    """Send it as it was shown."""
    form = request.form
    try:
        send_room.send(
            issue_id,
            seen=form.get("seen", ""),
            expected_readers=int(form["readers"]) if form.get("readers", "").isdecimal() else -1,
            typed=form.get("typed", ""),
            at=form.get("at", "") if form.get("when") in ("later", "local") else "",
            by_reader=form.get("when") == "local",
            override=form.get("override", ""),
            actor=actor(),
        )
    except Blocked as error:
        return _show(
            issue_id, 409, tuple(f"{one.where}: {one.text} {one.remedy}" for one in error.findings), blocked=True
        )
    except (Conflict, Invalid) as error:
        return _show(issue_id, 422, str(error).split("\n"))
    return back(".show", issue_id=issue_id)


@blueprint.get("/ready")
def ready(issue_id: int) -> Response:
    """The checklist and the form, for a page that came before they were counted."""
    return fragment("sending/ready.html", blocked=False, **_ready(editing.find(issue_id, actor=actor())))


@blueprint.get("/progress")
def progress(issue_id: int) -> Response:
    """The part of the page that changes."""
    return fragment(
        "sending/progress.html",
        issue=editing.find(issue_id, actor=actor()),
        now=send_room.progress(issue_id, actor=actor()),
        by_itself=True,
    )


@blueprint.post("/undo")
def undo(issue_id: int) -> Response:
    """Take it back, before anything is prepared."""
    scheduling.unschedule(issue_id, actor=actor())
    return back(".show", "Taken back. Nothing was sent.", issue_id=issue_id)


@blueprint.post("/pause")
def pause(issue_id: int) -> Response:
    """No more batches."""
    scheduling.pause(issue_id, actor=actor())
    return back(
        ".show",
        "Paused. Requests under way may still finish.",
        undo=(url_for(".resume", issue_id=issue_id), {}),
        issue_id=issue_id,
    )


@blueprint.post("/resume")
def resume(issue_id: int) -> Response:
    """On."""
    confirmed = request.form.get("audience", "")
    scheduling.resume(issue_id, actor=actor(), audience=int(confirmed) if confirmed.isdecimal() else None)
    return back(".show", "It goes on.", issue_id=issue_id)


@blueprint.post("/cancel")
def cancel(issue_id: int) -> Response:
    """To nobody else."""
    spared = scheduling.cancel(issue_id, actor=actor())
    return back(".show", f"Cancelled. {spared:,} readers will not get it.", issue_id=issue_id)


@blueprint.post("/resend")
def resend(issue_id: int) -> Response:
    """Take the risk of sending unknown copies again, or no longer."""
    into = request.form.get("into") == "yes"
    resending.opt(issue_id, into=into, actor=actor())
    return back(".show", "Written down." if into else "A person decides about each.", issue_id=issue_id)


@blueprint.post("/batches/<int:batch_id>")
def resolve(issue_id: int, batch_id: int) -> Response:
    """A person's decision on copies that nobody can vouch for."""
    try:
        scheduling.resolve(
            batch_id, sent=request.form.get("sent") == "yes", reason=request.form.get("reason", ""), actor=actor()
        )
    except (Conflict, Invalid) as error:
        return _show(issue_id, 422, (str(error),))
    return back(".show", "Decided, and written down.", issue_id=issue_id)


@blueprint.post("/follow-up")
def follow_up(issue_id: int) -> Response:
    """A draft for who missed it, or a correction for who got it."""
    made = send_room.follow_up(issue_id, request.form.get("kind", ""), link=request.form.get("link", ""), actor=actor())
    return back(
        "admin_audience.show",
        "A draft is made, with its audience chosen. Look at both before you send it.",
        issue_id=made,
    )


def _show(
    issue_id: int, status: int = 200, problems: tuple[str, ...] | list[str] = (), *, blocked: bool = False
) -> Response:
    issue = editing.find(issue_id, actor=actor())
    if issue["state"] not in editing.EDITABLE:
        now = send_room.progress(issue_id, actor=actor())
        return page("sending/watch.html", status, issue=issue, now=now, problems=problems, tab="send")
    if request.method == "GET" and "now" not in request.args and newsletters.is_large(issue["newsletter_id"]):
        return page("sending/later.html", issue=issue, tab="send")
    return page("sending/check.html", status, problems=problems, blocked=blocked, tab="send", **_ready(issue))


def _ready(issue: dict[str, Any]) -> dict[str, Any]:
    """What the checklist and the form show: counted exactly, by the statement of the freeze."""
    who = send_room.expected(issue["id"], actor=actor())
    return {
        "issue": issue,
        "expected": who,
        "rows": send_room.checklist(issue["id"], who, actor=actor()),
        "given": request.form,
        "newsletter": newsletter_settings.show(issue["newsletter"], actor=actor(), most=0),
        "may_send": actor().may(Permission.SEND, issue["newsletter_id"]),
        "seen": bytes(issue["content_hash"]).hex(),
    }
