"""Lines that are no headings: paragraphs joined where an editor wrapped them, lists, quotations, addresses line by line.

What it does not recognise becomes a paragraph.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from service.rendering.drafts_inline import Mark, escape
from service.rendering.drafts_lines import Line, is_email_line, is_wide, width

_BULLET = re.compile(r"[-*+•·–—▪◦●○‣⁃■□]\s+(?=\S)")
_ORDERED = re.compile(r"(0|[1-9]\d{0,8})([.)])\s+(?=\S)")
_QUOTED = re.compile(r">\s?")
_SHORT_LINE = 60


@dataclass(frozen=True)
class Piece:
    """A line and its marks, on the way to Markdown. `text` and `marks` have lost what was recognised before them."""

    line: Line
    text: str
    marks: Sequence[Mark] = ()

    def without(self, length: int) -> "Piece":
        """The same line without its first characters."""
        moved = [
            Mark(mark.start - length, mark.end - length, mark.label) for mark in self.marks if mark.start >= length
        ]
        return Piece(self.line, self.text[length:], moved)


def blocks(pieces: Sequence[Piece], column: int | None) -> list[str]:
    """Markdown blocks, in order. A count that does not go on where the list above ended is text: Markdown would renumber it."""
    written: list[str] = []
    at, counted = 0, ""
    while at < len(pieces):
        opened = _item(pieces[at])
        renumbered = opened is not None and opened.re is _ORDERED and opened.group(2) == counted
        is_list = opened is not None and not renumbered
        reader = _quotation if _opens_quotation(pieces, at) else _list if is_list else _paragraph
        block, at = reader(pieces, at, column)
        count = _ORDERED.match(block) if reader is _list else None
        counted = count.group(2) if count else ""
        written.append(block)
    return written


def _opens_quotation(pieces: Sequence[Piece], at: int) -> bool:
    if _QUOTED.match(pieces[at].text):
        return True
    if pieces[at].line.indent < 4 or not pieces[at].line.after_blank or _item(pieces[at]):
        return False
    return at + 1 < len(pieces) and not pieces[at + 1].line.after_blank and pieces[at + 1].line.indent >= 4


def _quotation(pieces: Sequence[Piece], at: int, column: int | None) -> tuple[str, int]:
    inner: list[Piece] = []
    marked = _QUOTED.match(pieces[at].text)
    first = at
    while at < len(pieces) and (at == first or not pieces[at].line.after_blank):
        opened = _QUOTED.match(pieces[at].text)
        if not opened if marked else pieces[at].line.indent < 4:
            break
        piece = pieces[at].without(opened.end() if opened else 0)
        if piece.text:
            line = Line(piece.line.number, piece.line.text, 0, at == first, "")
            inner.append(Piece(line, piece.text, piece.marks))
        at += 1
    body = "\n\n".join(_paragraphs(inner, column))
    return "\n".join(f"> {line}".rstrip() for line in body.split("\n")) if body else "\\>", at


def is_item(text: str) -> bool:
    """Whether a line opens like an item of a list."""
    return bool(_BULLET.match(text) or _ORDERED.match(text))


def _item(piece: Piece) -> re.Match[str] | None:
    opened = _BULLET.match(piece.text) or _ORDERED.match(piece.text)
    return opened if opened and not any(mark.start < opened.end() for mark in piece.marks) else None


def _list(pieces: Sequence[Piece], at: int, column: int | None) -> tuple[str, int]:
    """Items one after another, nested by their indentation, to where the count jumps."""
    base, out = pieces[at].line.indent, []
    counts: dict[int, tuple[int, str]] = {}
    depths = [base]
    pads = [0]
    first = at
    while at < len(pieces):
        opened = _item(pieces[at])
        if not opened or (at > first and pieces[at].line.after_blank and not _same_kind(opened, pieces[first])):
            break
        indent = pieces[at].line.indent
        while len(depths) > 1 and indent < depths[-1]:
            depths.pop()
            pads.pop()
        if at > first and indent >= depths[-1] + 2 and len(depths) < 3:
            depths.append(indent)
            pads.append(pads[-1] + (len(counts[len(depths) - 2][1]) if len(depths) - 2 in counts else 2))
            counts.pop(len(depths) - 1, None)
        depth = len(depths) - 1
        marker = _marker(opened, counts.get(depth))
        if marker is None:
            break
        counts[depth] = (int(opened.group(1)) if opened.re is _ORDERED else -1, marker)
        item = [pieces[at].without(opened.end())]
        at += 1
        while (
            at < len(pieces)
            and not pieces[at].line.after_blank
            and not _item(pieces[at])
            and _goes_on(item[-1], pieces[at], column)
        ):
            item.append(pieces[at])
            at += 1
        out.append(" " * pads[-1] + marker + _joined(item))
    if at == first:
        return escape(pieces[at].text, pieces[at].marks), at + 1
    return "\n".join(out), at


def _same_kind(opened: re.Match[str], first: Piece) -> bool:
    begun = _item(first)
    return begun is not None and begun.re is opened.re


def _marker(opened: re.Match[str], before: tuple[int, str] | None) -> str | None:
    if opened.re is _BULLET:
        return "- " if before is None or before[0] == -1 else None
    number, sign = int(opened.group(1)), opened.group(2)
    marker = f"{number}{sign} "
    if before is None:
        return marker
    return marker if before[0] >= 0 and number == before[0] + 1 and before[1].rstrip()[-1] == sign else None


def _goes_on(above: Piece, below: Piece, column: int | None) -> bool:
    if below.line.indent > above.line.indent + 1:
        return True
    return column is not None and _fills(above, below, column)


def _fills(above: Piece, below: Piece, column: int) -> bool:
    """Whether the first word below would not have fitted above: an editor wrapped here, not the author."""
    word = 2 if is_wide(below.text[0]) else width(below.text[:60].split(" ", 1)[0])
    return above.line.indent + width(above.line.text) + 1 + word > column - 12


def _paragraph(pieces: Sequence[Piece], at: int, column: int | None) -> tuple[str, int]:
    chunk = [pieces[at]]
    at += 1
    while (
        at < len(pieces)
        and not pieces[at].line.after_blank
        and not _item(pieces[at])
        and not _QUOTED.match(pieces[at].text)
    ):
        if column is None and not (_is_short(chunk[-1]) and _is_short(pieces[at])):
            break
        chunk.append(pieces[at])
        at += 1
    return "\n\n".join(_paragraphs(chunk, column)), at


def _is_short(piece: Piece) -> bool:
    text = piece.text
    return len(text) <= 200 and (is_email_line(text) or (width(text) <= _SHORT_LINE and text[-1] not in ".!?。！？；;"))


def _paragraphs(chunk: Sequence[Piece], column: int | None) -> list[str]:
    """One Markdown paragraph for what was wrapped; a hard break where the author ended a short line."""
    if not chunk:
        return []
    joined = [[chunk[0]]]
    for above, below in pairwise(chunk):
        if column is not None and _fills(above, below, column):
            joined[-1].append(below)
        else:
            joined.append([below])
    written = [_joined(part) for part in joined]
    out = [written[0]]
    for group, text in zip(joined, written[1:], strict=False):
        together = _is_short(group[-1]) or group[-1].text[-1] not in ".!?:。！？："
        out[-1:] = [f"{out[-1]}\\\n{text}"] if together else [out[-1], text]
    return out


def _joined(part: Sequence[Piece]) -> str:
    """Wrapped lines as one; Chinese without a space between."""
    written = escape(part[0].text, part[0].marks)
    for above, below in pairwise(part):
        glued = is_wide(above.text[-1]) and is_wide(below.text[0])
        written += ("" if glued or (below.marks and below.marks[0].start == 0) else " ") + escape(
            below.text, below.marks, at_start=False
        )
    return written
