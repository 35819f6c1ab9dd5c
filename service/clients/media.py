"""Pictures on local disk, named by the SHA-256 of their bytes. Refuses what is not a picture that mail programs show."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from service.errors import Invalid
from service.settings import current

_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif"}
_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
LARGEST = 5 * 1024 * 1024


@dataclass(frozen=True)
class Found:
    """A stored picture."""

    path: Path
    mimetype: str


@dataclass(frozen=True)
class Stored:
    """A picture just stored; width and height in pixels."""

    name: str
    width: int
    height: int


def inspect(content: bytes, *, called: str) -> Stored:
    """Look at a picture without keeping it. Raises Invalid, naming it, when mail programs would not show it."""
    if len(content) > LARGEST:
        raise Invalid(
            f"{called} has {len(content) // 1024:,} KB; a picture may have {LARGEST // 1024:,}. Make it smaller."
        )
    try:
        with Image.open(BytesIO(content)) as picture:
            kind, (width, height) = picture.format, picture.size
            picture.verify()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        kind, width, height = None, 0, 0
    if kind not in _TYPES:
        raise Invalid(f"{called} is not a PNG, JPEG or GIF picture. Save it as one of these.")
    return Stored(hashlib.sha256(content).hexdigest(), width, height)


def store(content: bytes, *, called: str) -> Stored:
    """Keep a picture. Raises Invalid, naming it, when mail programs would not show it."""
    picture = inspect(content, called=called)
    folder = current().media
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not (path := folder / picture.name).exists():
        draft = folder / f".{picture.name}.{secrets.token_hex(4)}"
        draft.write_bytes(content)
        os.replace(draft, path)
    return picture


def find(name: str) -> Found | None:
    """The stored picture of that hash. The caller has checked that the name is a hash."""
    path = current().media / name
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return None
    return next((Found(path, mimetype) for start, mimetype in _SIGNATURES if head.startswith(start)), None)
