"""Another person's yes."""

from collections.abc import Mapping

from flask import Blueprint, Response, request

from service.domain.permissions import Permission
from service.errors import Conflict, Invalid
from service.languages import name_language
from service.operations import approving, editing, editing_history, looking, newsletter_settings
from service.operations.editing_history import Line
from service.web.admin import gate
from service.web.admin.frame import actor, back, page

blueprint = Blueprint("admin_approval", __name__, url_prefix=f"{gate.PREFIX}/issues/<int:issue_id>/approval")


@blueprint.get("")
def show(issue_id: int) -> Response:
    """The mail, what changed since the last yes, and who said what."""
    return _show(issue_id)


@blueprint.post("/ask")
def ask(issue_id: int) -> Response:
    """Ask for it."""
    try:
        approving.ask(issue_id, request.form.get("words", ""), actor=actor())
    except Conflict as error:
        return _show(issue_id, 409, (str(error),))
    return back(".show", "Asked. Whoever may approve it sees it on their first page.", issue_id=issue_id)


@blueprint.post("/approve")
def approve(issue_id: int) -> Response:
    """Yes, to what was shown."""
    try:
        approving.approve(
            issue_id, seen=request.form.get("seen", ""), words=request.form.get("words", ""), actor=actor()
        )
    except Conflict as error:
        return _show(issue_id, 409, (str(error),))
    return back(".show", "Approved. Whatever is changed now ends the approval.", issue_id=issue_id)


@blueprint.post("/refuse")
def refuse(issue_id: int) -> Response:
    """No, and why."""
    try:
        approving.refuse(issue_id, request.form.get("words", ""), actor=actor())
    except (Conflict, Invalid) as error:
        return _show(issue_id, 422, (str(error),))
    return back(".show", "Refused. Whoever wrote it reads your reason.", issue_id=issue_id)


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[tuple[str, list[Line]]]:
    """What differs in each language that was changed, added or taken away; the main text's name is empty."""
    compared = [
        (tag, editing_history.compare(before.get(tag, ""), now.get(tag, ""))) for tag in dict.fromkeys([*now, *before])
    ]
    return [(name_language(tag, "en") if tag else "", lines) for tag, lines in compared if lines]


def _show(issue_id: int, status: int = 200, problems: tuple[str, ...] = ()) -> Response:
    issue = editing.find(issue_id, actor=actor())
    before = approving.last_approved(issue_id, actor=actor())
    return page(
        "approval/show.html",
        status,
        issue=issue,
        problems=problems,
        said=approving.history(issue_id, actor=actor()),
        changed=None if before is None else _changed(before, editing.texts_of(issue)),
        variants=looking.variants(issue_id, actor=actor()),
        needs_approval=newsletter_settings.show(issue["newsletter"], actor=actor(), most=0)["needs_approval"],
        may_approve=actor().may(Permission.APPROVE, issue["newsletter_id"]),
        may_ask=actor().may(Permission.WRITE, issue["newsletter_id"]),
        seen=bytes(issue["content_hash"]).hex(),
        tab="approval",
    )
