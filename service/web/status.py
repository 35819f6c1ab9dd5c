"""Signs of life for whoever runs this."""

from flask import Blueprint, Response, jsonify

from service import db
from service.migrations import runner

blueprint = Blueprint("status", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The process can do its work: the database answers and has this code's migrations."""
    try:
        current = runner.is_current(db.engine())
    except Exception:  # whatever it is, the answer is the same: not ready
        return jsonify(database="unreachable"), 503
    return jsonify(database="ok", migrations="current" if current else "behind"), 200 if current else 503
