"""Signs of life for whoever runs this: the process, whether the installation can work, and numbers for Prometheus."""

import hmac
import re
from collections import defaultdict

from flask import Blueprint, Response, current_app, jsonify, request
from sqlalchemy.exc import DBAPIError

from service import queue
from service.operations import measuring, readiness
from service.origins import is_loopback, origin
from service.settings import current
from service.web.asking import Finding, ask

WITHIN = 2.5
"""Seconds for all that /readyz asks; a monitor gives up after three or more."""

blueprint = Blueprint("status", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The installation can do its work. 503 when anything cannot, with what, in words."""
    found = ask({"database": (readiness.NAMES, _database), "broker": (("broker",), _broker)}, WITHIN)
    ok = all(one.ok for one in found.values())
    checks = {name: {"ok": one.ok, "words": one.words} for name, one in found.items()}
    return jsonify(ok=ok, checks=checks), 200 if ok else 503


def _database(found: dict[str, Finding]) -> None:
    readiness.look(lambda name, ok, words: found.update({name: Finding(ok, words)}))


def _broker(found: dict[str, Finding]) -> None:
    fault = queue.ping()
    found["broker"] = Finding(fault is None, "it answers" if fault is None else f"it does not answer: {fault}")


@blueprint.get("/metrics")
def metrics() -> Response:
    """Numbers in Prometheus's text format, for whoever has the token; on this machine alone, none is needed."""
    token = current().metrics_token
    if not token and not is_loopback((origin(current().public_url) or ("", ""))[1]):
        return Response("Set METRICS_TOKEN, and ask with it.\n", 403, mimetype="text/plain")
    given = request.headers.get("Authorization", "").encode()
    if token and not hmac.compare_digest(given, f"Bearer {token}".encode()):
        refusal = Response("Ask with METRICS_TOKEN as the bearer token.\n", 401, mimetype="text/plain")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal
    lines = [*_gauges(), *current_app.extensions["meter"].lines()]
    response = Response("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


def _gauges() -> list[str]:
    """What is asked of the servers; one that is away says so, and takes nothing else away."""
    found: list[measuring.Gauge] = []
    try:
        found += measuring.gauges()
        found.append(("broadsheet_database_up", {}, 1.0))
    except DBAPIError:
        found.append(("broadsheet_database_up", {}, 0.0))
    lengths = queue.lengths()
    found.append(("broadsheet_broker_up", {}, float(lengths is not None)))
    found += [("broadsheet_queue_length", {"queue": name}, float(n)) for name, n in (lengths or {}).items()]
    families: dict[str, list[str]] = defaultdict(list)
    for name, labels, value in found:
        families[name].append(f"{name}{_labelled(labels)} {value:g}")
    return [line for name, rows in families.items() for line in (f"# TYPE {name} gauge", *rows)]


def _labelled(labels: dict[str, str]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return re.sub(r'[\\"\n]', lambda found: {"\\": r"\\", '"': r"\"", "\n": r"\n"}[found[0]], value)
