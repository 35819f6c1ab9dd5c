"""Makes the variants of an issue: from the text of each language, one text for every distinct way its conditions can be true.

Refuses more than an issue may have, saying which conditions make them. What is alike is one variant.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from service.domain.choosing import EMPTY, OTHER, Alternative, is_true, version_of
from service.domain.conditions import Condition, Template, parse
from service.rendering.problems import Findings, RenderError
from service.rendering.source import read

LARGEST = 32
MOST_CASES = 512
"""Ways that conditions can be true, of one text; most of them must come to the same words."""
LONGEST_VALUE = 40


@dataclass(frozen=True)
class Text:
    """What a team wrote in one language. `subject` comes before the text's own."""

    markdown: str
    subject: str | None = None


@dataclass(frozen=True)
class Unrendered:
    """A variant before it is rendered. `lines` are the author's own numbers; `plain`: what a reader of that language gets for
    whom no condition is true."""

    name: str
    language: str
    alternatives: tuple[Alternative, ...]
    plain: bool
    markdown: str
    lines: tuple[int, ...]
    subject: str | None
    known: frozenset[str]


def variants_of(texts: Mapping[str, Text], fields: Iterable[str]) -> list[Unrendered]:
    """The variants of an issue, the newsletter's language first, and of each language the plain one first. `texts`: language →
    text, the newsletter's own first. Raises RenderError with all problems."""
    known = tuple(fields)
    problems: list[str] = []
    read_texts: dict[str, _Reading] = {}
    for language, text in texts.items():
        reading = _Reading(text, known)
        problems += [told(problem, language, texts) for problem in reading.problems]
        read_texts[language] = reading
    if problems:
        raise RenderError(problems)
    found = [one for language, reading in read_texts.items() for one in _of_language(language, list(texts), reading)]
    if len(found) > LARGEST:
        raise RenderError([_too_many(str(len(found)), read_texts)])
    return _with_names(found)


def told(problem: str, language: str, languages: Iterable[str]) -> str:
    """A problem with the version that has it, where there are several."""
    return f"{language}: {problem}" if len(list(languages)) > 1 else problem


class _Reading:
    """A text and the subject given for it, read for their conditions."""

    def __init__(self, text: Text, fields: tuple[str, ...]) -> None:
        # What makes no sense to read at all is told with the author's own lines here, before any is taken out.
        markdown = text.markdown.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self.problems: list[str] = []
        try:
            read(markdown, Findings())
        except RenderError as error:
            self.problems += error.problems
            markdown = ""
        self.template = parse(markdown, fields)
        self.subject = None if text.subject is None else parse(text.subject, fields)
        self.problems += [str(error) for error in self.template.errors]
        self.problems += [f"subject: {error.advice}" for error in (self.subject.errors if self.subject else ())]

    @property
    def conditions(self) -> dict[Condition, int]:
        """Each condition with the first line that asks it."""
        return {**(self.subject.conditions if self.subject else {}), **self.template.conditions}


def _of_language(language: str, languages: list[str], reading: _Reading) -> Iterator[Unrendered]:
    cases = _cases(language, languages, reading.conditions)
    number = 1
    for known in cases.values():
        number *= len(known)
    if number > MOST_CASES:
        raise RenderError([_too_many(f"{number:,} or more" if number < 10**6 else "millions of", {language: reading})])
    alike: dict[tuple[str, str | None], list[Alternative]] = {}
    made: dict[tuple[tuple[int, ...], ...], tuple[str, str | None]] = {}
    lines: dict[tuple[str, str | None], tuple[int, ...]] = {}
    for combination in itertools.product(*cases.values()):
        alternative = dict(zip(cases, combination, strict=True))
        kept = tuple(_kept(template, alternative) for template in (reading.template, reading.subject) if template)
        if kept not in made:
            markdown, own = reading.template.put_together(kept[0])
            subject = reading.subject.put_together(kept[1])[0] if reading.subject else None
            made[kept] = (markdown, subject)
            lines.setdefault(made[kept], own)
        alike.setdefault(made[kept], []).append(alternative)
    for (markdown, subject), alternatives in alike.items():
        plain = (markdown, subject) == next(iter(alike))
        asked = tuple(alternatives) if len(alike) > 1 else ()
        name = _name(language, alternatives[0], cases)
        had = frozenset(field for field in cases if all(_has(one[field], cases[field]) for one in alternatives))
        yield Unrendered(name, language, asked, plain, markdown, lines[markdown, subject], subject, had)


def _has(case: str, cases: list[str]) -> bool:
    """Whether a reader of that case has a value at all."""
    return case not in (EMPTY, OTHER) or (case == OTHER and EMPTY in cases)


def _kept(template: Template, alternative: Alternative) -> tuple[int, ...]:
    return template.kept(lambda condition: is_true(condition, alternative))


def _cases(language: str, languages: list[str], conditions: Iterable[Condition]) -> dict[str, list[str]]:
    """Field → what can be true of it at once, nothing first. A field never has two values, and no reader of another version's
    language reads this one."""
    found: dict[str, list[str]] = {}
    asked_at_all: set[str] = set()
    for condition in conditions:
        values = found.setdefault(condition.field, [])
        if condition.equals is None:
            asked_at_all.add(condition.field)
        elif condition.field != "language" or languages[version_of(condition.equals, languages)] == language:
            values.append(f"={condition.equals}")
    return {
        field: [EMPTY, *values, OTHER] if field in asked_at_all else [OTHER, *values] for field, values in found.items()
    }


def _name(language: str, alternative: Alternative, cases: Mapping[str, list[str]]) -> str:
    """What is true of its readers: de/organisation, en/office=Shanghai."""
    true = [
        field if case == OTHER else f"{field}{case[:LONGEST_VALUE]}"
        for field, case in alternative.items()
        if case != cases[field][0]
    ]
    return f"{language}/{'+'.join(true)}" if true else language


def _with_names(found: list[Unrendered]) -> list[Unrendered]:
    """Each with a name of its own, also where long values were cut."""
    names: dict[str, int] = {}
    result = []
    for one in found:
        names[one.name] = names.get(one.name, 0) + 1
        result.append(one if names[one.name] == 1 else replace(one, name=f"{one.name} ({names[one.name]})"))
    return result


def _too_many(number: str, readings: Mapping[str, _Reading]) -> str:
    asked = [
        told(f"{condition} (line {line})", language, readings)
        for language, reading in readings.items()
        for condition, line in reading.conditions.items()
    ]
    more = f" and {len(asked) - 8} more" if len(asked) > 8 else ""
    return (
        f"the conditions make {number} variants of the text; an issue may have {LARGEST}. They are {', '.join(asked[:8])}{more}."
        " Each field asked about doubles the number: take some out, ask them inside one another, or send two issues"
    )
