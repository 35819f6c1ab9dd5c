"""What is wrong with an author's text, gathered so that all of it can be said at once."""

import sys
from collections.abc import Sequence

LAST = sys.maxsize


class RenderError(ValueError):
    """The content cannot be sent as it is. `problems`: "line N: what is wrong and what to do", one each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Findings:
    """Problems (nothing can be rendered) and warnings (it can, but look), each said once and in the order of lines.

    `lines`: the author's own number for each line of the text, where what is rendered is only a part of it. `lenient`: go on
    behind problems, to find what else is wrong; what comes out must not be sent.
    """

    def __init__(self, lines: Sequence[int] = (), *, lenient: bool = False) -> None:
        self._lines = lines
        self._lenient = lenient
        self._problems: dict[str, int] = {}
        self._warnings: dict[str, int] = {}

    def problem(self, text: str, *, line: int | None = None) -> None:
        """Something that stops the rendering; `line` is None where it belongs to no line."""
        line = self._own(line)
        self._problems.setdefault(_placed(text, line), line or LAST)

    def warning(self, text: str, *, line: int | None = None) -> None:
        """Something to look at before sending."""
        line = self._own(line)
        self._warnings.setdefault(_placed(text, line), line or LAST)

    def _own(self, line: int | None) -> int | None:
        return self._lines[line - 1] if line and line <= len(self._lines) else line

    def raise_if_any(self) -> None:
        """Stop with all problems so far."""
        if self._problems and not self._lenient:
            raise RenderError(list(self.problems))

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems so far, by line."""
        return tuple(sorted(self._problems, key=lambda text: self._problems[text]))

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings so far, by line."""
        return tuple(sorted(self._warnings, key=lambda text: self._warnings[text]))


def _placed(text: str, line: int | None) -> str:
    return text if line is None else f"line {line}: {text}"
