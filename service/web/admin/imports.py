"""Imports, step by step; each step is an address of its own, so that a page can be loaded anew and one can go back."""

import csv
import io
from typing import Any

from flask import Blueprint, Response, make_response, request, url_for

from service.domain.permissions import Permission
from service.errors import Conflict, Invalid
from service.operations import importing_undo, newsletters, uploading
from service.operations.exporting import cell
from service.operations.permitting import require_somewhere
from service.web.admin import gate
from service.web.admin.frame import actor, back, fragment, page

blueprint = Blueprint("admin_imports", __name__, url_prefix=f"{gate.PREFIX}/imports")

LARGEST = 201 * 1024 * 1024
PAGE = 25
ENCODINGS = (
    ("", "UTF-8"),
    ("cp1252", "Windows (Western Europe)"),
    ("utf-16", "UTF-16"),
    ("gb18030", "Chinese (GB 18030)"),
    ("cp1250", "Windows (Central Europe)"),
)


@blueprint.get("")
def index() -> Response:
    """What came in, the newest first."""
    before = request.args.get("before", "")
    found = uploading.listed(actor(), before=int(before) if before.isdecimal() else None, limit=PAGE + 1)
    older = url_for(".index", before=found[PAGE - 1]["id"]) if len(found) > PAGE else ""
    return page("imports/index.html", uploads=found[:PAGE], older=older)


@blueprint.get("/new")
def new() -> Response:
    """A file, or pasted rows."""
    return _new(())


@blueprint.post("/new")
@gate.takes(LARGEST)
def send() -> Response:
    """Take the file in; nothing is imported yet."""
    chosen, sent, pasted = request.form.get("newsletter", ""), request.files.get("file"), request.form.get("rows", "")
    if not chosen.isdecimal():
        return _new(("Choose a newsletter.",), 422)
    try:
        if sent is not None and sent.filename:
            made = uploading.receive(int(chosen), sent.filename, sent.stream, actor=actor())
        else:
            made = uploading.receive(int(chosen), "pasted rows", io.BytesIO(pasted.strip().encode()), actor=actor())
    except Invalid as error:
        return _new(error.problems, 422)
    return back(".match", upload_id=made)


@blueprint.get("/<int:upload_id>/columns")
def match(upload_id: int) -> Response:
    """What the columns hold, and how the readers agreed."""
    return _match(upload_id)


@blueprint.post("/<int:upload_id>/columns")
def choose(upload_id: int) -> Response:
    """Look, in the background, what would become of every row."""
    form = request.form
    meanings = {
        int(name[7:]): value for name, value in form.items() if name.startswith("column-") and name[7:].isdecimal()
    }
    choices: dict[str, Any] = {
        name: form.get(name, "").strip() for name in ("consent", "tracking_consent", "encoding", "implied_until")
    }
    choices["update_existing"] = bool(form.get("update_existing"))
    try:
        uploading.choose(upload_id, meanings, choices, actor=actor())
    except Invalid as error:
        return _match(upload_id, 422, error.problems)
    return back(".show", upload_id=upload_id)


@blueprint.get("/<int:upload_id>")
def show(upload_id: int) -> Response:
    """Where it is: looking, looked at, running, done."""
    return _show(upload_id)


@blueprint.get("/<int:upload_id>/progress")
def progress(upload_id: int) -> Response:
    """The part of that page that changes."""
    return fragment(
        "imports/state.html", upload=uploading.find(upload_id, actor=actor()), typed_above=uploading.TYPED_ABOVE
    )


@blueprint.post("/<int:upload_id>/start")
def start(upload_id: int) -> Response:
    """Take the readers, in the background."""
    try:
        uploading.start(upload_id, actor=actor(), typed=request.form.get("typed", ""))
    except Invalid as error:
        return _show(upload_id, 422, error.problems)
    return back(".show", upload_id=upload_id)


@blueprint.post("/<int:upload_id>/drop")
def drop(upload_id: int) -> Response:
    """Forget the file."""
    uploading.drop(upload_id, actor=actor())
    return back(".index", "The file is gone; nothing was imported.")


@blueprint.post("/<int:upload_id>/undo")
def undo(upload_id: int) -> Response:
    """Take the whole import back."""
    upload = uploading.find(upload_id, actor=actor())
    if upload["import_id"] is None:
        raise Conflict("Nothing was imported yet.")
    found = importing_undo.undo(upload["import_id"], actor=actor())
    return back(".show", found.told(), upload_id=upload_id)


@blueprint.get("/<int:upload_id>/rejected.csv")
def rejected(upload_id: int) -> Response:
    """The rows that were not taken, with their lines and reasons."""
    upload = uploading.find(upload_id, actor=actor())
    kept = io.StringIO()
    rows = csv.writer(kept)
    rows.writerow(["line", "reason"])
    rows.writerows([fault["line"], cell(fault["reason"])] for fault in upload["report"].get("faults", ()))
    response = make_response("\ufeff" + kept.getvalue())
    response.mimetype = "text/csv"
    response.headers["Content-Disposition"] = f"attachment; filename=rejected-{upload_id}.csv"
    response.headers["Cache-Control"] = "no-store"
    return response


def _new(problems: tuple[str, ...], status: int = 200) -> Response:
    require_somewhere(actor(), Permission.IMPORT)
    return page(
        "imports/new.html",
        status,
        problems=problems,
        newsletters=newsletters.names(actor(), Permission.IMPORT),
        given=request.form,
    )


def _match(upload_id: int, status: int = 200, problems: tuple[str, ...] = ()) -> Response:
    upload = uploading.find(upload_id, actor=actor())
    encoding = request.values.get("encoding") or upload["choices"].get("encoding") or None
    try:
        columns = uploading.columns(upload_id, actor=actor(), encoding=encoding)
    except Invalid as error:
        columns, problems, status = [], (*problems, *error.problems), 422
    given = request.form or upload["choices"]
    return page(
        "imports/columns.html",
        status,
        upload=upload,
        columns=columns,
        problems=problems,
        given=given,
        encoding=encoding or "",
        encodings=ENCODINGS,
        known=uploading.KNOWN,
        chosen=request.form or {f"column-{place}": name for place, name in upload["columns"].items()},
    )


def _show(upload_id: int, status: int = 200, problems: tuple[str, ...] = ()) -> Response:
    return page(
        "imports/show.html",
        status,
        upload=uploading.find(upload_id, actor=actor()),
        problems=problems,
        typed_above=uploading.TYPED_ABOVE,
    )
