"""The numbered sources of a letter and the marks in its text that point to them.

A mark without a source and a source without a mark are no note: both stay text, with a line in the report.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.rendering.drafts_inline import Mark
from service.rendering.drafts_lines import Line, Note

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_SHAPES = {
    "[n]": re.compile(r"[\[［【](\d{1,3})[\]］】]\s*"),
    "¹": re.compile(r"([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})\s*"),
    "(n)": re.compile(r"[(（](\d{1,3})[)）]\s*"),
    "n.": re.compile(r"(\d{1,3})[.)、:：]\s+|(\d{1,3})\s+(?=https?://)"),
}
_MARKS = {
    "[n]": re.compile(r"[\[［【](\d{1,3})[\]］】]"),
    "¹": re.compile(
        r"(?<![0-9⁰¹²³⁴⁵⁶⁷⁸⁹])(?<!\d[km]m)(?<!\d[kcdm]m)(?<!\d\s[kcdm]m)(?<!\d\sm)(?<!\dm)([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})"
    ),
    "(n)": re.compile(r"(?<=[^\s(（])\s?[(（](\d{1,3})[)）]"),
    "n": re.compile(r"(?<![0-9][.,])(?<=[a-z.,;!?”\"'’)）。，；！？])(\d{1,2})(?=\s|$)"),
}
_VAGUE = ("(n)", "n")
_LIKE_POINTS = ("(n)", "n.")
_MARKS_FOR = {"[n]": ("[n]", "¹"), "¹": ("¹", "[n]"), "(n)": ("(n)", "[n]", "¹"), "n.": ("[n]", "¹", "(n)", "n")}


@dataclass
class _Source:
    line: Line
    number: int
    text: str
    more: list[Line] = field(default_factory=list)


@dataclass
class Sources:
    """`used` holds the numbers of the lines that became notes; `marks` the marks of a line; `notes` label and text."""

    notes: list[tuple[str, str]] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    marks: dict[int, list[Mark]] = field(default_factory=dict)
    ends: set[int] = field(default_factory=set)
    loose: set[int] = field(default_factory=set)
    report: list[Note] = field(default_factory=list)


def find_sources(lines: Sequence[Line], column: int | None) -> Sources:
    """Tie marks to sources. A mark belongs to the next run of sources after it that has its number, else to the last before."""
    found = Sources()
    places = {style: _first_places(style, lines) for style in _MARKS}
    runs = _tied_runs(_runs(lines, column), places, lines)
    own = {line.number for _, run in runs for source in run for line in (source.line, *source.more)}
    for style in {style for shape, _ in runs for style in _styles(shape, places)}:
        _tie(style, _runs_by_number(runs), [line for line in lines if line.number not in own], found)
    for marks in found.marks.values():
        marks.sort(key=lambda mark: mark.start)
    _write_notes(runs, found)
    _report_loose(found, lines)
    return found


_Places = dict[str, dict[int, int]]
_Run = tuple[str, list[_Source]]


def _runs(lines: Sequence[Line], column: int | None) -> list[_Run]:
    runs: list[_Run] = []
    for shape, pattern in _SHAPES.items():
        run: list[_Source] = []
        for line in lines:
            opened = pattern.match(line.text)
            number = (
                int((opened.group(1) or opened.group(opened.lastindex or 1)).translate(_SUPERSCRIPT)) if opened else 0
            )
            if opened and opened.end() < len(line.text) and (not run or number == run[-1].number + 1):
                run.append(_Source(line, number, line.text[opened.end() :]))
            elif opened and opened.end() < len(line.text):
                runs.append((shape, run))
                run = [_Source(line, number, line.text[opened.end() :])]
            elif run and not opened and _continues(run[-1], line, column):
                run[-1].more.append(line)
            elif run:
                runs.append((shape, run))
                run = []
        runs.append((shape, run))
    return sorted((run for run in runs if run[1]), key=lambda run: run[1][0].line.number)


def _continues(source: _Source, line: Line, column: int | None) -> bool:
    if line.after_blank:
        return False
    last = source.more[-1] if source.more else source.line
    if line.indent > source.line.indent + 1:
        return True
    return column is not None and last.indent + len(last.text) > column - 18


def _first_places(style: str, lines: Sequence[Line]) -> dict[int, int]:
    """Where each number is first marked, counting marks. A number that opens a line of more text is no mark."""
    places: dict[int, int] = {}
    for line in lines:
        if style in _VAGUE and any(shape.match(line.text) for shape in _SHAPES.values()):
            continue
        for mark in _MARKS[style].finditer(line.text):
            if mark.start() > 0 or mark.end() == len(line.text):
                places.setdefault(int(mark.group(1).translate(_SUPERSCRIPT)), len(places))
    return places


def _tied_runs(runs: list[_Run], places: _Places, lines: Sequence[Line]) -> list[_Run]:
    """Unmistakable shapes first. Other counted lines are sources only where the text has none of those, and only the last."""
    plain = [run for run in runs if run[0] not in _LIKE_POINTS and _is_tied(run, places)]
    if plain:
        return plain
    last = next((run for run in reversed(runs) if run[0] in _LIKE_POINTS), None)
    if last is None or not _is_tied(last, places):
        return []
    end = last[1][-1].line.number
    styles = _styles(last[0], places)
    follows = any(_MARKS[style].search(line.text, 1) for style in styles for line in lines if line.number > end)
    return [] if follows else [last]


def _is_tied(run: _Run, places: _Places) -> bool:
    """At least half of a run's numbers are marked elsewhere; a list of points in the text is not a list of sources."""
    shape, sources = run
    if shape != "[n]" and sources[0].number != 1:
        return False
    for style in _styles(shape, places):
        marked = [places[style][source.number] for source in sources if source.number in places[style]]
        wanted = 2 * len(sources) if style in _VAGUE else len(sources)
        if 2 * len(marked) >= wanted and (style not in _VAGUE or marked == sorted(marked)):
            return True
    return False


