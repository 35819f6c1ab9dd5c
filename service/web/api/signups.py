"""Sign-ups for a site's own form, by script: the words to show, and the form's contents back. Only sites that a newsletter
names may do so from a browser, and only in JSON, which no plain form of another site can send."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from service.domain.languages import match
from service.errors import NotFound
from service.languages import mark, say
from service.operations import limits, signing_up
from service.operations.signing_up import Origin, Rejected, TooMany
from service.operations.signup_forms import NOBODY_HERE, SignupForm, accepting_origins, form_for
from service.operations.signup_input import Problem
from service.operations.signup_tickets import Ticket, read_ticket
from service.settings import current
from service.web import frame
from service.web.origin import origin_of_request

blueprint = Blueprint("api_signups", __name__, url_prefix="/api")

_NOT_ALLOWED = mark(
    "This site may not sign readers up here. Its address has to be among the newsletter's allowed origins."
)
_NOT_JSON = mark("Send JSON, with the content type application/json.")
_OLD_FORM = mark("This form is too old or not ours. Fetch it again.")
_NO_OBJECT = mark("Send one JSON object.")
_WRONG_KIND = mark("This has to be a text.")
_WRONG_NEWSLETTERS = mark('This has to be a list of objects such as {"slug": "monthly", "agrees": "…"}.')
_TOO_MANY = mark("Too many sign-ups came from this network. Try again in %(minutes)s minutes.")
_TEXTS = ("slug", "agrees", "tracking", "export")


@blueprint.get("/newsletters/<slug>/form")
def form(slug: str) -> Response:
    """What to ask, in which words, and the token to send it back with. `?lang=` chooses the language."""
    shown = form_for([slug], frame.language())
    if not _is_allowed(shown):
        return _answer({"errors": [_error("", _NOT_ALLOWED, shown.language)]}, 403)
    (offer,) = shown.offers
    return _answer(
        {
            "newsletter": {"slug": offer.slug, "name": offer.name, "description": offer.description},
            "language": shown.language,
            "fields": [
                {"name": "address", "label": say(shown.language, mark("Email address")), "required": True},
                *({"name": one.name, "label": one.label, "required": one.required} for one in shown.fields),
            ],
            "wordings": {
                purpose: {"text": wording.text, "sha256": wording.sha256} for purpose, wording in offer.wordings.items()
            },
            "token": Ticket.new("api", shown.language, shown.slugs).sealed(),
        },
        200,
        allowed=True,
    )


@blueprint.route("/subscribe", methods=["OPTIONS"], provide_automatic_options=False)
def preflight() -> Response:
    """May a browser send this from that site? It does not say yet for which newsletters, so that any of them will do."""
    response = Response(status=204)
    if request.headers.get("Origin") in accepting_origins():
        _allow(response)
        response.headers["Access-Control-Allow-Methods"] = "POST"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type"
        response.headers["Access-Control-Max-Age"] = "600"
    response.vary.add("Origin")
    return response


@blueprint.post("/subscribe")
def subscribe() -> Response:
    """Take a sign-up. The answer to one that was taken is the same whoever is behind the address."""
    request.max_content_length = limits.LARGEST_SIGNUP
    language = frame.language()
    if request.mimetype != "application/json":
        return _answer({"errors": [_error("", _NOT_JSON, language)]}, 415)
    given, problems = _read()
    ticket = read_ticket(given.get("token", [""])[0])
    if problems or ticket is None or ticket.kind != "api":
        return _refuse(problems or [Problem("token", _OLD_FORM)], language)
    slugs = sorted({value.partition(":")[0] for value in given["newsletter"]}) or ticket.slugs
    try:
        shown = form_for(slugs, ticket.language)
    except NotFound:
        return _refuse([Problem("newsletters", NOBODY_HERE)], language)
    if not _is_allowed(shown):
        return _answer({"errors": [_error("", _NOT_ALLOWED, language)]}, 403)
    origin = Origin("api", **origin_of_request())
    try:
        signing_up.sign_up(given, slugs=slugs, language=ticket.language, origin=origin)
    except Rejected as error:
        return _refuse(error.problems, ticket.language, allowed=True)
    except TooMany as error:
        minutes = math.ceil(error.wait / timedelta(minutes=1))
        response = _answer({"errors": [_error("", _TOO_MANY, ticket.language, minutes=minutes)]}, 429, allowed=True)
        response.headers["Retry-After"] = str(minutes * 60)
        return response
    return _answer({"status": "pending"}, 202, allowed=True)


def _read() -> tuple[dict[str, list[str]], list[Problem]]:
    """The body, in the shape that a form would have; and what cannot be read in it."""
    try:
        body = request.get_json()
    except (BadRequest, RecursionError):
        body = None
    if not isinstance(body, dict):
        return {}, [Problem("", _NO_OBJECT)]
    named = body.pop("newsletters", [])
    if not isinstance(named, list) or not all(_is_choice(one) for one in named[:100]):
        return {}, [Problem("newsletters", _WRONG_NEWSLETTERS)]
    problems = [Problem(name[:100], _WRONG_KIND) for name, value in body.items() if not isinstance(value, str | None)]
    given = {name: [value or ""] for name, value in body.items() if isinstance(value, str | None)}
    for purpose, key in (("newsletter", "agrees"), ("tracking", "tracking"), ("export", "export")):
        given[purpose] = [f"{one['slug']}:{one[key]}" for one in named[:100] if one.get(key)]
    return given, problems


def _is_choice(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("slug"), str)
        # JSON can name characters that no database takes.
        and (one["slug"].isascii() and one["slug"].isprintable())
        and all(isinstance(one.get(key), str | None) for key in _TEXTS)
    )


def _is_allowed(shown: SignupForm) -> bool:
    """A browser names the site whose script is asking; each newsletter must know it. A program that is no browser names none."""
    origin = request.headers.get("Origin")
    if origin is None or origin == current().public_url:
        return True
    return all(origin in offer.allowed_origins for offer in shown.offers)


def _refuse(problems: Sequence[Problem], language: str, *, allowed: bool = False) -> Response:
    errors = [_error(one.field, one.text, language, **one.values) for one in problems]
    return _answer({"errors": errors}, 422, allowed=allowed or request.headers.get("Origin") in accepting_origins())


def _error(field: str, text: str, language: str, **values: object) -> dict[str, str]:
    return {"field": field, "message": say(match(language) or "en", text, **values)}


def _answer(body: Mapping[str, Any], status: int, *, allowed: bool = False) -> Response:
    response = jsonify(body)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Origin")
    if allowed:
        _allow(response)
    return response


def _allow(response: Response) -> None:
    if origin := request.headers.get("Origin"):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
