"""Tables of an incoming text: those that hold data become Markdown's, those that only place things give up what they hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lxml.html import HtmlElement

from service.rendering.incoming_document import (
    Align,
    Block,
    Cell,
    Code,
    Heading,
    Listing,
    Paragraph,
    Piece,
    Quotation,
    Table,
)
from service.rendering.incoming_styles import declarations

if TYPE_CHECKING:
    from service.rendering.incoming_reading import Reader

_WIDEST = 60
_ALIGNS: dict[str, Align] = {"left": "left", "center": "center", "right": "right", "end": "right"}


def read(reader: "Reader", table: HtmlElement, looks: frozenset[str], link: str | None) -> list[Block]:
    """The blocks that a table becomes."""
    rows = _rows(table)
    captions = [part for part in table if part.tag == "caption"]
    before = [block for part in captions for block in reader.blocks(part, looks, link)]
    if _only_places(table, rows):
        if len(rows) > 1 or any(len(row) > 1 for row in rows):
            reader.report.at(table, "a table that only placed its parts was taken apart")
        return [*before, *(block for row in rows for cell in row for block in reader.blocks(cell, looks, link))]
    heads = bool(rows) and all(cell.tag == "th" for cell in rows[0])
    grid, merged = _grid(reader, rows, looks, link)
    grid = [row for row in grid if any(cell.pieces for cell in row)]
    if not grid:
        return before
    width = max(map(len, grid))
    grid = [[*row, *[Cell(())] * (width - len(row))] for row in grid]
    if merged:
        reader.report.at(table, "cells that reached over others were split: Markdown's tables have none; look at them")
    if not heads:
        reader.report.at(table, "the first row became the table's head")
    aligned = [_align(rows[0][at]) if at < len(rows[0]) else "" for at in range(width)]
    return [*before, Table([_bare(grid[0]), *grid[1:]], aligned)]


def _rows(table: HtmlElement) -> list[list[HtmlElement]]:
    rows = []
    for part in table:
        for row in [part] if part.tag == "tr" else part if part.tag in ("thead", "tbody", "tfoot") else ():
            cells = [cell for cell in row if cell.tag in ("td", "th")]
            if cells:
                rows.append(cells)
    return rows


def _only_places(table: HtmlElement, rows: Sequence[Sequence[HtmlElement]]) -> bool:
    if table.get("role") in ("presentation", "none") or sum(map(len, rows)) <= 1:
        return True
    if any(part.tag in ("table", "h1", "h2", "h3", "h4", "hr", "pre") for part in table.iterdescendants()):
        return True
    return max(map(len, rows)) > _WIDEST


def _grid(
    reader: "Reader", rows: Sequence[Sequence[HtmlElement]], looks: frozenset[str], link: str | None
) -> tuple[list[list[Cell]], bool]:
    """Cells by row and column; a cell that reaches over others stands in its first place."""
    grid: list[list[Cell]] = []
    reaching: dict[int, int] = {}
    merged = False
    for row in rows:
        line: list[Cell] = []
        for cell in row:
            while reaching.get(len(line), 0) > 0:
                reaching[len(line)] -= 1
                line.append(Cell(()))
            columns, down = _span(cell, "colspan"), _span(cell, "rowspan")
            merged = merged or columns > 1 or down > 1
            for extra in range(columns):
                reaching[len(line)] = down - 1
                line.append(Cell(()) if extra else _cell(reader, cell, looks, link))
        while reaching.get(len(line), 0) > 0:
            reaching[len(line)] -= 1
            line.append(Cell(()))
        grid.append(line)
    return grid, merged


def _span(cell: HtmlElement, name: str) -> int:
    value = str(cell.get(name) or "1")
    return max(1, min(_WIDEST, int(value))) if value.isdecimal() and len(value) < 5 else 1


def _cell(reader: "Reader", cell: HtmlElement, looks: frozenset[str], link: str | None) -> Cell:
    pieces: list[Piece] = []
    for line in _lines(reader.blocks(cell, looks, link), ""):
        pieces += [Piece("break"), *line] if pieces else line
    return Cell(pieces)


def _lines(blocks: Sequence[Block], sign: str) -> list[list[Piece]]:
    """Blocks as lines of words: all that a cell can hold."""
    out: list[list[Piece]] = []
    for block in blocks:
        if isinstance(block, Paragraph | Heading):
            out.append([*([Piece("text", sign)] if sign else []), *block.pieces])
        elif isinstance(block, Quotation):
            out += _lines(block.blocks, sign)
        elif isinstance(block, Listing):
            for number, item in enumerate(block.items):
                count = f"{block.start + number}. " if block.start is not None else "• "
                lines = _lines(item, "")
                if lines:
                    lines[0] = [Piece("text", count), *lines[0]]
                out += lines
        elif isinstance(block, Code):
            out += [[Piece("text", line)] for line in block.text.split("\n") if line.strip()]
    return out


def _align(cell: HtmlElement) -> Align:
    for part in (cell, *cell.iter("p")):
        style = declarations(str(part.get("style") or ""))
        said = style.get("text-align") or str(part.get("align") or "").lower()
        if said in _ALIGNS:
            return _ALIGNS[said] if said != "left" or part is cell else ""
    return ""


def _bare(row: Sequence[Cell]) -> list[Cell]:
    """The head without bold: it is bold by itself."""
    words = [piece for cell in row for piece in cell.pieces if piece.kind == "text" and piece.text.strip()]
    if not all("strong" in piece.looks for piece in words):
        return list(row)
    return [
        Cell([Piece(p.kind, p.text, p.looks - {"strong"}, p.link, p.alt, p.title) for p in cell.pieces]) for cell in row
    ]