def _styles(shape: str, places: _Places) -> tuple[str, ...]:
    """The marks that can belong to such sources; the vaguer ones only where the text has none of the plainer ones."""
    plain = tuple(style for style in _MARKS_FOR[shape] if style not in _VAGUE)
    return plain if any(places[style] for style in plain) else _MARKS_FOR[shape]


_RunsByNumber = dict[int, tuple[list[int], list[str]]]


def _runs_by_number(runs: list[_Run]) -> _RunsByNumber:
    """For each number, the lines where runs that hold it begin, and the labels of its note there."""
    by_number: _RunsByNumber = {}
    for which, (_, run) in enumerate(runs):
        for source in run:
            starts, labels = by_number.setdefault(source.number, ([], []))
            starts.append(run[0].line.number)
            labels.append(_label(which, source.number))
    return by_number


def _tie(style: str, by_number: _RunsByNumber, lines: Sequence[Line], found: Sources) -> None:
    for line in lines:
        for mark in _MARKS[style].finditer(line.text):
            number = int(mark.group(1).translate(_SUPERSCRIPT))
            if number in by_number:
                starts, labels = by_number[number]
                label = labels[min(bisect_left(starts, line.number), len(labels) - 1)]
                found.marks.setdefault(line.number, []).append(Mark(mark.start(), mark.end(), label))


def _label(run: int, number: int) -> str:
    return str(number) if run == 0 else f"{run + 1}-{number}"


def _write_notes(runs: list[_Run], found: Sources) -> None:
    cited = {mark.label for marks in found.marks.values() for mark in marks}
    for which, (_, run) in enumerate(runs):
        for source in run:
            label = _label(which, source.number)
            if label not in cited:
                found.loose.add(source.line.number)
                found.report.append(
                    Note(
                        source.line.number, f"no mark in the text points to source {source.number}; left as a paragraph"
                    )
                )
                continue
            found.notes.append((label, " ".join([source.text, *(line.text for line in source.more)])))
            found.used.update(line.number for line in (source.line, *source.more))
            found.report.append(Note(source.line.number, f"note {source.number}, tied to its mark in the text"))
        found.ends.add((run[-1].more or [run[-1].line])[-1].number)


def _report_loose(found: Sources, lines: Sequence[Line]) -> None:
    for line in lines:
        if line.number in found.used:
            continue
        tied = {mark.start for mark in found.marks.get(line.number, ())}
        for style in ("[n]", "¹"):
            for mark in _MARKS[style].finditer(line.text):
                if (
                    mark.start() not in tied
                    and mark.end() - mark.start() < len(line.text)
                    and line.number not in found.loose
                ):
                    found.report.append(Note(line.number, f"the mark {mark.group()} has no source; left as text"))
