"""The pieces of a paragraph put in order: tags found whole, spaces made one, looks and links let go of the spaces around them."""

import re
from collections.abc import Sequence
from dataclasses import replace

from service.rendering import links
from service.rendering.drafts_lines import is_wide
from service.rendering.incoming_document import PLAIN, Piece
from service.rendering.incoming_links import normal
from service.rendering.incoming_tags import ATOM, TAG, Tags

_SPACES = re.compile(r"(\s+)")
_LINES = re.compile(r"[\u2028\u2029]")
_KEPT_ALONE = "\u00a0\u202f\u2007\u3000\u2002\u2003\u2009"
_BARE = re.compile(r"https?://[!#-;=?-_a-~\U000f0000-\U000fffff]+")
_SHORTEST = len("https://a.b")


def paragraphs(pieces: Sequence[Piece], tags: Tags) -> list[list[Piece]]:
    """The same words, cut where somebody left a line empty; no empty paragraph."""
    out: list[list[Piece]] = [[]]
    breaks = 0
    for piece in _spaced(_tagged(pieces, tags)):
        if piece.kind == "break":
            breaks += 1
            continue
        if breaks > 1 and out[-1]:
            out.append([])
        elif breaks == 1 and out[-1]:
            out[-1].append(Piece("break"))
        breaks = 0
        out[-1].append(piece)
    return [merged(_linked(found, tags)) for found in out if found]


def single(pieces: Sequence[Piece]) -> list[Piece]:
    """All on one line."""
    return merged([Piece("text", " ") if piece.kind == "break" else piece for piece in pieces])


def merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbours that look alike as one."""
    out: list[Piece] = []
    texts: list[str] = []

    def close() -> None:
        if len(texts) > 1:
            out[-1] = out[-1].says("".join(texts))
        texts.clear()

    for piece in pieces:
        before = out[-1] if out and texts else None
        if before is not None and piece.kind == "text" and (before.looks, before.link) == (piece.looks, piece.link):
            texts.append(piece.text)
        elif piece.kind != "text" or piece.text:
            close()
            out.append(piece)
            if piece.kind == "text":
                texts.append(piece.text)
    close()
    return out


def _tagged(pieces: Sequence[Piece], tags: Tags) -> list[Piece]:
    """Each tag as one private character, though a program cut it into runs of its own."""
    whole = "".join(piece.text if piece.kind == "text" else ATOM for piece in pieces)
    if "{{" not in whole and "{%" not in whole:
        return list(pieces)
    spans = [(found.start(), found.end(), tags.hide(found.group())) for found in TAG.finditer(whole)]
    out: list[Piece] = []
    position, at = 0, 0
    for piece in pieces:
        length = len(piece.text) if piece.kind == "text" else 1
        end, kept = position + length, []
        while piece.kind == "text" and at < len(spans) and spans[at][0] < end:
            start, stop, letter = spans[at]
            kept.append(whole[position:start] + letter if start >= position else "")
            position = min(stop, end)
            if stop > end:
                break
            at += 1
        if piece.kind == "text":
            out.append(piece.says("".join(kept) + whole[position:end]))
        else:
            out.append(piece)
        position = end
    return out


def _spaced(pieces: Sequence[Piece]) -> list[Piece]:
    """Spaces as a browser shows them, each a piece that looks like both its neighbours or like nothing."""
    out: list[Piece] = []
    space = ""
    for piece in _cut(pieces):
        if piece.kind == "break":
            space = ""
            out.append(piece)
            continue
        for token in _SPACES.split(piece.text) if piece.kind == "text" else ("",):
            if piece.kind == "text" and not token:
                continue
            if token and token[0].isspace():
                space += token
                continue
            word = piece.says(token) if piece.kind == "text" else piece
            before = out[-1] if out and out[-1].kind != "break" else None
            if space and before is not None:
                _add_space(out, space, before, word)
            space = ""
            out.append(word)
    return out


def _cut(pieces: Sequence[Piece]) -> list[Piece]:
    """Unicode's own line ends as line ends."""
    out: list[Piece] = []
    for piece in pieces:
        if piece.kind != "text" or not _LINES.search(piece.text):
            out.append(piece)
            continue
        for number, line in enumerate(_LINES.split(piece.text)):
            out += [Piece("break")] if number else []
            out.append(piece.says(line))
    return out


def _add_space(out: list[Piece], space: str, before: Piece, after: Piece) -> None:
    said = space if len(space) == 1 and space in _KEPT_ALONE else " "
    if "\n" in space and before.kind == after.kind == "text" and is_wide(before.text[-1]) and is_wide(after.text[0]):
        return
    looks = before.looks & after.looks if before.kind != "picture" != after.kind else PLAIN
    out.append(Piece("text", said, looks, before.link if before.link == after.link else None))


def _linked(pieces: Sequence[Piece], tags: Tags) -> list[Piece]:
    """Bare web addresses as links, for that is how they will be read."""
    out: list[Piece] = []
    for piece in merged(pieces):
        if piece.kind != "text" or piece.link is not None or "code" in piece.looks or "://" not in piece.text:
            out.append(piece)
            continue
        position = 0
        for found in _BARE.finditer(piece.text):
            url = links.without_end(found.group())
            if len(url) >= _SHORTEST:
                out.append(piece.says(piece.text[position : found.start()]))
                out.append(replace(piece, text=url, link=normal(url, tags)))
                position = found.start() + len(url)
        out.append(piece.says(piece.text[position:]))
    return out
