"""The numbered sources of a letter and the marks in its text that point to them.

A mark without a source and a source without a mark are no note: both stay text, with a line in the report.
"""

import re
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
    "n": re.compile(r"(?<=[a-z.,;!?”\"'’)）。，；！？])(\d{1,2})(?=\s|$)"),
}
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
    report: list[Note] = field(default_factory=list)


def find_sources(lines: Sequence[Line], column: int | None) -> Sources:
    """Tie marks to sources. A mark belongs to the next run of sources after it that has its number, else to the last before."""
    found = Sources()
    runs = [run for run in _runs(lines, column) if _is_tied(run, lines)]
    if not runs:
        _report_loose(found, lines)
        return found
    styles = {run[0] for run in runs}
    for style in {style for shape in styles for style in _styles(shape, lines)}:
        _tie(style, runs, lines, found)
    _write_notes(runs, found)
    _report_loose(found, lines)
    return found


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


def _is_tied(run: _Run, lines: Sequence[Line]) -> bool:
    """At least half of a run's numbers are marked elsewhere; a list of points in the text is not a list of sources."""
    shape, sources = run
    own = {line.number for source in sources for line in (source.line, *source.more)}
    if shape != "[n]" and sources[0].number != 1:
        return False
    wanted = {source.number for source in sources}
    for style in _styles(shape, lines):
        marked = [
            int(mark.group(1).translate(_SUPERSCRIPT))
            for line in lines
            if line.number not in own
            for mark in _MARKS[style].finditer(line.text)
            if not (mark.start() == 0 and mark.end() < len(line.text))
        ]
        first = list(dict.fromkeys(number for number in marked if number in wanted))
        if style in ("(n)", "n") and (first != sorted(first) or set(first) != wanted):
            continue
        if 2 * len(first) >= len(wanted):
            return True
    return False


def _styles(shape: str, lines: Sequence[Line]) -> tuple[str, ...]:
    """The marks that can belong to such sources; the vaguer ones only where the text has none of the plainer ones."""
    possible = _MARKS_FOR[shape]
    plain = [style for style in possible if style in ("[n]", "¹")]
    if any(_MARKS[style].search(line.text, 1) for style in plain for line in lines):
        return tuple(plain)
    return possible if shape == "n." else tuple(style for style in possible if style != "n")


def _tie(style: str, runs: list[_Run], lines: Sequence[Line], found: Sources) -> None:
    starts = {line.number for _, run in runs for source in run for line in (source.line, *source.more)}
    for line in lines:
        if line.number in starts:
            continue
        for mark in _MARKS[style].finditer(line.text):
            number = int(mark.group(1).translate(_SUPERSCRIPT))
            after = [i for i, (_, run) in enumerate(runs) if run[0].line.number > line.number and _has(run, number)]
            before = [i for i, (_, run) in enumerate(runs) if run[0].line.number < line.number and _has(run, number)]
            if after or before:
                which = after[0] if after else before[-1]
                found.marks.setdefault(line.number, []).append(Mark(mark.start(), mark.end(), _label(which, number)))
    for marks in found.marks.values():
        marks.sort(key=lambda mark: mark.start)


def _has(run: list[_Source], number: int) -> bool:
    return run[0].number <= number <= run[-1].number


def _label(run: int, number: int) -> str:
    return str(number) if run == 0 else f"{run + 1}-{number}"


def _write_notes(runs: list[_Run], found: Sources) -> None:
    cited = {mark.label for marks in found.marks.values() for mark in marks}
    for which, (_, run) in enumerate(runs):
        for source in run:
            label = _label(which, source.number)
            if label not in cited:
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
        for mark in _MARKS["[n]"].finditer(line.text):
            if mark.start() not in tied:
                found.report.append(Note(line.number, f"the mark {mark.group()} has no source; left as text"))
