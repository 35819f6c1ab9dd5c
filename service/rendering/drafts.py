"""Turns the plain text a team gets from its authors into Markdown: contents, headings, notes, lists and paragraphs.

It recognises by shape, never by words, loses no word, and reports what it took for what.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.rendering.drafts_blocks import Piece, blocks, is_item
from service.rendering.drafts_contents import Contents, find_contents
from service.rendering.drafts_headings import UNDERLINE, Headings, find_headings
from service.rendering.drafts_inline import escape, heading_text
from service.rendering.drafts_lines import (
    Line,
    Note,
    is_prose,
    is_title_like,
    read_lines,
    similar,
    title_key,
    wrap_column,
)
from service.rendering.drafts_sources import Sources, find_sources

__all__ = ["Draft", "Note", "draft_from_text"]

_LONGEST_LEAD = 250


@dataclass(frozen=True)
class Draft:
    """Markdown with footnotes, the title if there is one, and a report whose lines count from 1 in the input. `pictures` are
    those that came inside the file, by the names under which the Markdown shows them."""

    markdown: str
    title: str | None
    report: tuple[Note, ...]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


def draft_from_text(text: str) -> Draft:
    """Every word of `text`, in order, as Markdown; only a contents list and the signs that were recognised are left out."""
    lines = read_lines(text)
    column = wrap_column(lines)
    sources = find_sources(lines, column)
    lines = [line for line in lines if line.number not in sources.used]
    contents = find_contents(lines)
    lines = [line for line in lines if line.number not in contents.listed]
    headings = find_headings(lines, contents.levels, sources.ends | _starts(lines, sources), column is not None)
    return _write(lines, column, sources, contents, headings)


def _starts(lines: Sequence[Line], sources: Sources) -> set[int]:
    """The last line above the end of the sources: what follows it follows the sources."""
    numbers = [line.number for line in lines]
    return {numbers[at - 1] for end in sources.ends if (at := bisect_left(numbers, end))}


def _write(
    lines: Sequence[Line], column: int | None, sources: Sources, contents: Contents, headings: Headings
) -> Draft:
    levels = {**headings.levels, **contents.levels}
    if headings.title is not None:
        levels[headings.title] = 1
    out: list[str] = []
    waiting: list[Piece] = []
    report = [*sources.report, *contents.report, *headings.report]
    for line in lines:
        marks = sources.marks.get(line.number, ())
        lead = _lead(line, contents) if not marks or marks[0].start > 0 else None
        broken = line.number in headings.underlines or UNDERLINE.fullmatch(line.text)
        if line.number not in levels and lead is None and not broken:
            waiting.append(Piece(line, line.text, marks))
            continue
        out += blocks(waiting, column)
        waiting = []
        if line.number in levels:
            out.append(f"{'#' * levels[line.number]} {heading_text(line.text, marks)}")
        elif lead is not None:
            rest = Piece(line, line.text, marks).without(lead)
            out.append(f"- **{escape(line.text[:lead])}**{escape(rest.text, rest.marks, at_start=False)}")
            report.append(Note(line.number, "a highlight: its title is a heading below"))
        elif line.number not in headings.underlines:
            out.append("***")
            report.append(Note(line.number, "a rule between two parts"))
    out += blocks(waiting, column)
    report += _unclear(lines, levels, column)
    notes = "\n".join(f"[^{label}]: {escape(text)}" for label, text in sources.notes)
    markdown = "\n\n".join([*out, notes] if notes else out)
    title = next((line.text for line in lines if line.number == headings.title), None)
    return Draft(f"{markdown}\n" if markdown else "", title, tuple(sorted(report, key=lambda note: note.line)))


def _lead(line: Line, contents: Contents) -> int | None:
    """Where a title that is a heading below ends in a line `Title: text`; only above the contents list."""
    if line.number >= contents.first:
        return None
    for at, letter in enumerate(line.text[:_LONGEST_LEAD]):
        if letter in ":：" and at + 1 < len(line.text):
            name = title_key(line.text[:at])
            if any(similar(name, known) for known in contents.keys):
                return at
    return None


def _unclear(lines: Sequence[Line], levels: dict[int, int], column: int | None) -> list[Note]:
    """Lines that look like a title but have nothing to head."""
    return [
        Note(line.number, "short like a heading, but nothing shows what it heads; left as a paragraph")
        for at, line in enumerate(lines)
        if line.number not in levels
        and (line.after_blank or column is None)
        and not is_item(line.text)
        and is_title_like(line.text)
        and not is_prose(line.text)
        and (column is None or at + 1 == len(lines) or lines[at + 1].after_blank)
    ]
