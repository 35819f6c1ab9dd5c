"""Conditional blocks in an author's text, such as `{% if organisation %} … {% else %} … {% endif %}`: what they ask, and which
words stand for which answers.

A fixed grammar over the fields that tags may name, read by a small parser of our own. It evaluates nothing and refuses
everything else: loops, expressions, filters, includes.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from service.domain.personalisation import BLANK, MAX_ERRORS, QUOTED, READER_FIELDS, TagError, did_you_mean, unquoted

MAX_DEPTH = 3
MAX_BLOCKS = 200
"""Blocks of one text. Each version of the text is put together piece by piece."""

_BRACES = re.compile(r"\\(\{%|%\})|\{%|%\}")
_WHOLE = re.compile(r"\{%((?:[^{}%\"'“\n]|%(?!\})|" + QUOTED + r")*)%\}")
_COMPARISON = re.compile(r"(.*?)\s*(==|!=)\s*(.*)")
_WORDS = ("if", "elsif", "else", "endif")


@dataclass(frozen=True)
class Condition:
    """Something about a reader that is true or not: the field has a value, or it `equals` this one."""

    field: str
    equals: str | None = None

    def holds(self, value: str | None) -> bool:
        """Whether it is true for a reader with this value. Empty and missing are the same."""
        known = tidy(self.field, value)
        return bool(known) if self.equals is None else known == self.equals

    def __str__(self) -> str:
        return self.field if self.equals is None else f'{self.field} == "{self.equals}"'


Guard = tuple[tuple[Condition, bool], ...]
"""Words stand where each condition is as it says."""


@dataclass(frozen=True)
class Piece:
    """Words of one line, or the end of it, and when they stand."""

    text: str
    line: int
    guard: Guard


@dataclass(frozen=True)
class Template:
    """A text read: its pieces, the number of its last line, and each condition with the first line that asks it."""

    pieces: tuple[Piece, ...]
    end: int
    conditions: dict[Condition, int]
    errors: tuple[TagError, ...]

    def kept(self, is_true: Callable[[Condition], bool]) -> tuple[int, ...]:
        """The numbers of the pieces that stand when the conditions are so."""
        return tuple(
            number
            for number, piece in enumerate(self.pieces)
            if all(is_true(condition) is wanted for condition, wanted in piece.guard)
        )

    def put_together(self, kept: Iterable[int]) -> tuple[str, tuple[int, ...]]:
        """The text of these pieces, and for each of its lines the author's own number."""
        text: list[str] = []
        lines: list[int] = []
        begins = True
        for piece in (self.pieces[number] for number in kept):
            if begins:
                lines.append(piece.line)
            text.append(piece.text)
            begins = piece.text.endswith("\n")
        if begins:
            lines.append(self.end)
        return "".join(text), tuple(lines)


def tidy(field: str, value: str | None) -> str:
    """A value as conditions compare it. Language tags are compared whatever their capitals: zh-hans is zh-Hans."""
    bare = (value or "").strip(BLANK)
    return bare.lower().replace("_", "-") if field == "language" else bare


def parse(text: str, fields: Iterable[str]) -> Template:
    """Read an author's text; every error found (at most 50) is in the result. `\\{%` and `\\%}` are literal.

    A line that holds nothing but tags is no line of the result: a list or a table goes on over it.
    """
    return _Reader((*READER_FIELDS, *fields)).read(text)


