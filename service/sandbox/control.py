"""The sandbox's own routes under /sandbox: what arrived, counts, the script, the event queue. For this machine only."""

from dataclasses import asdict
from typing import Any

import orjson
from flask import Blueprint, Response, request

from service.sandbox.behaviour import BadScript
from service.sandbox.parts import Parts
from service.sandbox.store import Copy

MOST_MAILS = 1000


def answer(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status=status, content_type="application/json")


def refuse(text: str) -> Response:
    return answer({"error": text}, 400)


def blueprint(parts: Parts) -> Blueprint:
    routes = Blueprint("control", __name__, url_prefix="/sandbox")

    @routes.get("/messages")
    def mails() -> Response:
        return _mails(parts)

    @routes.delete("/messages")
    def empty() -> Response:
        parts.store.empty()
        return Response(status=204)

    @routes.get("/stats")
    def stats() -> Response:
        return answer(asdict(parts.store.stats()))

    @routes.get("/script")
    def script() -> Response:
        return answer(parts.script.shown())

    @routes.post("/script")
    def set_script() -> Response:
        return _set_script(parts)

    @routes.delete("/script")
    def reset_script() -> Response:
        parts.script.reset()
        return Response(status=204)

    @routes.post("/events")
    def events() -> Response:
        return _control_events(parts)

    @routes.get("/events/pending")
    def pending() -> Response:
        return answer({"pending": parts.outbox.pending(), "hold": parts.webhook.hold})

    return routes


def _mails(parts: Parts) -> Response:
    limit = request.args.get("limit", 50, type=int)
    if not 1 <= limit <= MOST_MAILS:
        return refuse(f"limit must be 1 to {MOST_MAILS}")
    # No address holds a space, but many clients forget to encode the plus sign of one that has it.
    address = request.args.get("to", "").strip().replace(" ", "+")
    return answer([shown(parts, copy) for copy in parts.store.copies(address=address, limit=limit)])


def shown(parts: Parts, copy: Copy) -> dict[str, Any]:
    mail = parts.mail(copy)
    return {
        "to": mail.to,
        "from": mail.sender,
        "subject": mail.subject,
        "html": mail.html,
        "text": mail.text,
        "headers": mail.headers,
        "custom_args": mail.custom_args,
        "categories": mail.categories,
        "request_id": copy.request_id,
        "tracking_settings": mail.tracking_settings,
        "accepted_at": copy.at,
    }


def _set_script(parts: Parts) -> Response:
    try:
        parts.script.change(orjson.loads(request.get_data()))
    except (BadScript, orjson.JSONDecodeError) as fault:
        return refuse(str(fault))
    return answer(parts.script.shown())


def _control_events(parts: Parts) -> Response:
    try:
        words = orjson.loads(request.get_data())
    except orjson.JSONDecodeError:
        words = None
    if not isinstance(words, dict) or not words or not set(words) <= {"replay", "hold"}:
        return refuse('events takes {"replay": true} or {"hold": true|false}')
    if not all(isinstance(value, bool) for value in words.values()):
        return refuse("replay and hold must be true or false")
    if "hold" in words:
        parts.webhook.hold = words["hold"]
    replayed = parts.outbox.replay() if words.get("replay") else 0
    return answer({"hold": parts.webhook.hold, "replayed": replayed, "pending": parts.outbox.pending()})
