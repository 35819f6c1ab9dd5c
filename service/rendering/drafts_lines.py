"""The lines of a plain text and their shapes: how wide, how indented, whether they look like a title or a sentence.

It knows no word of any letter; it refuses to decide what a line becomes.
"""

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SENTENCE_ENDS = ".!?;:,。！？；：，、…"
LONGEST_HEADING = 160
LONGEST_ENTRY = 300

_SPACES = re.compile(r"[ \t\v\f]+")
_BREAKS = re.compile(r"\r\n?")
_KEY_MARKS = re.compile(r"\[\d{1,3}\]|[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_KEY_NUMBER = re.compile(
    r"^(?:\d{1,3}(?:\.\d{1,3})*[.)、]\s*|[-*+•·–—▪◦●○‣■]\s+|[(（]?[一二三四五六七八九十]{1,3}[)）、]\s*)"
)
_LEADERS = re.compile(r"(?:\s*(?:\.\s?){3,}|\s*[…·_]{2,}\s*|\t+|\s{3,})\s*\d{1,4}$")
_EMAIL_LINE = re.compile(
    r"(?:[^@\s:：]{1,20}\s?[:：]\s*)?[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
)
_URL = re.compile(r"https?://|@\S+\.\S")


@dataclass(frozen=True)
class Note:
    """A line of the report: what was recognised, or left as a paragraph and why. `line` counts from 1 in the input; `place`
    says where in words, when a line's number would tell an author nothing."""

    line: int
    text: str
    place: str = ""

    @property
    def where(self) -> str:
        """The place, for people."""
        return self.place or f"line {self.line}"


@dataclass(frozen=True)
class Line:
    """A line that holds something. `indent` counts columns; `after_blank` also holds after a form feed."""

    number: int
    text: str
    indent: int
    after_blank: bool
    raw: str = ""


def read_lines(text: str) -> list[Line]:
    """The lines that hold something, without line ends, byte order mark and spaces that mean nothing."""
    lines: list[Line] = []
    after_blank = True
    for number, raw in enumerate(_BREAKS.sub("\n", text.removeprefix("\ufeff")).split("\n"), start=1):
        after_blank = after_blank or raw.startswith("\f")
        body = _SPACES.sub(" ", raw).strip()
        if body:
            lines.append(
                Line(number, body, _indent(raw), after_blank, raw.strip() if len(raw) <= LONGEST_ENTRY else "")
            )
        after_blank = not body
    return lines


def _indent(raw: str) -> int:
    columns = 0
    for letter in raw.lstrip("\f"):
        if letter == "\t":
            columns += 4 - columns % 4
        elif letter in " \u00a0":
            columns += 1
        else:
            break
    return columns


def width(text: str) -> int:
    """Columns on a screen: a Chinese character takes two."""
    return (
        len(text)
        if text.isascii()
        else sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    )


def is_wide(letter: str) -> bool:
    """Whether a letter is written without spaces between words."""
    return unicodedata.east_asian_width(letter) in ("W", "F")


def key(line: Line) -> str:
    """What two spellings of one title share: letters and digits, without a number before or a page after. "" if too long."""
    if len(line.text) > LONGEST_ENTRY:
        return ""
    return title_key(_LEADERS.sub("", line.raw or line.text))


def title_key(text: str) -> str:
    """The key of a bare title."""
    plain = _KEY_NUMBER.sub(
        "", _KEY_MARKS.sub("", unicodedata.normalize("NFKC", text) if not _KEY_MARKS.search(text) else text)
    )
    return "".join(letter for letter in plain.casefold() if letter.isalnum())


def similar(one: str, other: str) -> bool:
    """Whether two keys are one title with a slip in it: a plural, a dropped article."""
    if one == other:
        return bool(one)
    if min(len(one), len(other)) < 8 or abs(len(one) - len(other)) > 0.12 * max(len(one), len(other)):
        return False
    common = sum((Counter(one) & Counter(other)).values())
    if 2 * common < 0.94 * (len(one) + len(other)):
        return False
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() >= 0.94


def is_email_line(text: str) -> bool:
    """An e-mail address alone, or with a short label before it."""
    return len(text) <= 200 and _EMAIL_LINE.fullmatch(text) is not None


def is_title_like(text: str) -> bool:
    """Short, opens like a title and does not end like a sentence."""
    if len(text) > LONGEST_HEADING or width(text) > 110 or text[-1] in SENTENCE_ENDS or _URL.search(text):
        return False
    first = text.lstrip("“\"'‘《「（([")[:1]
    return bool(first) and (first.isupper() or first.isdigit() or is_wide(first)) and any(map(str.isalpha, text))


def is_prose(text: str) -> bool:
    """Long, or ends like a sentence."""
    return (
        len(text) > 200
        or width(text) > 72
        or text.rstrip("”\"')）」0123456789[]⁰¹²³⁴⁵⁶⁷⁸⁹ ")[-1:] in tuple(".!?;。！？；：:")
    )


def wrap_column(lines: Sequence[Line]) -> int | None:
    """The column at which an editor wrapped this text, or None where a line is a paragraph."""
    widths = [line.indent + width(line.text) if len(line.text) <= 200 else 999 for line in lines]
    fitting = [size for size in widths if size <= 100]
    inner = [size for size, after in zip(widths, lines[1:], strict=False) if not after.after_blank and size <= 100]
    if len(fitting) < 0.9 * len(widths) or not inner:
        return None
    column = max(fitting)
    full = sum(1 for size in inner if size > column - 18)
    return column if column >= 50 and full >= 2 and full >= 0.35 * len(inner) else None
