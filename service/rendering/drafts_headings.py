"""Headings that no contents list announces: numbered, underlined, in capitals, or short lines above a paragraph.

It goes by shape and rank alone; what could be a heading and is none is reported.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from service.rendering.drafts_lines import Line, Note, is_email_line, is_prose, is_title_like, width

UNDERLINE = re.compile(r"([=\-~—–_*])(?:\s?\1){2,}")

_CN = "一二三四五六七八九十百零〇两"
_RANKED = (
    re.compile(r"(?:part|title|annex|schedule|appendix)\s+(?:[ivxlc]+|\d+|[a-z])\b", re.IGNORECASE),
    re.compile(rf"第[{_CN}\d]{{1,4}}[编编部篇]"),
    re.compile(r"(?:chapter|section)\s+(?:[ivxlc]+|\d+|[a-z])\b", re.IGNORECASE),
    re.compile(rf"第[{_CN}\d]{{1,4}}[章分]"),
    re.compile(r"[IVX]{1,5}\.\s+\S"),
    re.compile(r"[A-Z]\.\s+\S"),
    re.compile(rf"第[{_CN}\d]{{1,4}}节"),
    re.compile(rf"[{_CN}]{{1,3}}、\s*\S"),
    re.compile(rf"[(（][{_CN}]{{1,3}}[)）]\s*\S"),
    re.compile(r"\d{1,2}(?:[.)]\s+|[、．]\s*)\S"),
    re.compile(r"\d{1,2}\.\d{1,2}[.)]?\s+\S"),
    re.compile(r"\d{1,2}(?:\.\d{1,2}){2,3}[.)]?\s+\S"),
)
_CAPITALS, _UNDERLINED, _TITLE_LIKE = -2, -1, 50
_COUNTED = re.compile(r"(\d{1,2})[.)、．]")
_BULLET = re.compile(r"[-*+•·–—▪◦●○‣⁃■□>]\s")


@dataclass
class Headings:
    """Levels by line number, lines that only underline, and the title's line."""

    levels: dict[int, int] = field(default_factory=dict)
    underlines: set[int] = field(default_factory=set)
    title: int | None = None
    report: list[Note] = field(default_factory=list)


def find_headings(lines: Sequence[Line], listed: dict[int, int], breaks: set[int], wrapped: bool) -> Headings:
    """`listed` are levels already known; `breaks` are lines after which something new begins, such as the last source."""
    found = Headings()
    for above, line in pairwise(lines):
        if UNDERLINE.fullmatch(line.text) and not line.after_blank and is_title_like(above.text) and above.after_blank:
            found.underlines.add(line.number)
    texts = [line for line in lines if line.number not in found.underlines]
    _find_title(texts, listed, found, wrapped)
    ranks = _ranks(texts, listed, breaks, found, wrapped)
    order = sorted(set(ranks.values()))
    for number, rank in ranks.items():
        level = 2 if rank == _TITLE_LIKE and listed else min(3, 2 + order.index(rank))
        found.levels[number] = level
        found.report.append(Note(number, f"a heading of level {level}, by its shape"))
    _find_people(texts, listed, found)
    return found


def _find_title(lines: Sequence[Line], listed: dict[int, int], found: Headings, wrapped: bool) -> None:
    if len(lines) < 2 or lines[0].number in listed:
        return
    first = lines[0]
    if wrapped and not lines[1].after_blank and width(first.text) > 50:
        return
    if (
        is_title_like(first.text)
        and not _BULLET.match(first.text)
        and _rank(first.text) is None
        and not first.text.startswith("[")
    ):
        found.title = first.number
        found.report.append(Note(first.number, "the title"))


def _rank(text: str) -> int | None:
    if width(text) > 90 or text[-1] in ".;:,。；：，！!" or is_email_line(text):
        return None
    return next((rank for rank, pattern in enumerate(_RANKED) if pattern.match(text)), None)


