"""Pictures, named by the SHA-256 of the bytes that mail programs get. Refuses what cannot be made a picture that all of them
show."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from service.clients import media_pictures, media_stores
from service.settings import current

_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


@dataclass(frozen=True)
class Found:
    """A stored picture."""

    path: Path
    mimetype: str


@dataclass(frozen=True)
class Stored:
    """A picture just stored; width and height are what it is shown at, in pixels of the page."""

    name: str
    width: int
    height: int


def inspect(content: bytes, *, called: str) -> Stored:
    """Look at a picture without keeping it. Raises Invalid, naming it, when it cannot be made one that mails can hold."""
    return _named(media_pictures.prepare(content, called=called))


def store(content: bytes, *, called: str) -> Stored:
    """Keep a picture. Raises Invalid, naming it, when it cannot be made one that mails can hold, and RetryLater when the bucket
    does not take it: then nothing is kept."""
    prepared = media_pictures.prepare(content, called=called)
    stored = _named(prepared)
    if bucket := current().bucket:
        media_stores.keep_in_bucket(bucket, stored.name, prepared.content, prepared.mimetype)
    media_stores.keep_in_folder(current().media, stored.name, prepared.content)
    return stored


def find(name: str) -> Found | None:
    """The stored picture of that hash. The caller has checked that the name is a hash. Raises RetryLater when only the bucket
    could have it, and does not answer."""
    path = current().media / name
    if not path.is_file() and (bucket := current().bucket):
        content = media_stores.fetch(bucket, name)
        if content is not None and _mimetype(content):
            media_stores.keep_in_folder(current().media, name, content)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return None
    mimetype = _mimetype(head)
    return Found(path, mimetype) if mimetype else None


def _named(prepared: media_pictures.Prepared) -> Stored:
    return Stored(hashlib.sha256(prepared.content).hexdigest(), prepared.width, prepared.height)


def _mimetype(content: bytes) -> str | None:
    return next((mimetype for start, mimetype in _SIGNATURES if content.startswith(start)), None)
