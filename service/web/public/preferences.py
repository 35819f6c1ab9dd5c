"""The reader's own page: every newsletter on or off, tracking, pauses, their details; saved by one button, shown to the holder
of a mailed link for half an hour."""

from datetime import date
from typing import Any

from flask import Blueprint, Response, make_response, redirect, request, url_for

from service.domain.languages import LANGUAGES, match
from service.operations import linking, preferences, preferences_saving, undoing
from service.operations.linking import Session
from service.operations.preferences import Preferences
from service.operations.preferences_saving import Rejected, Saved, Wanted
from service.operations.wordings import PURPOSES
from service.web import frame, sessions
from service.web.frame import gettext, page
from service.web.origin import origin_of_request
from service.web.sealed import drop_cookie, read_cookie, seal, set_cookie, unseal

blueprint = Blueprint("preferences", __name__)
blueprint.app_errorhandler(sessions.SessionEnded)(sessions.ended)

_SAVED = "saved"
_MOST_CHANGES = 20
"""That fit into a cookie; the page shows the rest as it is now."""


@blueprint.get("/preferences")
def show() -> Response:
    """Everything that can be chosen, as it is now; after saving, what was saved."""
    session = sessions.required()
    found = preferences.view(session.subscriber_id, frame.language())
    saved = _saved(session)
    response = _form(session, found, saved=saved)
    if saved:
        drop_cookie(response, _SAVED)
    return response


@blueprint.post("/preferences")
def save() -> Response:
    """Save all or nothing."""
    session = sessions.required()
    sealed = sessions.read_form(session, request.form.get("form", ""))
    shown = sealed.get("shown")
    wanted = Wanted(
        ticked={purpose: frozenset(request.form.getlist(purpose)) for purpose in PURPOSES},
        pauses={name[6:]: text for name, text in request.form.items() if name.startswith("pause-")},
        texts=_typed(sealed.get("language")),
        shown=shown if isinstance(shown, dict) else {},
        origin=origin_of_request(),
    )
    language = frame.language()
    try:
        saved = preferences_saving.save(session.subscriber_id, wanted, language)
    except Rejected as error:
        found = preferences.view(session.subscriber_id, language)
        problems = {one.field: gettext(one.text, **one.values) for one in error.problems}
        return _form(session, found, 422, problems=problems, wanted=wanted)
    return _after_saving(session, saved)


@blueprint.post("/preferences/undo")
def undo() -> Response:
    """Take back what the last saving ended."""
    session = sessions.required()
    pairs = sessions.read_form(session, request.form.get("form", "")).get("undo") or []
    undoing.undo([(subscription_id, record_id) for subscription_id, record_id in pairs])
    response = make_response(redirect(url_for(".show"), 303))
    _keep(response, session, {"changes": [["undone", "", ""]]})
    return response


@blueprint.post("/preferences/close")
def close() -> Response:
    """End the session before its time."""
    session = sessions.required()
    sessions.read_form(session, request.form.get("form", ""))
    linking.close(session.link_id)
    response = page("public/preferences_closed.html")
    sessions.end(response)
    return response


def _form(
    session: Session,
    found: Preferences,
    status: int = 200,
    *,
    problems: dict[str, str] | None = None,
    wanted: Wanted | None = None,
    saved: dict[str, Any] | None = None,
) -> Response:
    shown = {choice.slug: choice.shown for choice in found.choices}
    if len(found.choices) == 1:
        frame.newsletter(found.choices[0].slug)
    return page(
        "public/preferences.html",
        status,
        reader=found,
        session=session,
        form_seal=sessions.form_seal(session, shown=shown, language=_texts(found)["language"]),
        undo_seal=sessions.form_seal(session, undo=saved["undo"]) if saved and saved.get("undo") else None,
        problems=problems or {},
        ticked=wanted.ticked if wanted else _ticked(found),
        pauses=wanted.pauses if wanted else {choice.slug: choice.pause for choice in found.choices},
        texts=_texts(found) | (dict(wanted.texts) if wanted else {}),
        saved=saved,
        choices_of_language=tuple(LANGUAGES.items()),
    )


def _ticked(found: Preferences) -> dict[str, set[str]]:
    return {
        "newsletter": {choice.slug for choice in found.choices if choice.active},
        "tracking": {choice.slug for choice in found.choices if choice.tracking},
        "export": {choice.slug for choice in found.choices if choice.export},
    }


def _texts(found: Preferences) -> dict[str, str]:
    own = {field.name: found.attributes.get(field.key, "") for field in found.fields}
    language = match(found.language) or frame.language()
    return own | {"first_name": found.first_name, "last_name": found.last_name, "language": language}


def _typed(language_shown: str | None) -> dict[str, str]:
    """The texts of the form. A language that stands there because none was known yet, and was left so, is no choice."""
    texts = {name: text[:2000] for name, text in request.form.items()}
    return {name: text for name, text in texts.items() if (name, text) != ("language", language_shown)}


def _after_saving(session: Session, saved: Saved) -> Response:
    response = make_response(redirect(url_for(".show"), 303))
    _keep(response, session, {"changes": saved.changes[:_MOST_CHANGES], "undo": saved.undoable[:_MOST_CHANGES]})
    return response


def _keep(response: Response, session: Session, values: dict[str, Any]) -> None:
    """What the next page says: in a cookie, since an address must say nothing of the reader."""
    set_cookie(response, _SAVED, seal(_SAVED, {**values, "link": session.link_id}), undoing.UNDO)


def _saved(session: Session) -> dict[str, Any] | None:
    found = unseal(_SAVED, read_cookie(_SAVED) or "", undoing.UNDO)
    if not isinstance(found, dict) or found.get("link") != session.link_id:
        return None
    changes = [(what, name, date.fromisoformat(day) if day else "") for what, name, day in found["changes"]]
    return {"changes": changes, "undo": found.get("undo")}
