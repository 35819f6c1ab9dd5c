"""Two people's changes to one text, put together where they do not touch. Pure; refuses to choose between the two."""

import difflib


def merge(base: str, mine: str, theirs: str) -> str | None:
    """The text with both people's changes to `base`, line by line; None where they changed the same place."""
    if mine == theirs or theirs == base:
        return mine
    if mine == base:
        return theirs
    lines = base.split("\n")
    ours, others = _changes(lines, mine.split("\n")), _changes(lines, theirs.split("\n"))
    if any(_touch(one, other) and one != other for one in ours for other in others):
        return None
    merged = lines[:]
    together = {(first, last, tuple(new)) for first, last, new in (*ours, *others)}
    for first, last, new in sorted(together, key=lambda change: (change[0], change[1]), reverse=True):
        merged[first:last] = new
    return "\n".join(merged)


_Change = tuple[int, int, list[str]]


def _changes(before: list[str], after: list[str]) -> list[_Change]:
    """First and last line of what was replaced, and what stands there now."""
    found = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [(i1, i2, after[j1:j2]) for tag, i1, i2, j1, j2 in found if tag != "equal"]


def _touch(one: _Change, other: _Change) -> bool:
    """Neighbours touch as well: whether a line was inserted before or after a changed one, nobody can say."""
    return one[0] <= other[1] and other[0] <= one[1]