def _is_capitals(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return len(letters) >= 4 and len(text) <= 100 and text.upper() == text != text.lower() and text[-1] not in ".,;:"


def _ranks(
    lines: Sequence[Line], listed: dict[int, int], breaks: set[int], found: Headings, wrapped: bool
) -> dict[int, int]:
    ranks: dict[int, int] = {}
    chain = 0
    underlined = {number - 1 for number in found.underlines}
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at]
        before = lines[at - 1] if at else None
        after = lines[at + 1] if at + 1 < len(lines) else None
        rank = None
        if line.number not in listed and line.number != found.title and not _BULLET.match(line.text):
            rank = _rank_here(lines, at, chain, wrapped, underlined)
            opened = before is not None and before.number in breaks
            if rank == _TITLE_LIKE and listed and not opened:
                rank = None
                found.report.append(Note(line.number, "short, but not in the contents list; left as a paragraph"))
            elif rank is None and opened and after is not None and is_title_like(line.text):
                rank = _TITLE_LIKE
        if rank is not None:
            ranks[line.number] = rank
        chain = chain + 1 if rank == _TITLE_LIKE else 0
    return _without_subtitle(lines, ranks, found)


def _rank_here(lines: Sequence[Line], at: int, chain: int, wrapped: bool, underlined: set[int]) -> int | None:
    line, after = lines[at], lines[at + 1] if at + 1 < len(lines) else None
    before = lines[at - 1] if at else None
    if line.number in underlined:
        return _UNDERLINED
    if after is None:
        return None
    numbered = _rank(line.text)
    if numbered is not None:
        return None if _counts_on(lines, at) or (not line.after_blank and wrapped) else numbered
    stands_apart = line.after_blank or (not wrapped and (before is None or is_prose(before.text)))
    if _is_capitals(line.text) and not _is_capitals(after.text) and (stands_apart or after.after_blank):
        return _CAPITALS
    if not stands_apart or not is_title_like(line.text) or line.indent >= 4 or (wrapped and not after.after_blank):
        return None
    leads = _is_paragraph(line, after) and not _BULLET.match(after.text)
    return _TITLE_LIKE if leads or (chain == 1 and after.after_blank == line.after_blank) else None


def _is_paragraph(heading: Line, after: Line) -> bool:
    return width(after.text) > width(heading.text) and (is_prose(after.text) or width(after.text) > 60)


def _counts_on(lines: Sequence[Line], at: int) -> bool:
    """Whether the line above or below is the next of the same count: points in a row, not headings."""
    counted = _COUNTED.match(lines[at].text)
    if not counted:
        return False
    number = int(counted.group(1))
    for other, wanted in ((at - 1, number - 1), (at + 1, number + 1)):
        if 0 <= other < len(lines) and (beside := _COUNTED.match(lines[other].text)) and int(beside.group(1)) == wanted:
            return True
    return False


def _without_subtitle(lines: Sequence[Line], ranks: dict[int, int], found: Headings) -> dict[int, int]:
    """A short line with a number right under the title is a date or an issue number."""
    under = lines[1] if found.title is not None else None
    if (
        under
        and ranks.get(under.number) == _TITLE_LIKE
        and any(letter.isdigit() or letter == "," for letter in under.text)
    ):
        del ranks[under.number]
        found.report.append(Note(under.number, "a short line under the title; left as a paragraph"))
    return dict(sorted(ranks.items()))


def _find_people(lines: Sequence[Line], listed: dict[int, int], found: Headings) -> None:
    """A name, perhaps an office, an e-mail address alone in a line: the name is a heading."""
    blocks: list[list[Line]] = []
    for at, line in enumerate(lines):
        if not is_email_line(line.text):
            continue
        block: list[Line] = []
        for above in reversed(lines[max(0, at - 3) : at]):
            known = above.number in listed or (above.number in found.levels and not is_title_like(above.text))
            if (
                known
                or is_prose(above.text)
                or width(above.text) > 60
                or is_email_line(above.text)
                or above.number == found.title
            ):
                break
            block.append(above)
            if above.after_blank:
                break
        blocks.append(block)
    height = min(2 if len(blocks) < 2 else 3, min((len(block) for block in blocks), default=0))
    for block in blocks:
        if height and is_title_like(block[height - 1].text) and block[height - 1].number not in found.levels:
            found.levels[block[height - 1].number] = 3
            found.report.append(Note(block[height - 1].number, "a heading of level 3: a name above an e-mail address"))
