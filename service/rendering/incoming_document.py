"""What a document is between its HTML and its Markdown: blocks, and in them pieces of text that each know their looks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["text", "break", "note", "picture"]
Align = Literal["", "left", "center", "right"]
PLAIN: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Piece:
    """A stretch of text, a line's end, the mark of a note (`text` is its label), or a picture (`text` is its address)."""

    kind: Kind
    text: str = ""
    looks: frozenset[str] = PLAIN
    link: str | None = None
    alt: str = ""
    title: str = ""

    def says(self, text: str) -> "Piece":
        """The same with other text."""
        return replace(self, text=text)


@dataclass(frozen=True)
class Heading:
    """`#` to `######`."""

    level: int
    pieces: Sequence[Piece]


@dataclass(frozen=True)
class Paragraph:
    """Words, or a picture with its caption."""

    pieces: Sequence[Piece]


@dataclass(frozen=True)
class Quotation:
    """Blocks in somebody else's words."""

    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Listing:
    """A list; `start` is None for one that is not counted."""

    start: int | None
    items: "Sequence[Sequence[Block]]"


@dataclass(frozen=True)
class Cell:
    """A cell of a table: lines of words."""

    pieces: Sequence[Piece]


@dataclass(frozen=True)
class Table:
    """Rows of equal length; the first is the head."""

    rows: Sequence[Sequence[Cell]]
    aligned: Sequence[Align]


@dataclass(frozen=True)
class Code:
    """Text as it stands."""

    text: str


@dataclass(frozen=True)
class Rule:
    """A line between two parts."""


Block = Heading | Paragraph | Quotation | Listing | Table | Code | Rule


@dataclass(frozen=True)
class Document:
    """Blocks, and the notes by their labels."""

    blocks: Sequence[Block]
    notes: dict[str, Sequence[Block]] = field(default_factory=dict)


def text_of(pieces: Sequence[Piece]) -> str:
    """The words alone."""
    return "".join(piece.text if piece.kind == "text" else " " if piece.kind == "break" else "" for piece in pieces)
