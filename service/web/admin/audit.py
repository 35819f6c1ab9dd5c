"""The audit log."""

import csv
import io
import json

from flask import Blueprint, Response, make_response, request

from service.operations import auditing_log
from service.operations.exporting import cell
from service.web.admin import gate
from service.web.admin.frame import actor, page

blueprint = Blueprint("admin_audit", __name__, url_prefix=f"{gate.PREFIX}/audit")
PAGE = 50
EXPORTED = 10_000


@blueprint.get("")
def index() -> Response:
    """Who did what, the newest first."""
    words, before = request.args.get("words", ""), request.args.get("before", "")
    found = auditing_log.find(
        actor=actor(), words=words, before=int(before) if before.isdecimal() else None, limit=PAGE + 1
    )
    return page(
        "audit/index.html",
        entries=found[:PAGE],
        older=found[PAGE - 1]["id"] if len(found) > PAGE else None,
        words=words,
    )


@blueprint.get("/log.csv")
def export() -> Response:
    """The same as CSV: the newest ten thousand that are found."""
    kept = io.StringIO()
    rows = csv.writer(kept)
    rows.writerow(["at", "who", "actor", "action", "subject", "details"])
    for one in auditing_log.find(actor=actor(), words=request.args.get("words", ""), limit=EXPORTED):
        rows.writerow(
            [
                cell(value)
                for value in (
                    one["at"].isoformat(),
                    one["who"],
                    one["actor"],
                    one["action"],
                    one["subject"],
                    json.dumps(one["details"], ensure_ascii=False),
                )
            ]
        )
    response = make_response("\ufeff" + kept.getvalue())
    response.mimetype = "text/csv"
    response.headers["Content-Disposition"] = "attachment; filename=audit.csv"
    response.headers["Cache-Control"] = "no-store"
    return response
