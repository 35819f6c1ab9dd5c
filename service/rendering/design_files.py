"""Designs as folders: `layout.html`, `style.css` (goes into the elements), `mail.css` (stays in the head) and `design.toml`.

Ours lie in `templates/newsletters`; a team's in a folder that is named by whoever asks. A team's is checked before it is used,
and never takes the place of one of ours.
"""

import re
from functools import lru_cache
from pathlib import Path

from service.rendering.design_check import Design, Files, examine
from service.rendering.design_faults import FACTS, Fault, Unfit
from service.rendering.problems import RenderError

DESIGNS = Path(__file__).resolve().parents[2] / "templates" / "newsletters"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SHADOW = "“{name}” is the name of one of our designs, and a team's never takes its place; rename the folder"


def find(name: str, team: Path | None = None) -> Design:
    """The design of that name. Raises RenderError with everything that is wrong with it, or naming those there are."""
    there = folders(team)
    if name not in there:
        raise RenderError([f"there is no design “{name[:40]}”; there are: {', '.join(there)}"])
    if team is not None and there[name].parent == DESIGNS and _is_elsewhere(team) and (team / name).is_dir():
        raise RenderError([f"{_SHADOW.format(name=name)} ({team / name})"])
    try:
        return load(there[name])
    except Unfit as error:
        raise RenderError([f"the design “{name}” cannot be used: {fault}" for fault in error.faults]) from None


def load(folder: Path) -> Design:
    """The design in a folder. Raises Unfit with every fault."""
    files = Files.read(folder)
    named = folder.resolve()
    own = named.parent == DESIGNS
    if not own and (text := wrong_name(named.name)):
        raise Unfit([Fault(FACTS, 1, text)])
    return _examined(files, own=own)


def folders(team: Path | None = None) -> dict[str, Path]:
    """Every design there is by its name: ours, and a team's that do not bear the name of one of ours."""
    found = dict(_ours())
    if team is not None:
        found |= {path.name: path for path in _below(team) if wrong_name(path.name) is None}
    return dict(sorted(found.items()))


def passed_over(team: Path) -> list[str]:
    """A team's folders that are no designs for their names alone, with what to do."""
    return [f"{path}: {text}" for path in _below(team) if _is_elsewhere(team) and (text := wrong_name(path.name))]


def wrong_name(name: str) -> str | None:
    """Why a team's design cannot be called so."""
    if not _NAME.fullmatch(name):
        return f"“{name}” is no name for a design; rename the folder, with small letters, digits and hyphens"
    return _SHADOW.format(name=name) if name in _ours() else None


# By content, not by place: a design that is mended is read again, and the same text never examined twice.
@lru_cache(maxsize=32)
def _examined(files: Files, *, own: bool) -> Design:
    return examine(files, trusted=own)


@lru_cache(maxsize=1)
def _ours() -> dict[str, Path]:
    return {path.name: path for path in _below(DESIGNS)}


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/") if path.is_dir() and not path.name.startswith((".", "_")))


def _is_elsewhere(team: Path) -> bool:
    return team.resolve() != DESIGNS
