"""What comes into an issue from files: pictures, and whole texts from Word, HTML, Markdown or plain text. Refuses what cannot be
read, and loses nothing of the text that was there: it stays a version."""

import re
from pathlib import Path, PurePosixPath

from service.db import transaction
from service.domain.permissions import Permission
from service.errors import Invalid
from service.operations import authoring, editing
from service.operations.auditing import audit
from service.operations.authoring import Source
from service.operations.editing import Saved
from service.rendering.newsletter import Picture

MOST_PICTURES = 200
_NOT_IN_A_NAME = re.compile(r"[^\w.-]+")


def read(path: Path, name: str) -> tuple[Source, tuple[str, ...]]:
    """The text of a file that somebody sent, which lies at `path`, and what was not understood in it. `name` is what they call
    it. Raises Invalid."""
    try:
        source = authoring.read_source(path)
    except Invalid as error:
        raise Invalid(*(problem.replace(path.name, name) for problem in error.problems)) from None
    return source, tuple(f"{note.where}: {note.text}" for note in source.draft.report) if source.draft else ()


def suffix_of(name: str) -> str:
    """The ending by which the kind of a sent file is known; nothing that a path could not hold."""
    return re.sub(r"[^.a-z0-9]", "", PurePosixPath(name.replace("\\", "/")).suffix.lower())[:12]


def replace_text(issue_id: int, source: Source, *, base: int, actor: str, language: str = editing.MAIN) -> Saved:
    """Make a file's text the issue's present one in a language. Raises Conflict, NotFound, Forbidden."""
    for name, content in source.pictures.items():
        add_picture(issue_id, name, content, actor=actor, keep_name=True)
    return editing.save(issue_id, editing.titled(source), base=base, actor=actor, why="uploaded", language=language)


def add_picture(issue_id: int, name: str, content: bytes, *, actor: str, keep_name: bool = False) -> str:
    """Keep a picture with the issue; the name by which the text shows it. Raises Invalid, NotFound, Forbidden."""
    editing.find(issue_id, actor=actor, permission=Permission.WRITE)
    picture = authoring.stored_picture(content, name)
    with transaction() as tx:
        known = editing.pictures_of(tx, issue_id)
        if len(known) >= MOST_PICTURES:
            raise Invalid(f"An issue may have {MOST_PICTURES} pictures. This one has them already.")
        called = name if keep_name else _free(_tidied(name), picture, known)
        authoring.keep_picture(tx, issue_id, called, picture)
        audit(tx, actor, "add a picture", f"issue {issue_id}")
    return called


def _tidied(name: str) -> str:
    """A name that Markdown takes without ado."""
    path = PurePosixPath(name.replace("\\", "/"))
    stem = _NOT_IN_A_NAME.sub("-", path.stem).strip("-.")[:60] or "picture"
    suffix = path.suffix.lower() if re.fullmatch(r"\.[a-z0-9]{1,5}", path.suffix.lower()) else ""
    return f"{stem}{suffix}"


def _free(name: str, picture: Picture, known: dict[str, Picture]) -> str:
    """The name, or with a number where another picture bears it."""
    path = PurePosixPath(name)
    candidates = (name, *(f"{path.stem}-{number}{path.suffix}" for number in range(2, MOST_PICTURES + 2)))
    return next(one for one in candidates if one not in known or known[one] == picture)


def pictures(issue_id: int, *, actor: str) -> dict[str, str]:
    """Name → stored picture, of the issue's pictures. Raises NotFound, Forbidden."""
    editing.find(issue_id, actor=actor)
    with transaction() as tx:
        return {name: one.url.rpartition("/")[2] for name, one in editing.pictures_of(tx, issue_id).items()}
