"""What programs of the team's ask for by key: every call is an operation that the pages and the command line call too. Refuses what
comes without a key; takes no cookie, so that no other site can make a browser act."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from flask import Blueprint, Response, g, json, request
from werkzeug.exceptions import HTTPException

from service.domain.permissions import Actor
from service.errors import BroadsheetError, Conflict, Forbidden, Invalid, NotFound, RetryLater
from service.operations import keys
from service.operations.importing_file import MAXIMUM_BYTES
from service.web.api.calls import CALLS, PREFIX, Call
from service.web.api.document import document
from service.web.api.given import Given

blueprint = Blueprint("api_team", __name__, url_prefix=PREFIX)
_STATUS = ((NotFound, 404), (Forbidden, 403), (Conflict, 409), (Invalid, 422), (RetryLater, 503))


@blueprint.before_request
def _let_in() -> Response | None:
    if request.endpoint == f"{blueprint.name}.openapi":
        return None
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    found = keys.find(token.strip()) if kind.lower() == "bearer" else None
    if request.endpoint == f"{blueprint.name}.upload":
        request.max_content_length = MAXIMUM_BYTES
    if found is None:
        answer = _answer({"error": "Send a key that is in force: Authorization: Bearer bsk_…"}, 401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    g.key = found
    return None


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """What can be asked for, as an OpenAPI document."""
    return _answer(document(), 200)


@blueprint.errorhandler(BroadsheetError)
def _refused(error: BroadsheetError) -> Response:
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    problems = list(error.problems) if isinstance(error, Invalid) else [str(error)]
    return _answer({"error": problems[0], "problems": problems}, status)


@blueprint.errorhandler(HTTPException)
def _unread(error: HTTPException) -> Response:
    return _answer({"error": error.description or error.name}, error.code or 500)


def _answer(found: object, status: int) -> Response:
    response = Response(json.dumps(_plain(found)), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _plain(value: Any) -> Any:
    """The value as JSON can hold it: moments in ISO 8601 with their zone, bytes as hexadecimal text."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value.isoformat() if isinstance(value, datetime | date) else value


def _view(call: Call) -> Callable[..., Response]:
    def view(**places: int) -> Response:
        actor: Actor = g.key
        found = call.run(Given.of(call), actor=actor, **places)
        return _answer({"done": True} if found is None else found, call.status)

    return view


for one in CALLS:
    blueprint.add_url_rule(one.path, one.name, _view(one), methods=[one.method])
