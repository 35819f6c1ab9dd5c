"""What became of an issue."""

from flask import Blueprint, Response, make_response, request

from service.operations import click_map, editing, issue_report, looking
from service.web.admin import charts, gate
from service.web.admin.frame import actor, framed, page, table

blueprint = Blueprint("admin_report", __name__, url_prefix=f"{gate.PREFIX}/issues/<int:issue_id>/report")
PAGE = 50
_LINES = {
    "opened": ("Opened, by people as far as can be told", "first"),
    "clicked": ("Followed a link", "second"),
    "by_machines": ("Opened by machines", "third"),
}
_COLUMNS = (
    "address",
    "outcome",
    "delivered_at",
    "bounced_at",
    "opened_at",
    "clicked_at",
    "complained_at",
    "unsubscribed_at",
)


@blueprint.get("")
def show(issue_id: int) -> Response:
    """Ledger, rates, links."""
    found = issue_report.of_issue(issue_id, actor=actor())
    return page(
        "report/show.html",
        issue=editing.find(issue_id, actor=actor()),
        found=found,
        chart=charts.over_time(found["hours"], _LINES),
        tab="report",
    )


@blueprint.get("/compared")
def compared(issue_id: int) -> Response:
    """Beside the issues before it."""
    return page(
        "report/compared.html",
        issue=editing.find(issue_id, actor=actor()),
        issues=issue_report.former(issue_id, actor=actor()),
        tab="report",
    )


@blueprint.get("/clicks")
def clicks(issue_id: int) -> Response:
    """The mail, with how many followed each link."""
    return page(
        "report/clicks.html",
        issue=editing.find(issue_id, actor=actor()),
        clicks=click_map.clicks(issue_id, actor=actor()),
        choices=[(one, one) for one in looking.variants(issue_id, actor=actor())],
        variant=request.args.get("variant", ""),
        tab="report",
    )


@blueprint.get("/clicks/mail")
def clicked_mail(issue_id: int) -> Response:
    """The mail itself, for its frame."""
    return framed(click_map.drawn(issue_id, actor=actor(), variant=request.args.get("variant") or None))


@blueprint.get("/readers")
def readers(issue_id: int) -> Response:
    """Who got it."""
    return _readers(issue_id, "")


@blueprint.post("/readers")
def search(issue_id: int) -> Response:
    """The same, by an address, which stands in no page's address."""
    return _readers(issue_id, request.form.get("words", ""))


@blueprint.get("/readers/<int:delivery_id>")
def copy(issue_id: int, delivery_id: int) -> Response:
    """One reader's copy, and the proof of it."""
    found = issue_report.copy_of(issue_id, delivery_id, actor=actor())
    return page("report/copy.html", issue=editing.find(issue_id, actor=actor()), copy=found, tab="report")


@blueprint.get("/readers/<int:delivery_id>/mail.eml")
def mail(issue_id: int, delivery_id: int) -> Response:
    """The bytes of the copy."""
    found = issue_report.copy_of(issue_id, delivery_id, actor=actor())
    if found["mail"] is None:
        return page(
            "fault.html",
            404,
            title="There is no copy",
            advice="This reader was sent none, or what it was made of is not kept any more.",
            reason="",
        )
    response = make_response(found["mail"])
    response.mimetype = "message/rfc822"
    response.headers["Content-Disposition"] = f"attachment; filename=issue-{issue_id}-{delivery_id}.eml"
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/readers/table")
def export(issue_id: int) -> Response:
    """Every reader's outcome as a table, read page by page."""
    everybody = issue_report.everybody(issue_id, actor=actor())
    rows = ([_value(row, name) for name in _COLUMNS] for row in everybody)
    return table(_COLUMNS, rows, f"issue-{issue_id}")


def _value(row: dict[str, object], name: str) -> object:
    if name == "outcome":
        return row["failed"] or row["excluded"] or row["batch_state"] or ""
    return "" if row[name] is None else str(row[name])


def _readers(issue_id: int, words: str) -> Response:
    after = request.values.get("after", "")
    found = issue_report.readers(
        issue_id, actor=actor(), words=words, after=int(after) if after.isdecimal() else 0, limit=PAGE + 1
    )
    return page(
        "report/readers.html",
        issue=editing.find(issue_id, actor=actor()),
        readers=found[:PAGE],
        more=found[PAGE - 1]["id"] if len(found) > PAGE else None,
        words=words,
        tab="report",
    )
