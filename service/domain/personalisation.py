"""The tags an author may write, such as `{{ first_name | default: "reader" }}`, and the value each becomes for a reader.

A fixed allow-list of fields and filters, read by a small parser of our own. It refuses everything else: no expression
is evaluated, no template engine ever sees an author's text.
"""

import difflib
import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal
from urllib.parse import quote

Context = Literal["html", "url", "text"]

READER_FIELDS = ("first_name", "last_name", "language")
LEAVE_URL = "leave_url"
SYSTEM_FIELDS = (LEAVE_URL,)
TODAY = "today"
"""A field of ours: the day of the freeze, where the reader lives."""
DATE_FORMS = ("long", "short", "month")
DATE_BYTES = 120
"""More than a written date has in any language."""
PLACEHOLDER = re.compile(r"bsmt[0-9]+e", re.IGNORECASE)
MAX_ERRORS = 50

_BIDI_AND_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
BLANK = "".join(
    letter
    for letter in map(chr, range(1, 0x10000))
    if letter.isspace() or letter in _BIDI_AND_MARKS or unicodedata.category(letter) in ("Cc", "Zl", "Zp")
)
"""Letters of which nothing is left in a mail. A value of them alone is none, also to the freeze, which takes them off in SQL."""
QUOTED = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|“[^”\n]*”'
_TAG = re.compile(r"\{\{((?:[^{}\"'“\n]|" + QUOTED + r")*)\}\}")
_BRACES = re.compile(r"\\(\{\{|\}\})|\{\{|\}\}")
_LEAP = "[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00"
ISO_DATE = (
    "^(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:{_LEAP})-02-29)$"
)
"""A day that there is. The freeze asks the same in SQL, where a wrong date would end the statement."""
_STEP = re.compile(r"\s*\|\s*([^\s|:]*)\s*(?::\s*(" + QUOTED + r"|[^|]*))?\s*")


def _capitalise(text: str) -> str:
    """The first letter only: "mcDonald" must not become "Mcdonald"."""
    return text[:1].upper() + text[1:]


_FILTERS: dict[str, Callable[[str], str]] = {"upcase": str.upper, "downcase": str.lower, "capitalize": _capitalise}
_DATE = "date:"

DateWriter = Callable[[date, str], str]
"""A day and one of DATE_FORMS → how a language writes it."""


def iso(day: date, form: str) -> str:
    """The day as every language can read it, for where there is none."""
    return day.isoformat()


class TagError(ValueError):
    """A tag that cannot be understood. `advice` says what to do; `line` is where."""

    def __init__(self, line: int, advice: str) -> None:
        super().__init__(f"line {line}: {advice}")
        self.line = line
        self.advice = advice


@dataclass(frozen=True)
class Expression:
    """What an author wrote between the braces. `default` already has the filters that follow it applied."""

    field: str
    filters: tuple[str, ...] = ()
    default: str | None = None


@dataclass(frozen=True)
class Tag:
    """One distinct expression in one context. `placeholder` stands in the frozen content where the value will go."""

    placeholder: str
    field: str
    filters: tuple[str, ...]
    default: str | None
    context: Context

    @property
    def is_date(self) -> bool:
        """Whether the value must be a day, written 2026-11-24, and is shown as the language writes it."""
        return any(name.startswith(_DATE) for name in self.filters)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `from_json` turns back into an equal tag."""
        return {
            "placeholder": self.placeholder,
            "field": self.field,
            "filters": list(self.filters),
            "default": self.default,
            "context": self.context,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Tag":
        """The tag that `to_json` wrote."""
        return cls(**{**stored, "filters": tuple(stored["filters"])})


def placeholder(index: int) -> str:
    """Letters around a number: it survives HTML, links and the inliner, and none is the beginning of another."""
    return f"bsmt{index}e"


def resolve(tag: Tag, raw: str | None, write: DateWriter = iso) -> str | None:
    """The value to insert for a reader, escaped for the tag's context; None when there is neither value nor default.
    `write` is how the variant's language writes days.

    It never holds a line break, a control character, or anything spelled like a placeholder.
    """
    value = _clean(raw or "")
    if tag.field in SYSTEM_FIELDS:
        return (value if tag.context == "text" else html.escape(value)) or None
    for name in tag.filters:
        value = _date(value, name.removeprefix(_DATE), write) if name.startswith(_DATE) else _FILTERS[name](value)
    value = _without_placeholders(value) or _without_placeholders(_clean(tag.default or ""))
    if not value:
        return None
    if tag.context == "url":
        return quote(value, safe="")
    return html.escape(value) if tag.context == "html" else value


def on_day(tag: Tag, day: date, write: DateWriter) -> Tag:
    """The tag as who reads without being a reader sees it: `today` is the day of the issue."""
    if tag.field != TODAY:
        return tag
    return replace(tag, filters=(), default=resolve(replace(tag, context="text"), day.isoformat(), write))


def _date(value: str, form: str, write: DateWriter) -> str:
    """A value that is no day is none at all."""
    return write(date.fromisoformat(value), form) if re.fullmatch(ISO_DATE, value) else ""


def _clean(value: str) -> str:
    """One line of visible text. Direction overrides go too: a name must not turn the rest of a subject around."""
    if value.isascii() and value.isprintable():
        return " ".join(value.split())
    kept = (
        " " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter
        for letter in value
        if letter not in _BIDI_AND_MARKS and unicodedata.category(letter) != "Cs"
    )
    return " ".join("".join(kept).split())


def _without_placeholders(value: str) -> str:
    while PLACEHOLDER.search(value):  # taking one out may close up the letters of another
        value = PLACEHOLDER.sub("", value)
    return value.strip()


def split(text: str, fields: Iterable[str], *, first_line: int = 1) -> tuple[list[str | Expression], list[TagError]]:
    """An author's text cut at its tags, and every error found (at most 50). `\\{{` and `\\}}` are literal braces."""
    allowed = (*READER_FIELDS, *fields, TODAY)
    pieces: list[str | Expression] = []
    errors: list[TagError] = []
    position, line, counted = 0, first_line, 0
    while (found := _BRACES.search(text, position)) and len(errors) < MAX_ERRORS:
        pieces.append(text[position : found.start()])
        line += text.count("\n", counted, found.start())
        counted = found.start()
        position = found.end()
        if found.group(1):
            pieces.append(found.group(1))
            continue
        try:
            whole = _whole_tag(text, found, line)
            position = whole.end()
            pieces.append(_parse(whole.group(1), allowed, line))
        except TagError as error:
            errors.append(error)
    pieces.append(text[position:])
    return pieces, errors


