"""The audit log."""

import json

from flask import Blueprint, Response, request

from service.operations import auditing_log
from service.web.admin import gate
from service.web.admin.frame import actor, page, table

blueprint = Blueprint("admin_audit", __name__, url_prefix=f"{gate.PREFIX}/audit")
PAGE = 50
EXPORTED = 10_000
_COLUMNS = ("at", "who", "actor", "action", "subject", "details")


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
    """The same as a table: the newest ten thousand that are found."""
    rows = (
        [one["at"].isoformat(), *(one[name] for name in _COLUMNS[1:-1]), json.dumps(one["details"], ensure_ascii=False)]
        for one in auditing_log.find(actor=actor(), words=request.args.get("words", ""), limit=EXPORTED)
    )
    return table(_COLUMNS, rows, "audit")
