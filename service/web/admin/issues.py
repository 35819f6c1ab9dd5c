"""Issues: all of them, and new ones."""

from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from flask import Blueprint, Response, request, url_for

from service.domain.permissions import Permission
from service.errors import Invalid
from service.operations import editing, editing_files, editing_history, newsletters
from service.web.admin import gate
from service.web.admin.frame import actor, back, page

blueprint = Blueprint("admin_issues", __name__, url_prefix=f"{gate.PREFIX}/issues")

LARGEST_FILE = 32 * 1024 * 1024
PAGE = 25
STATES = {
    "": None,
    "writing": ["draft", "approved"],
    "under way": ["scheduled", "preparing", "sending", "paused", "held"],
    "sent": ["sent", "cancelled"],
}


@blueprint.get("")
def index() -> Response:
    """The newest first."""
    asked = request.args
    state, newsletter = asked.get("state", ""), asked.get("newsletter", "")
    found = editing_history.listed(
        actor(),
        newsletter_id=int(newsletter) if newsletter.isdecimal() else None,
        states=STATES.get(state),
        words=asked.get("words", ""),
        archived=asked.get("archived") == "yes",
        before=int(asked["before"]) if asked.get("before", "").isdecimal() else None,
        limit=PAGE + 1,
    )
    kept = {name: value for name, value in asked.items() if name in ("state", "newsletter", "words", "archived")}
    older = f"{url_for('.index')}?{urlencode({**kept, 'before': found[PAGE - 1]['id']})}" if len(found) > PAGE else ""
    return page(
        "issues/index.html",
        issues=found[:PAGE],
        older=older,
        newsletters=newsletters.names(actor()),
        states=STATES,
        asked=asked,
    )


@blueprint.get("/new")
def new() -> Response:
    """Where from, and for which newsletter."""
    return _new(())


@blueprint.post("/new")
@gate.takes(LARGEST_FILE)
def create() -> Response:
    """A draft: blank, from a file, or like a former issue."""
    like, sent = request.form.get("like", ""), request.files.get("file")
    if like.isdecimal():
        return back(
            "admin_editor.show",
            "A copy is made. The former issue stays as it is.",
            issue_id=editing_history.duplicate(int(like), actor=actor()),
        )
    chosen = request.form.get("newsletter", "")
    if not chosen.isdecimal():
        return _new(("Choose a newsletter.",), 422)
    if sent is None or not sent.filename:
        made = editing.begin(int(chosen), actor=actor(), subject=request.form.get("subject", ""))
        return back("admin_editor.show", issue_id=made)
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"file{editing_files.suffix_of(sent.filename)}"
            sent.save(path)
            source, told = editing_files.read(path, sent.filename)
            made = editing.begin(int(chosen), actor=actor(), source=source)
    except Invalid as error:
        return _new(error.problems, 422)
    words = (
        f"{sent.filename} is read. {len(told)} things in it were not taken as they were; look at the text."
        if told
        else f"{sent.filename} is read."
    )
    return back("admin_editor.show", words, issue_id=made)


@blueprint.post("/<int:issue_id>/archive")
def archive(issue_id: int) -> Response:
    """Away, with a way back."""
    editing_history.archive(issue_id, actor=actor())
    return back(".index", "The issue is put away.", undo=(url_for(".unarchive", issue_id=issue_id), {}))


@blueprint.post("/<int:issue_id>/unarchive")
def unarchive(issue_id: int) -> Response:
    """Back among the others."""
    editing_history.archive(issue_id, actor=actor(), back=True)
    return back(".index", "The issue is back.")


def _new(problems: tuple[str, ...], status: int = 200) -> Response:
    former = editing_history.listed(actor(), limit=20)
    return page(
        "issues/new.html",
        status,
        newsletters=newsletters.names(actor(), Permission.WRITE),
        former=former,
        problems=problems,
        given=request.form,
    )
