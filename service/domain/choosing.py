"""Which variant of an issue a reader gets: first the language version, then the one that was made for what is known of them.

The rules are data, so that the freeze can ask the same in SQL over a million readers at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from service.domain.conditions import Condition, tidy
from service.domain.languages import is_traditional

Alternative = Mapping[str, str]
"""Field → case, for each field that the text of this language asks about."""

EMPTY, OTHER = "", "*"
"""Cases of a field beside “= and a value”: without a value, and any other."""


@dataclass(frozen=True)
class Choice:
    """A variant as it is chosen by: its language, and the cases that it was made for; none: it is the language's only one."""

    language: str
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class Fallback:
    """A reader whose language `is` this, or begins with it and a hyphen, or is written in traditional characters, gets the
    version of that number. The first that applies counts."""

    kind: Literal["is", "begins", "traditional"]
    value: str
    number: int


def fallbacks(languages: Sequence[str]) -> list[Fallback]:
    """The order in which a version is looked for: the exact tag, a longer form of it, the same primary language. Nothing of it:
    the first language, which is the newsletter's own."""
    tags = [tidy("language", language) for language in languages]
    exact = [Fallback("is", tag, number) for number, tag in enumerate(tags)]
    longer = [Fallback("begins", tag, number) for number, tag in enumerate(tags) if "-" in tag]
    traditional = next((number for number, tag in enumerate(tags) if is_traditional(tag)), None)
    script = [] if traditional is None else [Fallback("traditional", "", traditional)]
    primary: dict[str, int] = {}
    for number, tag in enumerate(tags):
        primary.setdefault(_primary(tag), number)
    same = [Fallback(kind, tag, number) for tag, number in primary.items() for kind in ("is", "begins")]
    if "zh" in primary:
        same += [Fallback(kind, "cmn", primary["zh"]) for kind in ("is", "begins")]
    # Longer tags first: a reader of zh-Hant-HK is one of zh-Hant before one of zh.
    return [*exact, *sorted(longer, key=lambda one: -len(one.value)), *script, *same]


def version_of(language: str | None, languages: Sequence[str]) -> int:
    """The number of the version that a reader of that language gets."""
    return next((number for number in _matching([language or ""], languages)), 0)


def preferred(wanted: Iterable[str], languages: Sequence[str]) -> int:
    """The number of the version for who would read any of these languages, the best first; the first where there is none."""
    return next(iter(_matching(wanted, languages)), 0)


def cases_of(choices: Iterable[Choice]) -> dict[str, list[str]]:
    """Field → its cases, in a fixed order, of the variants of one language."""
    found: dict[str, dict[str, None]] = {}
    for choice in choices:
        for alternative in choice.alternatives:
            for field, case in alternative.items():
                found.setdefault(field, {}).setdefault(case)
    return {field: list(cases) for field, cases in found.items()}


def case_of(field: str, value: str | None, cases: Sequence[str]) -> str:
    """The case that a reader's value is."""
    known = tidy(field, value)
    if f"={known}" in cases:
        return f"={known}"
    return EMPTY if not known and EMPTY in cases else OTHER


def choose(choices: Sequence[Choice], values: Mapping[str, str | None]) -> int:
    """The number of the variant for a reader with these values. The first variant's language is the newsletter's own."""
    languages = list(dict.fromkeys(choice.language for choice in choices))
    language = languages[version_of(values.get("language"), languages)]
    own = {number: choice for number, choice in enumerate(choices) if choice.language == language}
    cases = cases_of(own.values())
    wanted = {field: case_of(field, values.get(field), known) for field, known in cases.items()}
    return next(number for number, choice in own.items() if not choice.alternatives or wanted in choice.alternatives)


def is_true(condition: Condition, alternative: Alternative) -> bool:
    """Whether the condition holds for readers of that case."""
    case = alternative[condition.field]
    return case != EMPTY if condition.equals is None else case == f"={condition.equals}"


def _matching(wanted: Iterable[str], languages: Sequence[str]) -> Iterable[int]:
    rules = fallbacks(languages)
    for language in wanted:
        tag = tidy("language", language)
        if (found := next((rule.number for rule in rules if _applies(rule, tag)), None)) is not None:
            yield found


def _applies(rule: Fallback, tag: str) -> bool:
    if rule.kind == "is":
        return tag == rule.value
    return is_traditional(tag) if rule.kind == "traditional" else tag.startswith(f"{rule.value}-")


def _primary(tag: str) -> str:
    primary = tag.split("-")[0]
    return "zh" if primary == "cmn" else primary
