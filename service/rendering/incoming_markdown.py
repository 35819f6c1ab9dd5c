"""A document as Markdown, in the one way that the same document is always written."""

from collections.abc import Sequence

from service.rendering.incoming_document import (
    Align,
    Block,
    Code,
    Document,
    Heading,
    Listing,
    Paragraph,
    Quotation,
    Rule,
    Table,
)
from service.rendering.incoming_inline import write

_LINES: dict[Align, str] = {"": "---", "left": ":---", "center": ":---:", "right": "---:"}


def markdown(document: Document) -> str:
    """The whole text, notes last."""
    notes = [f"[^{label}]: {_indented(_blocks(blocks), 4)}" for label, blocks in document.notes.items()]
    parts = [_blocks(document.blocks)]
    if notes:
        parts.append(("\n\n" if any("\n" in note for note in notes) else "\n").join(notes))
    written = "\n\n".join(part for part in parts if part)
    return f"{written}\n" if written else ""


def _blocks(blocks: Sequence[Block], *, nested: bool = False) -> str:
    """Blocks with a line between them. Two lists on end take different signs, else they would be one."""
    out: list[str] = []
    before: Block | None = None
    other = False
    for block in blocks:
        if isinstance(block, Listing):
            alike = isinstance(before, Listing) and (before.start is None) == (block.start is None)
            other = alike and not other
            written = _list(block, other)
        else:
            written = _block(block, nested)
        if written:
            out.append(written)
            before = block
    return "\n\n".join(out)


def _block(block: Block, nested: bool) -> str:
    if isinstance(block, Heading):
        words = write(block.pieces, line_end=" ", at_start=False)
        return f"{'#' * block.level} {_closed(words)}" if words else ""
    if isinstance(block, Paragraph):
        return write(block.pieces)
    if isinstance(block, Quotation):
        return "\n".join(f"> {line}".rstrip() for line in _blocks(block.blocks, nested=True).split("\n"))
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Code):
        fence = "```"
        while fence in block.text:
            fence += "`"
        return f"{fence}\n{block.text}\n{fence}"
    if isinstance(block, Rule):
        return "___" if nested else "***"
    return _list(block, False)


def _closed(words: str) -> str:
    """A heading's words: a run of # at their end is text too."""
    return f"{words[:-1]}\\#" if words.endswith("#") and not words.endswith("\\#") else words


def _list(listing: Listing, other: bool) -> str:
    items = []
    loose = _is_loose(listing)
    for number, item in enumerate(listing.items):
        sign = "*" if other else "-"
        marker = f"{sign} " if listing.start is None else f"{listing.start + number}{')' if other else '.'} "
        items.append(marker + _indented(_item(item, loose), len(marker)))
    return ("\n\n" if loose else "\n").join(items)


def _is_loose(listing: Listing) -> bool:
    """Whether lines stand between its items: somewhere more than one line of words, or a list after them."""
    return any(
        len(item) > 1 and not (len(item) == 2 and isinstance(item[0], Paragraph) and _can_follow(item[1]))
        for item in listing.items
    )


def _can_follow(block: Block) -> bool:
    """Whether a list can stand right below words: Markdown lets one counted from elsewhere than 1 not."""
    return isinstance(block, Listing) and block.start in (None, 1) and bool(block.items) and bool(block.items[0])


def _item(item: Sequence[Block], loose: bool) -> str:
    if loose or len(item) != 2:
        return _blocks(item, nested=True)
    return "\n".join(_blocks([block], nested=True) for block in item)


def _indented(text: str, by: int) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"{' ' * by}{line}" if line else "" for line in rest)])


def _table(table: Table) -> str:
    rows = [[write(cell.pieces, line_end="<br>", at_start=False, in_cell=True) for cell in row] for row in table.rows]
    lines = [_LINES[align] for align in table.aligned]
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], lines, *rows[1:]])
