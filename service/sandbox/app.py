"""Puts the sandbox's routes together and refuses whoever is not on this machine."""

from urllib.parse import urlsplit

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from service.sandbox import api, control, inbox, reading
from service.sandbox.parts import Parts
from service.sandbox.webhook import LOOPBACK


def create_app(parts: Parts) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    app.before_request(_refuse_strangers)
    for routes in (api, control, inbox, reading):
        app.register_blueprint(routes.blueprint(parts))
    app.register_error_handler(HTTPException, _as_json)

    @app.get("/healthz")
    def healthz() -> Response:
        return Response(b"ok\n", content_type="text/plain")

    return app


def _refuse_strangers() -> Response | None:
    """A page from elsewhere must neither read mails through a rebound name nor post through the reader's browser."""
    host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    if host not in LOOPBACK:
        return Response("The sandbox answers to 127.0.0.1 and localhost only.\n", 403, mimetype="text/plain")
    origin = request.headers.get("Origin")
    if request.method not in ("GET", "HEAD") and origin and urlsplit(origin).netloc != request.headers.get("Host"):
        return Response("The sandbox takes no requests from other pages.\n", 403, mimetype="text/plain")
    return None


def _as_json(fault: HTTPException) -> Response:
    if not request.path.startswith(("/v3/", "/sandbox/")):
        return Response(f"{fault.description}\n", fault.code or 500, mimetype="text/plain")
    content = orjson.dumps({"errors": [{"message": fault.name.lower(), "field": None, "help": None}]})
    return Response(content, fault.code or 500, content_type="application/json")
