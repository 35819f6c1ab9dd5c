"""Who comes in: asks for a session on every page of the team's side, and for the session's own seal on everything that
changes something. Refuses forms of other sites and of other sessions."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from flask import Flask, Response, g, make_response, redirect, request, url_for
from werkzeug.exceptions import Forbidden

from service.domain.permissions import Actor
from service.errors import BroadsheetError
from service.operations import operator_sessions
from service.operations.operator_sessions import LASTS, SignedIn
from service.web import security
from service.web.sealed import drop_cookie, read_cookie, seal_for_good, set_cookie, unseal_for_good

_COOKIE = "operator"
_FORM = "operator-form"
_SIGNED_OUT = "operator-form-before"
_BEFORE = "operator-before"
_BEFORE_LASTS = timedelta(days=1)
V = TypeVar("V", bound=Callable[..., Any])
PREFIX = "/admin"
PROOF_LASTS = timedelta(minutes=30)
SAFE = ("GET", "HEAD", "OPTIONS")

OPEN: set[str] = set()
"""Endpoints that nobody needs to be signed in for. Their forms carry a seal too, of the browser alone: see `form_seal`."""
_LARGEST: dict[str, int] = {}
"""Endpoint → bytes that it takes, where that is more than others take."""
LARGEST_FIELDS = 8 * 1024 * 1024
"""Bytes of a form's fields, files apart: the largest text that is kept, each letter written as three escapes."""
POLICY = security.POLICY + security.SCRIPTS + "; frame-src 'self'"
"""Pages of the team run scripts of ours, and show mails in frames."""
_STEP = (
    "admin_signing_in.step",
    "admin_signing_in.take_step",
    "admin_signing_in.passkey_options",
    "admin_signing_in.use_passkey",
    "admin_signing_in.sign_out",
)
"""All that somebody reaches of whom the second step is awaited."""
_SETTING_UP = (
    "admin_account.propose",
    "admin_account.turn_on",
    "admin_account.prove",
    "admin_account.show",
    "admin_account.change",
    "admin_account.change_password",
    "admin_account.passkey_options",
    "admin_account.add_passkey",
    "admin_signing_in.sign_out",
)
"""All that somebody reaches who must set a second step up first."""


def register(app: Flask) -> None:
    """Stand before every page of the team's side."""
    app.before_request(_let_in)
    app.after_request(_remember_browser)


def open_to_all(view: V) -> V:
    """Let this view be reached without a session, such as the page that begins one."""
    OPEN.add(_endpoint(view))
    return view


def takes(largest: int) -> Callable[[V], V]:
    """Let this view take so many bytes, files and fields together: known before the form is read, whose seal is looked at first."""

    def known(view: V) -> V:
        _LARGEST[_endpoint(view)] = largest
        return view

    return known


def inside(wanted: str) -> str:
    """Where somebody was going: a page of the team's side, and nowhere else; home for anything that is none."""
    is_here = wanted.startswith(PREFIX + "/") and "\\" not in wanted and "//" not in wanted and wanted.isprintable()
    return wanted if is_here else f"{PREFIX}/"


def _endpoint(view: Callable[..., Any]) -> str:
    return f"admin_{view.__module__.rpartition('.')[2]}.{view.__name__}"


def is_ours() -> bool:
    """Whether the request is for the team's side."""
    return (request.blueprint or "").startswith("admin_")


def signed_in() -> SignedIn | None:
    """Who is here, if anybody."""
    if "signed_in" not in g:
        token = read_cookie(_COOKIE)
        g.signed_in = operator_sessions.find(token) if token else None
    found: SignedIn | None = g.signed_in
    return found


def operator() -> SignedIn:
    """Who is here, on a page that nobody reaches without being signed in."""
    found = signed_in()
    if found is None:
        raise Forbidden
    return found


def need_recent_proof() -> None:
    """Let nobody pass who has not given a password for a while: a browser left open must not hand over the keys. Raises
    ProofNeeded."""
    if datetime.now(UTC) - operator().proved_at > PROOF_LASTS:
        raise ProofNeeded


class ProofNeeded(BroadsheetError):
    """Who they are must be proved once more."""


def actor() -> Actor:
    """Who acts, with their roles: what every operation is given."""
    return operator().actor


def begin(response: Response, token: str) -> Response:
    """Give the browser the cookie of a session that has just begun."""
    set_cookie(response, _COOKIE, token, LASTS)
    return response


def end(response: Response) -> Response:
    """Make the browser forget its session."""
    drop_cookie(response, _COOKIE)
    return response


def form_seal() -> str:
    """What every form of this session carries, and no other site or session can know. Before there is a session, it is the
    browser's: a form that somebody else was given signs nobody in here."""
    found = signed_in()
    if found:
        return seal_for_good(_FORM, found.session_id)
    if "browser" not in g:
        g.browser = read_cookie(_BEFORE) or secrets.token_urlsafe(16)
    return seal_for_good(_SIGNED_OUT, g.browser)


def _remember_browser(response: Response) -> Response:
    if "browser" in g and read_cookie(_BEFORE) is None:
        set_cookie(response, _BEFORE, g.browser, _BEFORE_LASTS)
    return response


def _let_in() -> Response | None:
    if not is_ours():
        return None
    g.policy = POLICY
    if (largest := _LARGEST.get(request.endpoint or "")) is not None:
        # What is no file lies in memory, and is read before anybody's right to send it is known.
        request.max_form_memory_size = min(largest, LARGEST_FIELDS)
        has_files = request.mimetype == "multipart/form-data"
        request.max_content_length = largest if has_files else request.max_form_memory_size
    found = signed_in()
    if found is None and request.endpoint not in OPEN:
        return _ask_to_sign_in()
    if found is not None and found.awaits_step and request.endpoint not in _STEP:
        return make_response(redirect(url_for("admin_signing_in.step"), 303))
    if request.method not in SAFE:
        _check_form(found)
    if found is not None and found.lacks_step and not found.awaits_step and request.endpoint not in _SETTING_UP:
        return make_response(redirect(url_for("admin_account.propose"), 303))
    return None


def _check_form(found: SignedIn | None) -> None:
    text = request.headers.get("X-Form-Seal") or request.form.get("form_seal", "")
    purpose, holder = (_FORM, found.session_id) if found else (_SIGNED_OUT, read_cookie(_BEFORE))
    if not holder or unseal_for_good(purpose, text) != holder:
        raise Forbidden
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden


def _ask_to_sign_in() -> Response:
    """The way to the sign-in page and back; in the middle of a page, htmx is told to go there."""
    back = request.full_path.rstrip("?") if request.method in SAFE else None
    if request.headers.get("HX-Request"):
        response = make_response("", 401)
        response.headers["HX-Redirect"] = url_for("admin_signing_in.form")
        return response
    return make_response(redirect(url_for("admin_signing_in.form", next=back), 303))
