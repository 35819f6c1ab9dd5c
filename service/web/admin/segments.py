"""Segments: built line by line, counted while they are built, and what can be done with everybody in one."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from service.domain import segments as tree
from service.domain.permissions import Permission
from service.errors import Conflict, Invalid
from service.operations import newsletters, segment_readers, segments
from service.web.admin import gate
from service.web.admin.frame import actor, back, fragment, page, table

blueprint = Blueprint("admin_segments", __name__, url_prefix=f"{gate.PREFIX}/segments")
Shape = list[list[dict[str, str]]]
_FIELDS = ("what", "how", "value", "name")
_FIRST = {"what": "language", "how": "is", "value": "", "name": ""}


@blueprint.get("")
def index() -> Response:
    """All that one may see."""
    return page(
        "segments/index.html",
        segments=segments.listed(actor=actor()),
        newsletters=newsletters.names(actor(), Permission.WRITE),
    )


@blueprint.get("/new")
def new() -> Response:
    """One line to begin with."""
    newsletter_id = request.args.get("newsletter", type=int) or next(iter(_writable()), 0)
    return _build(newsletter_id, "", [[dict(_FIRST)]])


@blueprint.post("/of/<int:newsletter_id>")
def create(newsletter_id: int) -> Response:
    """Keep it."""
    try:
        made, _ = segments.save(newsletter_id, request.form.get("segment_name", ""), _given(), actor=actor())
    except (Invalid, Conflict) as error:
        return _build(newsletter_id, request.form.get("segment_name", ""), _given(), problems=_said(error), status=422)
    return back(".show", "The segment is saved. Choose it on an issue's Audience page.", segment_id=made)


@blueprint.post("/of/<int:newsletter_id>/shape")
def shape(newsletter_id: int) -> Response:
    """The same form with a line more or less; nothing is kept."""
    segment_id = request.form.get("segment", type=int)
    given = _reshaped(_given(), request.form.get("do", ""))
    return _build(newsletter_id, request.form.get("segment_name", ""), given, segment_id=segment_id)


@blueprint.post("/of/<int:newsletter_id>/count")
def count(newsletter_id: int) -> Response:
    """How many are in what the form says now; nothing is kept."""
    return fragment("segments/count.html", **_counted(newsletter_id, _given()))


@blueprint.get("/<int:segment_id>")
def show(segment_id: int) -> Response:
    """One segment, and who is in it."""
    found = segments.find(segment_id, actor=actor())
    shown = [[{**_FIRST, "value": "", "name": "", **one} for one in block] for block in found["blocks"]]
    return _build(found["newsletter_id"], found["name"], shown, segment_id=segment_id)


@blueprint.post("/<int:segment_id>")
def change(segment_id: int) -> Response:
    """Keep it as the form says."""
    found = segments.find(segment_id, actor=actor(), permission=Permission.WRITE)
    name = request.form.get("segment_name", "")
    try:
        _, issues = segments.save(found["newsletter_id"], name, _given(), actor=actor(), segment_id=segment_id)
    except (Invalid, Conflict) as error:
        return _build(found["newsletter_id"], name, _given(), segment_id=segment_id, problems=_said(error), status=422)
    told = f" {len(issues)} issues that are being written are for it as it is now." if issues else ""
    return back(".show", f"Saved.{told}", segment_id=segment_id)


@blueprint.post("/<int:segment_id>/archive")
def archive(segment_id: int) -> Response:
    """No more."""
    segments.archive(segment_id, actor=actor())
    return back(".index", "The segment is removed.", undo=(url_for(".restore", segment_id=segment_id), {}))


@blueprint.post("/<int:segment_id>/restore")
def restore(segment_id: int) -> Response:
    """Again."""
    segments.restore(segment_id, actor=actor())
    return back(".show", "The segment is there again.", segment_id=segment_id)


@blueprint.post("/<int:segment_id>/tag")
def tag(segment_id: int) -> Response:
    """Everybody in it gets a tag."""
    try:
        number = segment_readers.tag(segment_id, request.form.get("tag", ""), actor=actor())
    except Invalid as error:
        found = segments.find(segment_id, actor=actor())
        return _build(
            found["newsletter_id"],
            found["name"],
            [[{**_FIRST, **one} for one in block] for block in found["blocks"]],
            segment_id=segment_id,
            problems=error.problems,
            status=422,
        )
    return back(".show", f"{number:,} readers got the tag who had it not.", segment_id=segment_id)


@blueprint.post("/<int:segment_id>/export")
def export(segment_id: int) -> Response:
    """Everybody in it, as a file."""
    columns, rows = segment_readers.export(segment_id, actor=actor())
    return table(columns, rows, f"segment-{segment_id}")


def _writable() -> dict[int, str]:
    return newsletters.names(actor(), Permission.WRITE)


def _given() -> Shape:
    """The lines that the form holds, block by block."""
    columns = {name: request.form.getlist(name) for name in ("block", *_FIELDS)}
    blocks: dict[str, list[dict[str, str]]] = {}
    for number, block in enumerate(columns["block"][: tree.MAX_CONDITIONS + 1]):
        line = {name: (columns[name][number] if number < len(columns[name]) else "") for name in _FIELDS}
        blocks.setdefault(block, []).append(_fitting(line))
    return list(blocks.values())


def _fitting(line: dict[str, str]) -> dict[str, str]:
    """A line whose comparison fits what it asks about: another was chosen a moment ago."""
    kind = tree.KINDS.get(line["what"])
    if kind is None:
        return line
    if line["how"] not in kind.hows:
        return {**line, "how": next(iter(kind.hows)), "value": ""}
    return {**line, "value": ""} if line["how"] in tree.NO_VALUE else line


def _reshaped(given: Shape, do: str) -> Shape:
    """`do`: `block` adds one, `line-2` adds a line to block 2, `drop-2-1` takes the first line of block 2 away."""
    what, _, rest = do.partition("-")
    places = [int(one) - 1 for one in rest.split("-") if one.isdecimal()]
    made = [list(block) for block in given]
    if what == "block":
        made.append([dict(_FIRST)])
    elif what == "line" and places and places[0] < len(made):
        made[places[0]].append(dict(_FIRST))
    elif what == "drop" and len(places) > 1 and places[0] < len(made) and places[1] < len(made[places[0]]):
        del made[places[0]][places[1]]
    return [block for block in made if block] or [[dict(_FIRST)]]


def _counted(newsletter_id: int, given: Shape) -> dict[str, Any]:
    try:
        return {"counted": segments.count(newsletter_id, given, actor=actor()), "why_not": ()}
    except Invalid as error:
        return {"counted": None, "why_not": error.problems}


def _build(
    newsletter_id: int,
    name: str,
    given: Shape,
    *,
    segment_id: int | None = None,
    problems: tuple[str, ...] = (),
    status: int = 200,
) -> Response:
    shown = {
        "newsletter_id": newsletter_id,
        "segment_id": segment_id,
        "segment_name": name,
        "blocks": given,
        "kinds": tree.KINDS,
        "choices": {**segments.choices(newsletter_id, actor=actor()), "method": tree.METHODS, "answer": tree.ANSWERS}
        if newsletter_id
        else {},
        "no_value": tree.NO_VALUE,
    }
    if request.headers.get("HX-Request"):
        # The script asks for the count by itself: whoever types on must not wait for it.
        answer = fragment("segments/builder.html", status, **shown)
        answer.headers["HX-Trigger-After-Settle"] = "shaped"
        return answer
    later = bool(newsletter_id) and request.method == "GET" and newsletters.is_large(newsletter_id)
    shown |= {"later": later} if later or not newsletter_id else _counted(newsletter_id, given)
    found = segments.find(segment_id, actor=actor()) if segment_id else None
    return page("segments/show.html", status, **shown, segment=found, problems=problems, newsletters=_writable())


def _said(error: Invalid | Conflict) -> tuple[str, ...]:
    return error.problems if isinstance(error, Invalid) else (str(error),)
