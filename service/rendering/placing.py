"""Keeps count of an author's tags: marks them before Markdown sees the text, and gives each its placeholder where it lands."""

import re
from collections.abc import Iterable

from service.domain.personalisation import LEAVE_URL, Context, Expression, Tag, TagError, placeholder, split
from service.rendering.problems import RenderError

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
        """The text with the placeholders of this context for marks. Raises RenderError for a mark that is not ours."""
        expressions = {str(number): one for number, one in enumerate(self._expressions)}

        def show(found: re.Match[str]) -> str:
            if (expression := expressions.get(found.group(1))) is None:
                raise RenderError(["“bsmt…” with a number is how we mark places in the mail; write it another way"])
            return self._placeholder(expression, context)

        return MARK.sub(show, text)

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
