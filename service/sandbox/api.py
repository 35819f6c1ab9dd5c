"""SendGrid's own routes: mail/send, and what a client asks for afterwards. Every request needs the Bearer key."""

import base64
import secrets
import time
from typing import Any

import orjson
from flask import Blueprint, Response, request

from service.sandbox import account, answers, lookups, validation, wire
from service.sandbox.misbehaviour import AFTER
from service.sandbox.parts import Parts
from service.sandbox.store import recipients

MOST_BYTES = 30 * 1024 * 1024


def blueprint(parts: Parts) -> Blueprint:
    routes = Blueprint("api", __name__, url_prefix="/v3")

    @routes.before_request
    def authorise() -> Response | None:
        given = request.headers.get("Authorization", "")
        if not given:
            return answers.refuse(401, [answers.NO_KEY])
        key, wanted = given.removeprefix("Bearer "), parts.settings.api_key
        good = secrets.compare_digest(key.encode(), wanted.encode()) if wanted else key.startswith("SG.")
        return None if good and key != given else answers.refuse(401, [answers.BAD_KEY])

    @routes.post("/mail/send")
    def send() -> Response:
        return _send(parts)

    @routes.get("/suppression/<kind>")
    def suppressions(kind: str) -> Response:
        return lookups.suppressions(parts, kind)

    @routes.get("/messages")
    def messages() -> Response:
        return lookups.messages(parts)

    @routes.get("/user/webhooks/event/settings/signed")
    def signed() -> Response:
        return answers.good({"public_key": parts.public_key})

    account.add(routes, parts)
    return routes


def _send(parts: Parts) -> Response:
    if request.mimetype != "application/json" or request.headers.get("Content-Encoding"):
        return answers.refuse(415, [answers.WRONG_TYPE])
    if (request.content_length or 0) > MOST_BYTES:
        return answers.refuse(413, [answers.TOO_LARGE])
    raw = request.get_data(cache=False)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if parts.script.latency_ms:
        time.sleep(parts.script.latency_ms / 1000)
    request_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    rule = parts.script.decide(lambda: _addresses(body))
    if rule and rule.do not in AFTER:
        wanted = str(rule.when.get("address", "")).lower()
        return wire.perform(rule, request_id=request_id, named=_position(body, wanted))
    refusal = _refusal(parts, body)
    if refusal:
        return refusal
    behaviour = parts.script.behaviour
    stored = behaviour.as_json().decode() if behaviour.enabled else None
    parts.store.accept(request_id, raw, body, now=time.time(), behaviour=stored)
    return wire.perform(rule, request_id=request_id, named=0) if rule else answers.accepted(request_id)


def _refusal(parts: Parts, body: Any) -> Response | None:
    errors = validation.validate(body, limit=parts.script.substitution_limit, now=time.time())
    if errors:
        return answers.refuse(400, errors)
    script = parts.script
    if script.reject_unnamed and not script.reject_unnamed.isdisjoint(_addresses(body)):
        return answers.refuse(400, [answers.BAD_REQUEST])
    if script.reject_addresses:
        named = [position for position, email in recipients(body) if email.lower() in script.reject_addresses]
        topic = "message.personalizations.to"
        errors = [answers.error(answers.NO_VALID_TO, f"personalizations.{one}.to", topic) for one in named]
        if errors:
            return answers.refuse(400, errors)
    if validation.is_rehearsal(body):
        return Response(b"", status=200, content_type="application/json")
    return None


def _addresses(body: Any) -> list[str]:
    """Lower-cased; of a body that may be anything, since rules are asked before validation."""
    try:
        return [email.lower() for _, email in recipients(body)]
    except (AttributeError, KeyError, TypeError):
        return []


def _position(body: Any, address: str) -> int:
    try:
        return next((position for position, email in recipients(body) if email.lower() == address), 0)
    except (AttributeError, KeyError, TypeError):
        return 0
