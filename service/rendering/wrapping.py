"""Lines of plain text that fit a width, where a Chinese character takes two columns and may end a line."""

import re
import unicodedata
from itertools import groupby

WIDTH = 76
SHORT_RUN = 10

_SPACE = re.compile(r"[ \t\n\r\f]+")  # not the no-break space
_NOT_AT_START = frozenset("，。、；：？！）】》」』〕〉”’…—·％,.;:?!)]}")
_NOT_AT_END = frozenset("（【《「『〔〈“‘([{")


def columns(text: str) -> int:
    """How many columns a text takes in a fixed-width font."""
    return sum(_columns(letter) for letter in text)


def wrap(text: str, *, first: str = "", rest: str = "", width: int = WIDTH) -> list[str]:
    """Lines of at most `width` columns, begun with `first` and then `rest`. A word that is wider, such as an address, stays whole."""
    lines: list[str] = []
    line, used = first, columns(first)
    empty = True
    for glue, unit in _units(text):
        needed = columns(unit) + (0 if empty else len(glue))
        if not empty and used + needed > width:
            lines.append(line)
            line, used, empty = rest, columns(rest), True
            needed = columns(unit)
        line += unit if empty else glue + unit
        used += needed
        empty = False
    return [*lines, line]


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _units(text: str) -> list[tuple[str, str]]:
    """The pieces between which a line may end, each with what joins it to the one before."""
    units = []
    for word in _SPACE.split(text):
        for at, piece in enumerate(_pieces(word)):
            units.append((" " if at == 0 else "", piece))
    return units


def _pieces(word: str) -> list[str]:
    """A word cut where a line may end inside it: between Chinese characters, but never within a short run, such as a name."""
    runs = [(wide, "".join(run)) for wide, run in groupby(word, key=_is_wide)]
    pieces: list[str] = []
    for wide, run in runs:
        for letter in run if wide and len(run) > SHORT_RUN else [run]:
            if pieces and (letter[0] in _NOT_AT_START or pieces[-1][-1] in _NOT_AT_END):
                pieces[-1] += letter
            else:
                pieces.append(letter)
    return pieces


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF" and unicodedata.combining(letter) == 0
