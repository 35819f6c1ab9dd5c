"""What all pages of the team's side share: the frame around them, the words for times and numbers, and the notice that is
shown after something was done. Views answer with `page`, `fragment`, `framed`, `table` or `back`."""

import secrets
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import (
    Flask,
    Response,
    g,
    has_request_context,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)

from service.domain.permissions import Permission
from service.languages import format_date, format_datetime, format_number
from service.operations import exporting, operator_sessions
from service.settings import current
from service.web.admin import gate, places
from service.web.admin.gate import actor, operator
from service.web.sealed import drop_cookie, read_cookie, seal, set_cookie, unseal

__all__ = ["actor", "back", "fragment", "framed", "notice_after", "operator", "page", "register", "table"]

_NOTICE = "notice"
_NOTICE_LASTS = timedelta(minutes=2)
_LANGUAGE = "en"
MAIL = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def register(app: Flask) -> None:
    """Give the templates of the team's side what they share."""
    app.jinja_env.filters.update(moment=moment, day=day, number=number, clock=clock)
    app.context_processor(_shared)


def page(template: str, status: int = 200, **values: object) -> Response:
    """A whole page. It is the operator's alone: no cache keeps it."""
    shown = _notice() if request.method == "GET" else None
    response = make_response(render_template(f"admin/{template}", notice=shown, **values), status)
    response.headers["Cache-Control"] = "no-store"
    if shown:
        drop_cookie(response, _NOTICE)
    return response


def fragment(template: str, status: int = 200, **values: object) -> Response:
    """A part of a page, for a script that puts it in its place."""
    response = make_response(render_template(f"admin/{template}", **values), status)
    response.headers["Cache-Control"] = "no-store"
    return response


def framed(html: str) -> Response:
    """A mail, for a frame of a page: it runs nothing and asks nobody else for anything."""
    g.policy = MAIL
    response = make_response(html)
    response.headers["Cache-Control"] = "no-store"
    return response


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], name: str) -> Response:
    """A table as a file: a workbook where the address asks for `?as=xlsx`, else CSV. `name`: the file's, without its ending."""
    if request.args.get("as") == "xlsx":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.xlsx"
            exporting.workbook(columns, rows, path)
            # Open still when its folder is gone, so that nothing of readers stays on the disk.
            response = send_file(path.open("rb"), mimetype=_XLSX, as_attachment=True, download_name=f"{name}.xlsx")
    else:
        response = Response(exporting.csv_lines(columns, rows), mimetype="text/csv")
        response.headers["Content-Disposition"] = f"attachment; filename={name}.csv"
    response.headers["Cache-Control"] = "no-store"
    return response


def back(
    endpoint: str, notice: str = "", *, undo: tuple[str, Mapping[str, str]] | None = None, **values: Any
) -> Response:
    """After something was done: to that page, which says so. `undo`: where a form goes that takes it back, and its fields; they
    are signed, and no address of a person belongs in them."""
    response = make_response(redirect(url_for(endpoint, **values), 303))
    return notice_after(response, notice, undo=undo) if notice else response


def notice_after(
    response: Response, text: str, *, undo: tuple[str, Mapping[str, str]] | None = None, tone: str = "good"
) -> Response:
    """Let the next page say this. `tone`: good, warning or problem."""
    told = {"text": text, "tone": tone, "undo": {"to": undo[0], "fields": dict(undo[1])} if undo else None}
    set_cookie(response, _NOTICE, seal(_NOTICE, told), _NOTICE_LASTS)
    return response


def style_nonce() -> str:
    """Let the style element of the text editor, which makes its own, be on this page."""
    if "style_nonce" not in g:
        g.style_nonce = secrets.token_urlsafe(16)
        g.policy = gate.POLICY.replace("style-src 'self'", f"style-src 'self' 'nonce-{g.style_nonce}'")
    nonce: str = g.style_nonce
    return nonce


def zone() -> str:
    """The time zone of whoever looks."""
    found = gate.signed_in() if has_request_context() else None
    return found.time_zone if found else "UTC"


def moment(value: datetime | None, where: str | None = None) -> str:
    """Day and minute with the zone, “24 November 2026 at 09:00 CET”; a dash for none."""
    return format_datetime(value, _LANGUAGE, where or zone()) if value else "–"


def day(value: date | datetime | None, where: str | None = None) -> str:
    """The day, “24 November 2026”; a dash for none."""
    return format_date(value, _LANGUAGE, where or zone()) if value else "–"


def clock(value: datetime) -> str:
    """The minute, “09:00”, in the operator's zone."""
    there = (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(ZoneInfo(zone()))
    return there.strftime("%H:%M")


def number(value: float | None) -> str:
    """A number with its thousands apart; a dash for none."""
    return "–" if value is None else format_number(value, _LANGUAGE)


def _notice() -> dict[str, Any] | None:
    found = unseal(_NOTICE, read_cookie(_NOTICE) or "", _NOTICE_LASTS)
    return found if isinstance(found, dict) else None


def _shared() -> dict[str, Any]:
    if not has_request_context() or not gate.is_ours():
        return {}
    who: operator_sessions.SignedIn | None = gate.signed_in()
    return {
        "me": who,
        "may": _may,
        "may_somewhere": lambda name: bool(who and who.actor.may_somewhere(Permission[name])),
        "form_seal": gate.form_seal(),
        "is_sandbox": current().sandbox,
        "sandbox_inbox": f"http://127.0.0.1:{current().sandbox_port}/",
        "style_nonce": style_nonce,
        "zone": zone(),
        "menu": lambda: places.menu(who.actor) if who else [],
        "issue_tabs": places.issue_tabs,
        "issues_href": places.href("admin_issues.index"),
        "account_href": places.href("admin_account.show"),
    }


def _may(name: str, newsletter_id: int | None = None) -> bool:
    """Whether whoever looks may do this, named as in `Permission`: for what a page offers."""
    found = gate.signed_in()
    return bool(found and found.actor.may(Permission[name], newsletter_id))
