"""The audit log."""

import json
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request

from service.operations import auditing_log
from service.operations.auditing_log import Asked
from service.web.admin import gate
from service.web.admin.frame import actor, page, table, zone

blueprint = Blueprint("admin_audit", __name__, url_prefix=f"{gate.PREFIX}/audit")
PAGE = 50
EXPORTED = 10_000
_COLUMNS = ("at", "who", "actor", "action", "subject", "details")
_FILTERS = ("words", "who", "action", "since", "until")


@blueprint.get("")
def index() -> Response:
    """Who did what, the newest first."""
    before = request.args.get("before", "")
    found = auditing_log.find(
        actor=actor(), asked=_asked(), before=int(before) if before.isdecimal() else None, limit=PAGE + 1
    )
    who, actions = auditing_log.choices(actor=actor())
    return page(
        "audit/index.html",
        entries=found[:PAGE],
        older=found[PAGE - 1]["id"] if len(found) > PAGE else None,
        asked={name: request.args[name] for name in _FILTERS if request.args.get(name)},
        who=who,
        choices=[("", "Everything"), *((one, one.capitalize()) for one in actions)],
    )


@blueprint.get("/log.csv")
def export() -> Response:
    """The same as a table: the newest ten thousand that are found."""
    rows = (
        [one["at"].isoformat(), *(one[name] for name in _COLUMNS[1:-1]), json.dumps(one["details"], ensure_ascii=False)]
        for one in auditing_log.find(actor=actor(), asked=_asked(), limit=EXPORTED)
    )
    return table(_COLUMNS, rows, "audit")


def _asked() -> Asked:
    """What the address asks for; a day that is none asks for nothing."""
    until = _day("until")
    return Asked(
        words=request.args.get("words", ""),
        who=request.args.get("who", ""),
        action=request.args.get("action", ""),
        since=_day("since"),
        until=until + timedelta(days=1) if until else None,
    )


def _day(name: str) -> datetime | None:
    """The moment at which that day begins for whoever looks."""
    try:
        day = datetime.strptime(request.args.get(name, ""), "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None
    return datetime.combine(day, time(), ZoneInfo(zone())).astimezone(UTC)
