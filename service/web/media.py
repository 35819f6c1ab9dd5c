"""Pictures of issues, by the hash of their bytes: what is behind an address never changes."""

import re

from flask import Blueprint, Response, abort, send_file

from service.clients import media

blueprint = Blueprint("media", __name__)

_NAME = re.compile(r"[0-9a-f]{64}")


@blueprint.get("/media/<name>")
def picture(name: str) -> Response:
    """The picture, cacheable for ever."""
    if not _NAME.fullmatch(name) or (found := media.find(name)) is None:
        abort(404)
    response = send_file(found.path, mimetype=found.mimetype, max_age=31_536_000, etag=name)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
