"""Style sheets and scripts: under addresses that carry a hash of what is behind them, so that a browser asks for each once, and
compressed. Pages are not compressed: what is secret in them, their form's seal, could be told from their length."""

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, request

_COMPRESSED = {".css", ".js", ".json", ".svg"}
_FOR_EVER = "public, max-age=31536000, immutable"
_SMALLEST = 1024


def register(app: Flask) -> None:
    """Give every address of a static file its version, and answer it as far as the browser can take it."""
    app.url_defaults(_add_version)
    app.after_request(_deliver)


def _add_version(endpoint: str, values: dict[str, Any]) -> None:
    if endpoint == "static" and "filename" in values and (found := _version(_path(values["filename"]))):
        values.setdefault("v", found)


def _deliver(response: Response) -> Response:
    if request.endpoint != "static" or response.status_code != 200:
        return response
    path = _path((request.view_args or {})["filename"])
    if request.args.get("v") == _version(path):
        response.headers["Cache-Control"] = _FOR_EVER
    response.mimetype = response.mimetype or "application/octet-stream"
    if path.suffix not in _COMPRESSED or path.stat().st_size < _SMALLEST:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] and request.method == "GET":
        response.direct_passthrough = False
        response.set_data(_compressed(path, path.stat().st_mtime_ns))
        response.headers["Content-Encoding"] = "gzip"
        if etag := response.get_etag()[0]:
            response.set_etag(etag, weak=True)  # the same file, if not the same bytes
    return response


def _path(name: str) -> Path:
    return Path(current_app.static_folder or "") / name


def _version(path: Path) -> str:
    try:
        return _hash(path, path.stat().st_mtime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=256)
def _hash(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@lru_cache(maxsize=256)
def _compressed(path: Path, _changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), 9, mtime=0)
