"""What a reader's own click or opened picture does: the redirect or pixel, and the event it causes."""

import base64
import time

from flask import Blueprint, Response, redirect, request

from service.sandbox import events, mail
from service.sandbox.events import Event
from service.sandbox.links import PIXEL
from service.sandbox.parts import Parts
from service.sandbox.store import Copy

_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def blueprint(parts: Parts) -> Blueprint:
    routes = Blueprint("reading", __name__)

    @routes.get("/c/<token>")
    def click(token: str) -> Response:
        copy, index = _read(parts, token)
        if copy is None or index == PIXEL:
            return Response(
                "This link is not one of this sandbox's, or its mail was emptied.\n", 404, mimetype="text/plain"
            )
        body = parts.store.body(copy.request)
        target = mail.link_target(body, mail.cut(body), copy.position, index)
        if target is None:
            return Response("This mail has no such link.\n", 404, mimetype="text/plain")
        url, kind = target
        if request.method == "GET":
            _report(parts, copy, "click", {"url": url, "url_offset": {"index": index, "type": kind}})
        return redirect(url, 302)  # type: ignore[return-value]  # werkzeug's Response; Flask sends either

    @routes.get("/o/<token>")
    def opened(token: str) -> Response:
        copy, index = _read(parts, token)
        if copy is not None and index == PIXEL and request.method == "GET":
            _report(parts, copy, "open", {"sg_machine_open": False, "sg_content_type": "html"})
        return Response(_PIXEL, content_type="image/gif", headers={"Cache-Control": "no-store"})

    return routes


def _read(parts: Parts, token: str) -> tuple[Copy | None, int]:
    named = parts.links.read(token)
    return (parts.store.copy(named[0]), named[1]) if named else (None, 0)


def _report(parts: Parts, copy: Copy, kind: str, extra: Event) -> None:
    if not parts.script.behaviour.enabled:
        return
    body = parts.store.body(copy.request)
    now = time.time()
    event = events.common(body, copy.request_id, copy.position, copy.address) | {
        "event": kind,
        "timestamp": int(now),
        "sg_event_id": events.event_id(kind, copy.number, now),
        "useragent": request.user_agent.string or "unknown",
        "ip": request.remote_addr or "127.0.0.1",
        **extra,
    }
    parts.outbox.add(copy, event)
