"""What was changed or left out on the way from somebody's file to Markdown, each with its place."""

from itertools import islice

from lxml.html import HtmlElement

from service.rendering.drafts_lines import Note
from service.rendering.incoming_tree import first_words

_LONGEST_QUOTE = 48
_LOOKED_BACK = 20
_PLACES = frozenset(["p", "li", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "div", "figure", "blockquote", "table"])


def quoted(text: str) -> str:
    """The first words of a text, in quotation marks; "" for none."""
    words = " ".join(without_private(text).split())
    short = words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE].rstrip()}…"
    return f"“{short}”" if short else ""


def without_private(text: str) -> str:
    """A text without characters of the private planes, which are ours to mark places with."""
    return text if text.isascii() else "".join(letter for letter in text if ord(letter) < 0xF0000)


class Report:
    """Gathers notes. `numbered`: the input has lines that an author can look up; a Word file has only words."""

    def __init__(self, *, numbered: bool) -> None:
        self._numbered = numbered
        self._notes: list[Note] = []
        self._once: dict[str, tuple[int, int, str]] = {}

    def at(self, element: HtmlElement | None, text: str) -> None:
        """Something that happened at this element."""
        line = 1 if element is None else int(element.sourceline or 1)
        near = "" if element is None else _near(element)
        parts = [f"line {line}"] if self._numbered and element is not None else []
        parts += [f"near {near}"] if near else []
        self._notes.append(Note(line, text, ", ".join(parts) or "in the file"))

    def counted(self, kind: str, element: HtmlElement, text: str) -> None:
        """Something that happens often: told once, at its first place, with how often."""
        at, count, told = self._once.get(kind, (len(self._notes), 0, text))
        if count == 0:
            self.at(element, text)
        self._once[kind] = (at, count + 1, told)

    def notes(self) -> tuple[Note, ...]:
        """All notes, in the order of the input."""
        notes = list(self._notes)
        for at, count, _text in self._once.values():
            if count > 1:
                notes[at] = Note(notes[at].line, f"{notes[at].text} ({count:,} times)", notes[at].place)
        return tuple(sorted(notes, key=lambda note: note.line))


def _near(element: HtmlElement) -> str:
    """The first words of the paragraph that holds the element, or of what stands before it."""
    at: HtmlElement | None = element
    while at is not None and at.tag != "body":
        if (at is element or at.tag in _PLACES) and (near := quoted(first_words(at, _LONGEST_QUOTE))):
            return near
        before = islice(at.itersiblings(preceding=True), _LOOKED_BACK) if at is element or at.tag in _PLACES else ()
        for one in before:
            if isinstance(one.tag, str) and (near := quoted(first_words(one, _LONGEST_QUOTE))):
                return near
        at = at.getparent()
    return ""
