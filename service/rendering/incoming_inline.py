"""Pieces of text as Markdown that reads as exactly these: bold and italic nested rightly, and every sign escaped that would
mean something.

Where Markdown cannot tell that a star opens or closes (beside punctuation, or in Chinese), the tag of HTML stands instead.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace

from service.rendering.incoming_document import Piece
from service.rendering.incoming_tags import is_tag

_SIGN = re.compile(r"[\\`*\[\]<>|]|~(?=~)|(?<=~)~|(?<![^\W_])_|_(?![^\W_])|&(?=#?[A-Za-z0-9]+;)")
_BEFORE_TAG = re.compile(r"\\\\(?=[\U000f0000-\U000fffff])")
_LINE_START = re.compile(
    r"(?P<number>\d{1,9})(?=[.)](?:\s|$))|(?=[+-](?:\s|$)|-[-:]|:-|=+\s*$|~~~|:::|#{1,6}(?:\s|$)|>)"
)
_AUTOLINK = re.compile(r"(?:https?://|mailto:)[A-Za-z0-9._~:/?#@!$&'()+,;=\U000f0000-\U000fffff-]+")
_MAIL = re.compile(
    r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)
_STARS = {"strong": "**", "em": "*"}
_MOST_FAILING = 60  # in one paragraph; after that none has stars
_ORDER = ("strong", "em", "link", "del", "sup", "sub", "code")


@dataclass
class _Token:
    """A piece of output: text as it will stand, or one end of a pair."""

    text: str
    pair: int | None = None
    opens: bool = False
    starred: bool = False
    begins_line: bool = False


class _Writer:
    def __init__(self, line_end: str, at_start: bool, in_cell: bool) -> None:
        self.tokens: list[_Token] = []
        self._pairs = 0
        self._line_end = line_end
        self._at_start = at_start
        self._in_cell = in_cell

    def add(self, pieces: Sequence[Piece], open_looks: frozenset[str]) -> None:
        at = 0
        while at < len(pieces):
            found = _longest(pieces, at, open_looks)
            if found is None:
                self._leaf(pieces[at], open_looks)
                at += 1
                continue
            name, end = found
            if name == "code":
                self.tokens.append(_Token(_code("".join(piece.text for piece in pieces[at:end]), self._in_cell)))
            elif name == "link":
                self._link(pieces[at:end], open_looks)
            else:
                self._pair(name, pieces[at:end], open_looks)
            at = end

    def _pair(self, name: str, pieces: Sequence[Piece], open_looks: frozenset[str]) -> None:
        self._pairs += 1
        pair, starred = self._pairs, name in _STARS
        self.tokens.append(_Token(name, pair, True, starred))
        self.add(pieces, open_looks | {name})
        self.tokens.append(_Token(name, pair, False, starred))

    def _link(self, pieces: Sequence[Piece], open_looks: frozenset[str]) -> None:
        href = pieces[0].link or ""
        words = pieces[0].text if len(pieces) == 1 and pieces[0].kind == "text" else ""
        bare = words == href and _AUTOLINK.fullmatch(words)
        if words and (bare or (href == f"mailto:{words}" and _MAIL.fullmatch(words))):
            self.tokens.append(_Token(f"<{words}>"))
        else:
            self.tokens.append(_Token("["))
            self.add(pieces, open_looks | {"link"})
            self.tokens.append(_Token(f"]({_destination(href)})"))

    def _leaf(self, piece: Piece, open_looks: frozenset[str]) -> None:
        if piece.kind == "break":
            self.tokens.append(_Token(self._line_end, begins_line=self._line_end.endswith("\n")))
        elif piece.kind == "note":
            self.tokens.append(_Token(f"[^{piece.text}]"))
        elif piece.kind == "picture":
            title = f' "{_title(piece.title)}"' if piece.title else ""
            self.tokens.append(_Token(f"![{escaped(piece.alt)}]({_destination(piece.text)}{title})"))
        else:
            self.tokens.append(_Token(self._text(piece.text)))

    def _text(self, text: str) -> str:
        before = self.tokens[-1] if self.tokens else None
        written = escaped(text)
        if before.begins_line if before else self._at_start:
            return at_line_start(text, written)
        if before and before.pair is None and before.text.startswith("[^") and written[:1] in ("(", ":"):
            return f"\\{written}"
        return written


def write(pieces: Sequence[Piece], *, line_end: str = "\\\n", at_start: bool = True, in_cell: bool = False) -> str:
    """Markdown for one paragraph, heading or cell. `at_start`: it begins a line, where more signs mean something."""
    writer = _Writer(line_end, at_start, in_cell)
    writer.add(pieces, frozenset())
    tokens = writer.tokens
    _guard_marks(tokens)
    for tried in range(_MOST_FAILING + 1):
        failing = _failing(tokens)
        if failing is None:
            break
        for token in tokens:
            token.starred = token.starred and token.pair != failing and tried < _MOST_FAILING
    return "".join(map(_written, tokens))


def escaped(text: str) -> str:
    """Text whose signs mean nothing. Braces stay: a tag is the author's, and a wrong one is told with its line."""
    return _BEFORE_TAG.sub("&#92;", _SIGN.sub(lambda sign: "\\" + sign.group(), text))