class _Block:
    """An open `if`: what its branches so far asked, and the branch that is being read."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.refused: Guard = ()
        self.branch: Guard = ()
        self.ended = False

    def begin(self, test: tuple[Condition, bool] | None) -> None:
        """Go on with a branch that stands when none before does and, unless it is the last, the test is passed."""
        self.branch = self.refused if test is None else (*self.refused, test)
        if test is None:
            self.ended = True
        else:
            self.refused = (*self.refused, (test[0], not test[1]))


class _Reader:
    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = allowed
        self._open: list[_Block] = []
        self._blocks = 0
        self._pieces: list[Piece] = []
        self._conditions: dict[Condition, int] = {}
        self._errors: list[TagError] = []

    def read(self, text: str) -> Template:
        lines = text.split("\n")
        for number, line in enumerate(lines, start=1):
            self._line(line, number, "" if number == len(lines) else "\n")
            if len(self._errors) >= MAX_ERRORS or self._blocks > MAX_BLOCKS:
                break
        else:
            self._errors += [
                TagError(block.line, "{% if %} is never closed; write {% endif %} where its words end")
                for block in self._open
            ]
        if self._blocks > MAX_BLOCKS:
            self._errors.append(TagError(number, f"more than {MAX_BLOCKS} conditional blocks; make two issues of it"))
        return Template(tuple(self._pieces), len(lines), self._conditions, tuple(self._errors))

    def _line(self, line: str, number: int, end: str) -> None:
        found, words_or_tags = False, list(self._cut(line, number))
        only_tags = not any(words.strip() for is_tag, words in words_or_tags if not is_tag)
        for is_tag, words in words_or_tags:
            if is_tag:
                found = True
                self._tag(words, number)
            elif words and not (only_tags and len(words_or_tags) > 1):
                self._add(words, number)
        if end and not (found and only_tags):
            self._add(end, number)

    def _add(self, words: str, number: int) -> None:
        guard = tuple(test for block in self._open for test in block.branch)
        self._pieces.append(Piece(words, number, guard))

    def _cut(self, line: str, number: int) -> Iterator[tuple[bool, str]]:
        """The line's words and the insides of its tags, in turn."""
        words, position = "", 0
        while len(self._errors) < MAX_ERRORS and (found := _BRACES.search(line, position)):
            words += line[position : found.start()]
            position = found.end()
            if found.group(1):
                words += found.group(1)
                continue
            if (whole := _WHOLE.match(line, found.start())) is None:
                self._errors.append(TagError(number, _unreadable(line, found)))
                continue
            yield False, words
            yield True, whole.group(1)
            words, position = "", whole.end()
        yield False, words + line[position:]

    def _tag(self, inner: str, line: int) -> None:
        word, *rest = inner.split(None, 1) or [""]
        try:
            self._follow(word, "".join(rest).strip(), line)
        except TagError as error:
            self._errors.append(error)

    def _follow(self, word: str, rest: str, line: int) -> None:
        if word not in _WORDS:
            raise TagError(line, f"there is no {{% {word} %}}{_near(word)}; there are {', '.join(_WORDS)}")
        if word == "if":
            self._blocks += 1
            if len(self._open) >= MAX_DEPTH:
                self._open.append(_Block(line))
                raise TagError(line, f"more than {MAX_DEPTH} blocks inside one another; make the text simpler")
            self._open.append(_Block(line))
        elif not self._open:
            raise TagError(line, f"{{% {word} %}} belongs to no {{% if … %}}; write that before it, or take this out")
        block = self._open[-1]
        if word in ("else", "endif") and rest:
            raise TagError(line, f"{{% {word} %}} takes nothing after it; take “{rest}” out")
        if word == "endif":
            self._open.pop()
        elif block.ended:
            raise TagError(
                line, f"{{% {word} %}} after {{% else %}} of line {block.line}'s block; close it with {{% endif %}}"
            )
        else:
            block.begin(None if word == "else" else self._test(word, rest, line))

    def _test(self, word: str, asked: str, line: int) -> tuple[Condition, bool]:
        """The condition, and whether it must be true."""
        negated = re.match(r"not\s+", asked)
        name = asked[negated.end() :] if negated else asked
        compared = _COMPARISON.fullmatch(name)
        field = (compared.group(1) if compared else name).strip()
        self._check_field(field, word, line)
        if compared is None:
            condition, wanted = Condition(field), negated is None
        elif negated:
            raise TagError(line, f"“not” before a comparison; write {field} != … instead of not {field} == …")
        else:
            condition = Condition(field, _equals(field, compared.group(3), line))
            wanted = compared.group(2) == "=="
        self._conditions.setdefault(condition, line)
        return condition, wanted

    def _check_field(self, field: str, word: str, line: int) -> None:
        if field in self._allowed:
            return
        if not field:
            raise TagError(line, f"{{% {word} %}} asks nothing; name a field: {', '.join(self._allowed)}")
        if re.search(r"\s(and|or)\s", field):
            raise TagError(line, "“and” and “or” are not known; put one {% if %} inside another, or use {% elsif %}")
        if re.search(r"[^=]=[^=]", field):
            raise TagError(line, f'one = compares nothing; write {field.split("=")[0].strip()} == "…"')
        raise TagError(
            line,
            f"there is no field “{field}”{did_you_mean(field, self._allowed)}; the fields are {', '.join(self._allowed)}",
        )


def _equals(field: str, written: str, line: int) -> str:
    text = unquoted(written)
    if text is None:
        raise TagError(line, f'a comparison needs a text in quotation marks, such as {field} == "Shanghai"')
    if not (value := tidy(field, text)):
        raise TagError(line, f"a comparison with nothing; write {{% if not {field} %}} for readers without a value")
    return value


def _unreadable(line: str, found: re.Match[str]) -> str:
    if found.group() == "%}":
        return "%} closes a tag that was never opened; write \\%} if you mean the two signs themselves"
    if "%}" in line[found.end() :]:
        return f"cannot read {line[found.start() : found.start() + 60]}; check its quotation marks"
    return "{% opens a tag that is not closed on the same line; add %}, or write \\{% for the signs themselves"


def _near(word: str) -> str:
    known = {"elif": "elsif", "elseif": "elsif", "end": "endif", "fi": "endif"}
    near = [known[word]] if word in known else difflib.get_close_matches(word, _WORDS, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