def _whole_tag(text: str, found: re.Match[str], line: int) -> re.Match[str]:
    if found.group() == "}}":
        raise TagError(line, "}} closes a tag that was never opened; write \\}} if you mean the two braces themselves")
    if whole := _TAG.match(text, found.start()):
        return whole
    rest = text[found.end() : found.end() + 400].split("\n", 1)[0]
    opened, closed = rest.find("{{"), rest.find("}}")
    if closed >= 0 and 0 <= opened < closed:
        raise TagError(line, "a tag inside a tag; close the first one with }} before you open another")
    if closed < 0:
        raise TagError(
            line, "{{ opens a tag that is not closed on the same line; add }}, or write \\{{ for the braces themselves"
        )
    raise TagError(line, f"cannot read the tag {{{{{rest[:closed]}}}}}; check its quotation marks")


def _parse(inner: str, allowed: tuple[str, ...], line: int) -> Expression:
    before = inner.split("|", 1)[0]
    name, position = before.strip(), len(before)
    _check_field(name, allowed, line)
    filters: list[str] = []
    default: str | None = None
    while position < len(inner):
        step = _STEP.match(inner, position)
        if not step:
            raise TagError(line, f"cannot read “{inner[position:].strip()}” after {name}; separate filters with |")
        position = step.end()
        if step.group(1) == "default":
            if default is not None:
                raise TagError(line, f"{{{{ {name} }}}} has two defaults; keep one")
            default = _default(step.group(2), line)
        elif step.group(1) == "date":
            if filters or default is not None:
                raise TagError(line, f"date must be the first filter; write {{{{ {name} | date: … | … }}}}")
            filters.append(_DATE + _date_form(name, step.group(2), line))
        else:
            _check_filter(step.group(1), step.group(2), line)
            filters.append(step.group(1))
            default = default if default is None else _FILTERS[step.group(1)](default)
    if name == TODAY and not any(one.startswith(_DATE) for one in filters):
        filters.insert(0, f"{_DATE}long")
    return Expression(name, tuple(filters), default)


def _date_form(name: str, argument: str | None, line: int) -> str:
    if name in READER_FIELDS:
        raise TagError(line, f"{name} is no date; take the filter date out")
    form = unquoted(argument or "")
    if form not in DATE_FORMS:
        raise TagError(line, f'date needs one of {", ".join(DATE_FORMS)} in quotation marks, such as date: "long"')
    return form


def _check_field(name: str, allowed: tuple[str, ...], line: int) -> None:
    if name in SYSTEM_FIELDS:
        raise TagError(line, f"{name} is in the footer of every mail already; take this tag out")
    if not name:
        raise TagError(line, f"an empty tag; name a field: {', '.join(allowed)}")
    if name not in allowed:
        raise TagError(
            line, f"there is no field “{name}”{did_you_mean(name, allowed)}; the fields are {', '.join(allowed)}"
        )


def _check_filter(name: str, argument: str | None, line: int) -> None:
    known = ("default", "date", *_FILTERS)
    if name not in _FILTERS:
        raise TagError(
            line, f"there is no filter “{name}”{did_you_mean(name, known)}; the filters are {', '.join(known)}"
        )
    if argument is not None:
        raise TagError(line, f"the filter {name} takes nothing after it; take the colon out")


def _default(argument: str | None, line: int) -> str:
    text = unquoted(argument or "")
    if text is None:
        raise TagError(line, 'default needs a text in quotation marks, such as default: "reader"')
    value = _clean(text)
    if not value:
        raise TagError(line, "default is empty; write what a reader without a value should see")
    return value


def unquoted(written: str) -> str | None:
    """What stands between quotation marks; None where there are none."""
    text = written.strip()
    if len(text) < 2 or text[0] + text[-1] not in ('""', "''", "“”"):
        return None
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """The known name that was probably meant, as the end of a sentence; nothing where none is near."""
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