def at_line_start(text: str, written: str) -> str:
    """The same where it begins a line."""
    opening = _LINE_START.match(text)
    if not opening or written.startswith("\\"):
        return written
    number = opening.group("number") or ""
    return f"{number}\\{written[len(number) :]}"


def _longest(pieces: Sequence[Piece], at: int, open_looks: frozenset[str]) -> tuple[str, int] | None:
    """The look that begins here and reaches furthest, and where it ends. No look cuts a link in two."""
    best: tuple[str, int] | None = None
    for name in _ORDER:
        if name in open_looks or not _has(pieces[at], name):
            continue
        end = at + 1
        while end < len(pieces) and _has(pieces[end], name) and (name != "link" or pieces[end].link == pieces[at].link):
            end += 1
        if name != "link" and "link" not in open_looks:
            end = _before_cut_link(pieces, at, end)
        if end > at and (best is None or end > best[1]):
            best = (name, end)
    return best


def _has(piece: Piece, name: str) -> bool:
    if piece.kind == "break":
        return False
    return piece.link is not None if name == "link" else name in piece.looks and piece.kind != "picture"


def _before_cut_link(pieces: Sequence[Piece], at: int, end: int) -> int:
    if end == len(pieces) or pieces[end].link is None or pieces[end].link != pieces[end - 1].link:
        return end
    while end > at and pieces[end - 1].link == pieces[end].link:
        end -= 1
    return end


def _guard_marks(tokens: Sequence[_Token]) -> None:
    """`!` and `^` before a bracket would make a picture or a note of it."""
    for before, after in pairwise(tokens):
        if before.pair is None and after.text.startswith("[") and after.pair is None:
            sign = before.text[-1:]
            if sign in ("!", "^") and not before.text.startswith(("<", "`")):
                before.text = f"{before.text[:-1]}\\{sign}"


def _failing(tokens: Sequence[_Token]) -> int | None:
    """A pair whose star would not open or close where it stands."""
    at = 0
    open_runs: list[int] = []
    while at < len(tokens):
        end = at
        while end < len(tokens) and tokens[end].pair is not None and tokens[end].starred:
            end += 1
        if end == at:
            at += 1
            continue
        run = tokens[at:end]
        before = _written(tokens[at - 1])[-1:] if at else ""
        after = _written(tokens[end])[:1] if end < len(tokens) else ""
        if any(token.opens != run[0].opens for token in run):
            return next(token.pair for token in run if token.opens)
        if not run[0].opens:
            if not _flanks(before, after):
                return run[0].pair
            del open_runs[-len(run) :]
        else:
            length = sum(len(_STARS[token.text]) for token in run)
            if not _flanks(after, before) or (_flanks(before, after) and _would_close(open_runs, length)):
                return run[0].pair
            open_runs += [length] * len(run)
        at = end
    return None


def _would_close(open_runs: Sequence[int], length: int) -> bool:
    """Whether stars that are to open could be read as closing those before: not where CommonMark's rule of three forbids it."""
    return any((before + length) % 3 != 0 or before == length == 3 for before in open_runs)


def _flanks(inside: str, outside: str) -> bool:
    """CommonMark's rule: no space inside, and with punctuation inside a space or punctuation outside."""
    if not inside or isWhiteSpace(ord(inside)):
        return False
    if outside in ("*",):
        return False
    return not _is_punctuation(inside) or not outside or isWhiteSpace(ord(outside)) or _is_punctuation(outside)


def _is_punctuation(letter: str) -> bool:
    return not is_tag(letter) and (isMdAsciiPunct(ord(letter)) or isPunctChar(letter))


def _written(token: _Token) -> str:
    if token.pair is None:
        return token.text
    if token.starred:
        return _STARS[token.text]
    return f"<{'' if token.opens else '/'}{token.text}>"


def _code(text: str, in_cell: bool) -> str:
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{pad}{text.replace('|', chr(92) + '|') if in_cell else text}{pad}{fence}"


def _destination(href: str) -> str:
    written = re.sub(r"[()\\]|&(?=#?[A-Za-z0-9]+;)", lambda sign: "\\" + sign.group(), href)
    return written.replace(" ", "%20").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")


def _title(text: str) -> str:
    return re.sub(r"[\"\\|]|&(?=#?[A-Za-z0-9]+;)", lambda sign: "\\" + sign.group(), " ".join(text.split()))
