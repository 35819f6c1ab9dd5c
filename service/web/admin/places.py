"""Where things are: the menu, as much of it as somebody may use, and the tabs of an issue."""

from dataclasses import dataclass
from typing import Any

from flask import current_app, request, url_for

from service.domain.permissions import Actor, Permission


@dataclass(frozen=True)
class Place:
    """A place of the menu: shown to whoever has the permission somewhere."""

    name: str
    endpoint: str
    permission: Permission


MENU = (
    Place("Home", "admin_home.show", Permission.SEE),
    Place("Issues", "admin_issues.index", Permission.SEE),
    Place("Readers", "admin_readers.index", Permission.SEE_READERS),
    Place("Imports", "admin_imports.index", Permission.IMPORT),
    Place("Segments", "admin_segments.index", Permission.SEE_READERS),
    Place("Newsletters", "admin_newsletters.index", Permission.SEE),
    Place("Team", "admin_operators.index", Permission.ADMINISTER),
    Place("API keys", "admin_keys.index", Permission.ADMINISTER),
    Place("Settings", "admin_settings.show", Permission.ADMINISTER),
    Place("Audit log", "admin_audit.index", Permission.AUDIT),
)
TABS = (
    ("write", "Write", "admin_editor.show"),
    ("audience", "Audience", "admin_audience.show"),
    ("approval", "Approval", "admin_approval.show"),
    ("send", "Send", "admin_sending.show"),
    ("report", "Report", "admin_report.show"),
)
_WITHIN = {
    **{endpoint.partition(".")[0]: "admin_issues" for _, _, endpoint in TABS},
    "admin_tags": "admin_segments",
}
"""Blueprints whose pages are found below a place of the menu."""


def menu(actor: Actor) -> list[dict[str, Any]]:
    """What this actor finds in the menu."""
    here = request.blueprint or ""
    return [
        {
            "name": one.name,
            "href": url_for(one.endpoint),
            "is_here": _blueprint(one.endpoint) == _WITHIN.get(here, here),
        }
        for one in MENU
        if actor.may_somewhere(one.permission) and one.endpoint in current_app.view_functions
    ]


def issue_tabs(issue: Any) -> list[dict[str, str]]:
    """The tabs of an issue, which has an `id`."""
    number = issue["id"] if isinstance(issue, dict) else issue.id
    return [
        {"tab": tab, "name": name, "href": url_for(endpoint, issue_id=number)}
        for tab, name, endpoint in TABS
        if endpoint in current_app.view_functions
    ]


def href(endpoint: str) -> str:
    """Where that is."""
    return url_for(endpoint) if endpoint in current_app.view_functions else ""


def _blueprint(endpoint: str) -> str:
    return endpoint.partition(".")[0]
