"""Reads an author's file: its limits, the characters that cannot be sent, and the front matter."""

import difflib
import html
import re
from dataclasses import dataclass
from urllib.parse import unquote

from service.rendering.problems import Findings, RenderError

# Four times what a mail can hold. Markdown's parser is quadratic on some texts, so that no more may reach it.
MAX_BYTES = 400_000
MAX_OPEN_BRACKETS = 100
KEYS = ("subject", "preheader", "notes")

_UNSENDABLE = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_DAMAGED = re.compile(r"[\x00\ud800-\udfff]")
_SPELLED_LIKE_A_PLACEHOLDER = re.compile(r"bsmt[0-9]+[ex]")
_KEY_LINE = re.compile(r"([A-Za-z][\w-]*)\s*:\s*(.*)")
_MARKUP = re.compile(r"<[^<>]*>")
_NO_LETTER = re.compile(r"[^a-z0-9\s]")


@dataclass(frozen=True)
class Entry:
    """A line of the front matter."""

    value: str
    line: int


@dataclass(frozen=True)
class Source:
    """The front matter's entries and the Markdown after it, which begins in `first_line`."""

    entries: dict[str, Entry]
    body: str
    first_line: int


def read(markdown: str, findings: Findings) -> Source:
    """The parts of an author's file. Raises at once where reading on makes no sense; other problems go to `findings`."""
    size = len(markdown) if len(markdown) > MAX_BYTES else len(markdown.encode(errors="replace"))
    if size > MAX_BYTES:
        told = f"{size / 1_000_000:.0f} MB" if size >= 1_000_000 else f"{size / 1000:.0f} KB"
        raise RenderError([f"{told} of text; a mail holds about 100 KB, so shorten it or choose the right file"])
    text = markdown.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if damaged := _DAMAGED.search(text):
        name = "a NUL byte" if damaged.group() == "\x00" else "half of a character (a lone surrogate)"
        at = _line(text, damaged.start())
        raise RenderError([f"line {at}: {name}; this is no text file, or it was damaged: save it again as UTF-8"])
    if control := _UNSENDABLE.search(text):
        findings.warning("an invisible control character was replaced by a space", line=_line(text, control.start()))
        text = _UNSENDABLE.sub(" ", text)
    for number, line in enumerate(text.split("\n"), start=1):
        if resembles_placeholder(line):
            findings.problem(
                "“bsmt…” with a number is how we mark places in the mail; write it another way", line=number
            )
    _check_brackets(text)
    return _split(text, findings)


def _check_brackets(text: str) -> None:
    """Links and notes are never nested this deep, and looking for their ends would take minutes."""
    if text.count("<?") > MAX_OPEN_BRACKETS:
        raise RenderError(
            [f"more than {MAX_OPEN_BRACKETS} times <? in the text; a mail cannot hold program code, take it out"]
        )
    depth = 0
    for number, line in enumerate(text.split("\n"), start=1):
        depth = max(0, depth + line.count("[") - line.count("]")) if line.strip() else 0
        if depth > MAX_OPEN_BRACKETS:
            raise RenderError([f"line {number}: more than {MAX_OPEN_BRACKETS} brackets [ are open; close them with ]"])


def resembles_placeholder(line: str) -> bool:
    """Whether a line could come out spelled like one of our placeholders, however it is written: entities, markup, %xx."""
    lower = line.lower()
    if "bsmt" not in lower and not any(sign in lower for sign in "&%<*_`\\"):
        return False
    plain = unquote(html.unescape(lower))
    return any(_SPELLED_LIKE_A_PLACEHOLDER.search(_NO_LETTER.sub("", text)) for text in (plain, _MARKUP.sub("", plain)))


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _split(text: str, findings: Findings) -> Source:
    lines = text.split("\n")
    if not _begins_with_front_matter(lines):
        return Source({}, text, 1)
    end = next((number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == "---"), None)
    if end is None:
        raise RenderError(["line 1: the front matter is not closed; end it with a line of three hyphens (---)"])
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines[1:end], start=2):
        _read_entry(line.strip(), number, entries, findings)
    return Source(entries, "\n".join(lines[end + 1 :]), end + 2)


def _begins_with_front_matter(lines: list[str]) -> bool:
    """Three hyphens may also be a rule: front matter is what has a key in its next line, or nothing before its end."""
    if lines[0].rstrip() != "---":
        return False
    first = next((line for line in lines[1:] if line.strip()), "")
    return bool(_KEY_LINE.match(first) or first.startswith("#") or first.rstrip() == "---")


def _read_entry(line: str, number: int, entries: dict[str, Entry], findings: Findings) -> None:
    if not line or line.startswith("#"):
        return
    found = _KEY_LINE.fullmatch(line)
    if not found:
        findings.problem(
            f"cannot read “{line[:60]}” in the front matter; write subject: … or preheader: …", line=number
        )
        return
    key, value = found.group(1).lower(), found.group(2).strip()
    if key not in KEYS:
        near = difflib.get_close_matches(key, KEYS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        findings.problem(
            f"the front matter knows no “{found.group(1)}”{hint}; it may hold {', '.join(KEYS)}", line=number
        )
    elif key in entries:
        findings.problem(f"a second {key}; keep one", line=number)
    else:
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        entries[key] = Entry(value, number)
