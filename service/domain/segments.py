"""Segments: what must be true of a reader to be meant, as a syntax tree. Reads it from what a form or a file says, and says it in
words. Pure; `operations.segment_sql` is the one place that makes SQL of it.

A segment is blocks of conditions: a reader is meant who meets at least one condition of every block. Each condition has its
opposite among the comparisons, so this can say everything that *and*, *or* and *not* can.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from service.errors import Invalid

MAX_BLOCKS, MAX_CONDITIONS = 10, 40
LONGEST = 200
MOST_DAYS = 3660
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:[.][0-9]{1,6})?")

_TEXT = {
    "is": "is",
    "is_not": "is not",
    "one_of": "is one of",
    "contains": "contains",
    "lacks": "does not contain",
    "begins": "begins with",
    "known": "is filled in",
    "unknown": "is empty",
}
_MEASURED = {
    "above": "is more than",
    "below": "is less than",
    "since": "is on or after the day",
    "before": "is before the day",
}
_SPAN = {"within": "within the last (days)", "longer": "longer ago than (days)"}
_DAY = {"since": "on or after the day", "before": "before the day"}


@dataclass(frozen=True)
class Kind:
    """What a condition can ask about. `hows`: comparison → how it is shown. `given`: what the value is: text, domain, method,
    answer, or the id of a tag, newsletter, issue or import."""

    label: str
    group: str
    hows: Mapping[str, str]
    given: str = "text"


KINDS: Mapping[str, Kind] = {
    "first_name": Kind("First name", "Profile", _TEXT),
    "last_name": Kind("Last name", "Profile", _TEXT),
    "language": Kind("Language", "Profile", _TEXT),
    "attribute": Kind("Another detail", "Profile", {**_TEXT, **_MEASURED}),
    "domain": Kind(
        "Domain of the address", "Profile", {"is": "is", "is_not": "is not", "one_of": "is one of"}, "domain"
    ),
    "tag": Kind("Tag", "Profile", {"is": "has", "is_not": "has not"}, "tag"),
    "joined": Kind("Joined the newsletter", "Subscription", {**_SPAN, **_DAY}),
    "newsletter": Kind(
        "Another newsletter", "Subscription", {"gets": "gets", "not": "does not get", "left": "has left"}, "newsletter"
    ),
    "import": Kind("Import", "Subscription", {"is": "came by", "is_not": "did not come by"}, "import"),
    "method": Kind("Consent was given", "Consent", {"is": "by", "is_not": "otherwise than by"}, "method"),
    "tracking": Kind("Counting opens and clicks", "Consent", {"is": "is", "is_not": "is not"}, "answer"),
    "issue": Kind(
        "An issue",
        "What they did",
        {
            "got": "was sent",
            "not_got": "was not sent",
            "opened": "opened",
            "not_opened": "did not open",
            "clicked": "followed a link of",
            "not_clicked": "followed no link of",
        },
        "issue",
    ),
    "active": Kind(
        "Opened or followed a link",
        "What they did",
        {"within": "within the last (days)", "not_within": "not within the last (days)"},
    ),
    "sent": Kind(
        "Was sent an issue",
        "What they did",
        {"within": "within the last (days)", "not_within": "not within the last (days)"},
    ),
}
"""What a condition asks about → how it is asked. Whoever may not be recorded opening is never taken to have opened nothing."""

METHODS: Mapping[str, str] = {
    "form": "the sign-up form",
    "embed": "a form on your site",
    "api": "your site's own script",
    "import": "an import",
    "preferences": "the reader's preferences",
}
ANSWERS: Mapping[str, str] = {"agreed": "agreed to", "objected": "objected to", "unasked": "never answered"}
NO_VALUE = ("known", "unknown")


@dataclass(frozen=True)
class Condition:
    """One thing that is true of a reader or not. `name` is that of the attribute; `value` as it was typed, or an id."""

    what: str
    how: str
    value: str = ""
    name: str = ""

    @property
    def kind(self) -> Kind:
        return KINDS[self.what]


Blocks = tuple[tuple[Condition, ...], ...]


def read(given: object) -> Blocks:
    """The tree that `given` says: a list of blocks, each a list of objects with `what`, `how`, `value`, `name`.

    Raises Invalid with a sentence for each thing that is wrong, naming its block and line.
    """
    if not isinstance(given, Sequence) or isinstance(given, str) or not all(_is_block(one) for one in given):
        raise Invalid("A segment is a list of blocks, and a block a list of conditions.")
    count = sum(len(block) for block in given)
    if not count:
        raise Invalid("Add at least one condition: without one, a segment is all readers.")
    if len(given) > MAX_BLOCKS or count > MAX_CONDITIONS:
        raise Invalid(f"A segment has at most {MAX_BLOCKS} blocks and {MAX_CONDITIONS} conditions. Make two of it.")
    problems: list[str] = []
    blocks: list[tuple[Condition, ...]] = []
    for number, block in enumerate(given, 1):
        read_here = []
        for line, one in enumerate(block, 1):
            condition = Condition(*(str(one.get(name, "")).strip() for name in ("what", "how", "value", "name")))
            if problem := _problem(condition):
                problems.append(f"Block {number}, line {line}: {problem}")
            read_here.append(condition)
        blocks.append(tuple(read_here))
    if problems:
        raise Invalid(*problems)
    return tuple(block for block in blocks if block)


def to_json(blocks: Blocks) -> list[list[dict[str, str]]]:
    """What `read` reads back."""
    return [[{name: value for name, value in asdict(one).items() if value} for one in block] for block in blocks]


def ids(blocks: Blocks, given: str) -> set[int]:
    """The ids of all tags, newsletters, issues or imports that are named."""
    return {int(one.value) for block in blocks for one in block if one.kind.given == given}


def values(value: str) -> list[str]:
    """The values of an “is one of”: between commas or on lines."""
    return [one.strip() for one in re.split(r"[,;\n]", value) if one.strip()]


def in_words(blocks: Blocks, names: Mapping[str, Mapping[int, str]]) -> str:
    """The segment as a sentence. `names`: what an id is of (tag, newsletter, issue, import) → id → name."""
    said = [" or ".join(_words(one, names) for one in block) for block in blocks]
    return "; and ".join(said) if len(said) > 1 else said[0] if said else ""


def _words(one: Condition, names: Mapping[str, Mapping[int, str]]) -> str:
    kind = one.kind
    label = one.name if one.what == "attribute" else kind.label
    how = kind.hows[one.how]
    if one.how in NO_VALUE:
        return f"{label} {how}"
    if kind.given in ("tag", "newsletter", "issue", "import"):
        shown = f"“{names.get(kind.given, {}).get(int(one.value), f'number {one.value}')}”"
    elif kind.given in ("method", "answer"):
        shown = {**METHODS, **ANSWERS}[one.value]
    else:
        shown = one.value if _is_number_asked(one) or _is_day_asked(one) else f"“{one.value}”"
    if "(days)" in how:
        return f"{label.lower() if label != one.name else label} {how.replace('(days)', f'{shown} days')}"
    return f"{label} {how} {shown}"


def _is_block(given: object) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str) and all(isinstance(one, Mapping) for one in given)


def _problem(one: Condition) -> str:
    """What is wrong with a condition, as an instruction; empty for nothing."""
    if one.what not in KINDS:
        return "choose what it asks about."
    if one.how not in one.kind.hows:
        return f"choose how “{one.kind.label}” is compared."
    if one.what == "attribute" and not one.name:
        return "name the detail, such as city."
    if len(one.value) > LONGEST or len(one.name) > LONGEST or "\x00" in one.value + one.name:
        return f"use at most {LONGEST} ordinary characters."
    if one.how in NO_VALUE:
        return "" if not one.value else "leave the value out: it asks whether there is one."
    return _wrong_value(one)


def _wrong_value(one: Condition) -> str:
    if not one.value:
        return "fill the value in."
    if one.kind.given in ("tag", "newsletter", "issue", "import"):
        return (
            ""
            if one.value.isascii() and one.value.isdecimal() and len(one.value) < 19
            else f"choose the {one.kind.given}."
        )
    if one.kind.given == "method":
        return "" if one.value in METHODS else "choose how consent was given."
    if one.kind.given == "answer":
        return "" if one.value in ANSWERS else "choose the answer."
    if _is_number_asked(one):
        return _wrong_number(one)
    if _is_day_asked(one) and not _is_day(one.value):
        return "write the day as 2026-11-30."
    if one.how == "one_of" and not values(one.value):
        return "write at least one value."
    return ""


def _wrong_number(one: Condition) -> str:
    if one.how in ("above", "below"):
        return "" if _NUMBER.fullmatch(one.value) else "write a number, such as 12 or 12.5."
    is_count = (
        one.value.isascii() and one.value.isdecimal() and 1 <= int(one.value[:6]) <= MOST_DAYS and len(one.value) < 6
    )
    return "" if is_count else f"write a number of days from 1 to {MOST_DAYS}."


def _is_number_asked(one: Condition) -> bool:
    return one.how in ("above", "below", "within", "longer", "not_within")


def _is_day_asked(one: Condition) -> bool:
    return one.how in ("since", "before")


def _is_day(value: str) -> bool:
    try:
        return len(value) == len("2026-11-30") and bool(date.fromisoformat(value))
    except ValueError:
        return False
