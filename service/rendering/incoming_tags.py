"""Merge tags and conditions on their way through somebody's file: taken out whole before anything is escaped, put back whole.

Each is one character of a private plane meanwhile, which no sign of Markdown and no edge of bold letters can cut.
"""

import re
from urllib.parse import unquote

ATOM = "\x00"
FIRST = 0xF0000
_LIMIT = 0xFFF0
TAG = re.compile(
    r"\{\{(?:\"[^\"\x00]{0,400}\"|“[^”\"\x00]{0,400}”|“(?![^”\"\x00]{0,400}”)|[^{}\x00\"“]){0,400}\}\}|\{%[^{}\x00]{0,400}%\}",
)
_SPACES = re.compile(r"[\s\u00a0\u202f]+")
_INVISIBLE = re.compile(r"[\u00ad\u200b\u2060\ufeff]")
_DOUBLE = re.compile(r"[“”„‟]")
_SINGLE = re.compile(r"(?<=[\s:=(,])[‘’‚‛']((?:[^‘’‚‛'{}]|’(?=\w))*)[‘’‛'](?=\s|[|}%,)]|$)")
_ENCODED = re.compile(r"(?:%7B|\{)(?:%7B|\{|%25|%).{0,600}?(?:%7D|\}|%25|%)(?:%7D|\})", re.IGNORECASE)


class Tags:
    """The tags of one document."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def hide(self, text: str) -> str:
        """The text with one private character for each tag. `ATOM` in it is no part of any tag."""
        if "{{" not in text and "{%" not in text:
            return text
        return TAG.sub(lambda found: self._hidden(found.group()), text)

    def hide_in_address(self, address: str) -> str:
        """The same for a link, in which programs write braces as %7B."""
        decoded = _ENCODED.sub(lambda found: _decoded_tag(found.group()), address)
        return self.hide(decoded)

    def show(self, text: str) -> str:
        """The text with its tags again."""
        letters = {ord(letter): tag for tag, letter in self._known.items()}
        return text.translate(letters) if letters else text

    def _hidden(self, tag: str) -> str:
        straight = straightened(tag)
        if straight not in self._known and len(self._known) >= _LIMIT:
            return tag
        return self._known.setdefault(straight, chr(FIRST + len(self._known)))


def straightened(tag: str) -> str:
    """A tag as it was meant before a word processor made its quotation marks curly and its spaces unbreakable."""
    plain = _SPACES.sub(" ", _INVISIBLE.sub("", tag))
    doubled = _DOUBLE.sub('"', plain)
    plain = doubled if doubled.count('"') % 2 == 0 else plain
    return _SINGLE.sub(r"'\1'", plain)


def _decoded_tag(text: str) -> str:
    plain = unquote(text)
    return plain if TAG.fullmatch(plain) else text


def is_tag(letter: str) -> bool:
    """Whether a character stands for a tag."""
    return FIRST <= ord(letter) < FIRST + _LIMIT
