"""Keeps count of an author's tags: marks them before Markdown sees the text, and gives each its placeholder where it lands."""

import re
from collections.abc import Iterable

from service.domain.personalisation import LEAVE_URL, Context, Expression, Tag, TagError, placeholder, split

MARK = re.compile(r"bsmt([0-9]+)x")


class Placements:
    """One expression may land in several contexts and is then several tags. Tag i has placeholder i."""

    def __init__(self, fields: Iterable[str]) -> None:
        self._fields = tuple(fields)
        self._expressions: dict[Expression, int] = {}
        self._tags: dict[tuple[Expression, Context], Tag] = {}

    def mark(self, text: str, *, first_line: int = 1) -> tuple[str, list[TagError]]:
        """The text with a mark for each tag, and what is wrong with the tags."""
        pieces, errors = split(text, self._fields, first_line=first_line)
        return "".join(piece if isinstance(piece, str) else self._mark(piece) for piece in pieces), errors

    def place(self, text: str, context: Context) -> str:
        """The text with the placeholders of this context for marks."""
        expressions = list(self._expressions)
        return MARK.sub(lambda found: self._placeholder(expressions[int(found.group(1))], context), text)

    def leave_url(self, context: Context) -> str:
        """The placeholder of the reader's own leave link."""
        return self._placeholder(Expression(LEAVE_URL), context)

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Every tag placed so far."""
        return tuple(self._tags.values())

    def _mark(self, expression: Expression) -> str:
        return f"bsmt{self._expressions.setdefault(expression, len(self._expressions))}x"

    def _placeholder(self, expression: Expression, context: Context) -> str:
        tag = Tag(placeholder(len(self._tags)), expression.field, expression.filters, expression.default, context)
        return self._tags.setdefault((expression, context), tag).placeholder
