"""The contents list at the top of a letter: short lines that all come again, in the same order, as headings of the body.

What is listed there but does not come again is no contents line: it stays text.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.rendering.drafts_lines import Line, Note, is_title_like, key, similar

_CAPTIONS = frozenset(
    {
        "contents",
        "tableofcontents",
        "inthisissue",
        "inthisedition",
        "目录",
        "目次",
        "本期目录",
        "本期内容",
        "inhalt",
        "sommaire",
    }
)
_FARTHEST_START = 120
_LOOKED_THROUGH = 80
_LONGEST = 400
_SHALLOWEST_LEAF, _DEEPEST_LEAF = 2, 3


@dataclass
class Contents:
    """`listed` are the numbers of the contents lines, `levels` the heading level of the body's lines that repeat them."""

    listed: set[int] = field(default_factory=set)
    levels: dict[int, int] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    report: list[Note] = field(default_factory=list)
    first: int = 0


def find_contents(lines: Sequence[Line]) -> Contents:
    """The first run of at least three lines near the top that are repeated below with text between them."""
    keys = [key(line) for line in lines]
    places: dict[str, list[int]] = {}
    for at, name in enumerate(keys):
        if name:
            places.setdefault(name, []).append(at)
    for start in range(min(len(lines), _FARTHEST_START)):
        again = places[keys[start]] if keys[start] else []
        nearest = bisect_left(again, start + 3)
        for body in again[nearest : nearest + 2]:
            if body - start <= _LONGEST and (pairs := _pairs(start, body, keys, places)):
                return _contents(lines, keys, pairs)
    return Contents()


def _pairs(start: int, body: int, keys: list[str], places: dict[str, list[int]]) -> list[tuple[int, int]]:
    """(contents line, body line), or nothing where this is no contents list."""
    pairs: list[tuple[int, int]] = []
    after, missed = body, 0
    for at in range(start, body):
        found = _next(keys[at], after, keys, places)
        if found is None:
            missed += 1
            if missed > 3 + len(pairs) // 4:
                break
            continue
        pairs.append((at, found))
        after = found + 1
    while (
        pairs
        and pairs[0][0] > 0
        and similar(keys[pairs[0][0] - 1], keys[pairs[0][1] - 1])
        and pairs[0][1] - 1 > pairs[-1][0]
    ):
        pairs.insert(0, (pairs[0][0] - 1, pairs[0][1] - 1))
    if len(pairs) < 3:
        return []
    spread = pairs[-1][0] - pairs[0][0] + 1
    has_text = pairs[-1][1] + 1 < len(keys) and pairs[-1][1] - pairs[0][1] + 1 > len(pairs)
    return pairs if len(pairs) >= 0.75 * spread and has_text else []


def _next(name: str, after: int, keys: list[str], places: dict[str, list[int]]) -> int | None:
    """The next line with this key; a slip of the pen is forgiven only where no line has the very key."""
    if not name:
        return None
    exact = places[name]
    at = bisect_left(exact, after)
    if at < len(exact):
        return exact[at]
    nearest = range(after, min(after + _LOOKED_THROUGH, len(keys)))
    return next((i for i in nearest if keys[i] and similar(name, keys[i])), None)


def _contents(lines: Sequence[Line], keys: list[str], pairs: list[tuple[int, int]]) -> Contents:
    found = Contents(first=lines[pairs[0][0]].number)
    found.listed = {lines[at].number for at, _ in pairs}
    found.keys = {keys[at] for at, _ in pairs} | {keys[at] for _, at in pairs}
    for (_, at), level in zip(pairs, _levels(lines, pairs), strict=True):
        found.levels[lines[at].number] = level
        found.report.append(Note(lines[at].number, f"a heading of level {level}, from the contents list"))
    first, last = pairs[0][0], pairs[-1][0]
    found.report.append(
        Note(lines[first].number, f"the contents list, {len(pairs)} lines; left out, for the headings repeat it")
    )
    for at in range(first, last + 1):
        if lines[at].number not in found.listed:
            found.report.append(
                Note(lines[at].number, "stands in the contents list but not below; left as a paragraph")
            )
    if first > 0 and keys[first - 1] in _CAPTIONS:
        found.listed.add(lines[first - 1].number)
        found.report.append(Note(lines[first - 1].number, "the caption of the contents list; left out with it"))
    return found


def _levels(lines: Sequence[Line], pairs: list[tuple[int, int]]) -> list[int]:
    """Indentation and blank lines in the list say who heads whom; else a heading without text of its own heads the next."""
    indents = sorted({lines[at].indent for at, _ in pairs})
    if 2 <= len(indents) <= 3 and lines[pairs[0][0]].indent == indents[0]:
        return [2 + min(1, indents.index(lines[at].indent)) for at, _ in pairs]
    opens = [lines[at].after_blank for at, _ in pairs]
    if opens[0] and 1 < sum(opens) <= len(pairs) // 2 and is_title_like(lines[pairs[0][0]].text):
        return [2 if opened else 3 for opened in opens]
    return _nested([at for _, at in pairs])


def _nested(body: list[int]) -> list[int]:
    chains: list[int] = []
    for at, place in enumerate(body):
        chained = at > 0 and body[at - 1] == place - 1
        if chained:
            chains[-1] += 1
        else:
            chains.append(1)
    leaf = _DEEPEST_LEAF if max(chains) > 1 else _SHALLOWEST_LEAF
    highest = 1 if chains[0] >= 3 else 2
    levels: list[int] = []
    for length in chains:
        levels += [min(leaf, max(highest, leaf - (length - 1) + i)) for i in range(length)]
    return levels
