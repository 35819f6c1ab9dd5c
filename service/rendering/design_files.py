"""Designs as folders: `layout.html`, `style.css` (goes into the elements), `mail.css` (stays in the head) and `design.toml`.

Ours lie in `templates/newsletters`; a team's in a folder that is named by whoever asks. A team's is checked before it is used,
and never takes the place of one of ours.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from service.rendering.design_check import Design, Files, Unfit, examine
from service.rendering.problems import RenderError

DESIGNS = Path(__file__).resolve().parents[2] / "templates" / "newsletters"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


def find(name: str, team: Path | None = None) -> Design:
    """The design of that name. Raises RenderError with everything that is wrong with it, and naming those there are."""
    there = _folders(team)
    if not _NAME.fullmatch(name) or name not in there:
        raise RenderError([f"there is no design “{name[:40]}”; there are: {', '.join(there)}"])
    if any(name == other for other in _shadows(team)):
        raise RenderError([_shadowing(there[name], team)])
    try:
        return load(there[name])
    except Unfit as error:
        raise RenderError([f"the design “{name}” cannot be used: {fault}" for fault in error.faults]) from None


def load(folder: Path) -> Design:
    """The design in a folder. Raises Unfit with every fault."""
    return _examined(Files.read(folder), own=folder.parent == DESIGNS)


def names(team: Path | None = None) -> list[str]:
    """Every design there is."""
    return list(_folders(team))


def complaints(team: Path | None) -> list[str]:
    """What is wrong with a team's folder as a whole."""
    return [_shadowing(DESIGNS / name, team) for name in _shadows(team)]


# By content, not by place: a design that is mended is read again, and the same text never examined twice.
@lru_cache(maxsize=32)
def _examined(files: Files, *, own: bool) -> Design:
    return examine(files, trusted=own)


def _folders(team: Path | None) -> dict[str, Path]:
    found = {path.name: path for path in _designs_in(DESIGNS)}
    if team is not None:
        found |= {path.name: path for path in _designs_in(team) if path.name not in found}
    return dict(sorted(found.items()))


def _designs_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob("*/")):
        if _NAME.fullmatch(path.name) and path.is_dir():
            yield path


def _shadows(team: Path | None) -> list[str]:
    """Folders of a team's that bear the name of one of ours."""
    if team is None or team.resolve() == DESIGNS:
        return []
    ours = {path.name for path in _designs_in(DESIGNS)}
    return [path.name for path in _designs_in(team) if path.name in ours]


def _shadowing(folder: Path, team: Path | None) -> str:
    return f"the design “{folder.name}” in {team} has the name of one of ours; give its folder another name"
