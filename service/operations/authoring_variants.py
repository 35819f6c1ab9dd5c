"""Renders every variant of an issue and keeps it. What is wrong in several of them is said once."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.db import Transaction
from service.domain.choosing import Alternative
from service.errors import Invalid
from service.rendering.newsletter import (
    Examined,
    Masthead,
    Picture,
    Rendered,
    RenderError,
    examine,
    local_pictures,
    render,
)
from service.rendering.variants import Text, Unrendered, told, variants_of
from service.rendering.web_version import put


@dataclass(frozen=True)
class Variant:
    """A variant, ready to be frozen. `alternatives` are the cases of a reader's fields that it was made for; `plain`: it is
    for readers of its language for whom no condition is true."""

    name: str
    language: str
    alternatives: tuple[Alternative, ...]
    plain: bool
    rendered: Rendered


def render_all(
    texts: Mapping[str, Text], masthead: Masthead, *, fields: frozenset[str], picture: Callable[[str, str], Picture]
) -> list[Variant]:
    """Render each variant once. `texts`: language → text, the newsletter's own first; `picture` finds a picture of a
    language's text by name, or raises Invalid. Raises Invalid with every problem."""
    said = _Said()
    rendered: list[Variant] = []
    try:
        unrendered = variants_of(texts, fields)
    except RenderError as error:
        raise Invalid(*error.problems) from None
    pictures = _Pictures(picture)
    for one in unrendered:
        found, problems = pictures.of(one)
        try:
            page = render(
                one.markdown,
                replace(masthead, language=one.language),
                subject=one.subject,
                fields=fields,
                pictures=found,
                lines=one.lines,
                known=one.known,
            )
            rendered.append(Variant(one.name, one.language, one.alternatives, one.plain, page))
        except RenderError as error:
            missing = set(pictures.names(one)) - found.keys()
            problems += [p for p in error.problems if not any(name in p for name in missing)]
        said.add(one.language, one.name, problems)
    if problems := said.lines():
        raise Invalid(*problems)
    return rendered


@dataclass(frozen=True)
class Looked:
    """A variant that may be unfit to be sent. `markdown` is the author's whole text; `known` are fields that each of its readers
    has."""

    name: str
    language: str
    markdown: str
    known: frozenset[str]
    examined: Examined


def examine_all(
    texts: Mapping[str, Text], masthead: Masthead, *, fields: frozenset[str], picture: Callable[[str, str], Picture]
) -> list[Looked]:
    """As `render_all`, going on behind problems to find all of them. Raises Invalid where no variant can be made."""
    try:
        unrendered = variants_of(texts, fields)
    except RenderError as error:
        raise Invalid(*error.problems) from None
    pictures = _Pictures(picture)
    looked = []
    for one in unrendered:
        found, problems = pictures.of(one)
        examined = examine(
            one.markdown,
            replace(masthead, language=one.language),
            subject=one.subject,
            fields=fields,
            pictures=found,
            lines=one.lines,
            known=one.known,
        )
        # A picture that is there and no good is not one that was not found: its own problem says more, though without a line.
        known = [problem for problem in problems if "cannot be read" not in problem]
        vague = [name for name in pictures.names(one) if any(name in problem for problem in known)]
        kept = [p for p in examined.problems if not any(f"the picture {name} was not found" in p for name in vague)]
        examined = replace(examined, problems=(*kept, *known))
        looked.append(Looked(one.name, one.language, texts[one.language].markdown, one.known, examined))
    return looked


def all_warnings(variants: list[Variant]) -> tuple[str, ...]:
    """The warnings about all variants, each once."""
    said = _Said()
    for one in variants:
        said.add(one.language, one.name, one.rendered.warnings)
    return tuple(said.lines())


def content_hash(newsletter: Mapping[str, Any], variants: list[Variant]) -> bytes:
    """Over everything that a reader would see: HTML, text, subject, preheader, sender, reply-to and the tags' fallbacks; and,
    where there are several variants, who gets which. Not over the line that leads to the archive: who opens one must not
    send the same words twice."""
    contents = [_content(newsletter, one.rendered) for one in variants]
    content: list[Any] = contents[0]
    if len(variants) > 1:
        content = [
            [one.language, [dict(case) for case in one.alternatives], words]
            for one, words in zip(variants, contents, strict=True)
        ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).digest()


def _content(newsletter: Mapping[str, Any], rendered: Rendered) -> list[Any]:
    return [
        put(rendered.html, None),
        put(rendered.text, None),
        rendered.subject,
        rendered.preheader,
        newsletter["sender_name"],
        newsletter["sender_address"],
        newsletter["reply_to"],
        [tag.to_json() for tag in rendered.tags],
    ]


def insert_variants(tx: Transaction, issue_id: int, variants: list[Variant]) -> None:
    """Keep the variants of an issue; the first is at position 0."""
    for position, one in enumerate(variants):
        tx.execute(
            """INSERT INTO variants (issue_id, position, name, language, conditions, plain, subject, preheader, html, text, tags)
               VALUES (:issue, :position, :name, :language, CAST(:conditions AS jsonb), :plain, :subject, :preheader, :html, :text, CAST(:tags AS jsonb))""",
            issue=issue_id,
            position=position,
            name=one.name,
            language=one.language,
            conditions=json.dumps([dict(case) for case in one.alternatives]),
            plain=one.plain,
            subject=one.rendered.subject,
            preheader=one.rendered.preheader,
            html=one.rendered.html,
            text=one.rendered.text,
            tags=json.dumps([tag.to_json() for tag in one.rendered.tags]),
        )


class _Pictures:
    """Each picture is looked at once, though many variants show it."""

    def __init__(self, picture: Callable[[str, str], Picture]) -> None:
        self._picture = picture
        self._found: dict[tuple[str, str], Picture | Invalid] = {}

    def names(self, one: Unrendered) -> list[str]:
        try:
            return local_pictures(one.markdown)
        except RenderError:
            return []  # rendering it says the same, with everything else

    def of(self, one: Unrendered) -> tuple[dict[str, Picture], list[str]]:
        """A variant's pictures, and what is wrong with the others."""
        pictures: dict[str, Picture] = {}
        problems: list[str] = []
        for name in self.names(one):
            found = self._look(one.language, name)
            if isinstance(found, Invalid):
                problems += found.problems
            else:
                pictures[name] = found
        return pictures, problems

    def _look(self, language: str, name: str) -> Picture | Invalid:
        if (language, name) not in self._found:
            try:
                self._found[language, name] = self._picture(language, name)
            except Invalid as error:
                self._found[language, name] = error
        return self._found[language, name]


class _Said:
    """What is said of variants. What holds for all of a language is said without naming them."""

    def __init__(self) -> None:
        self._variants: dict[str, list[str]] = {}
        self._said: dict[tuple[str, str], list[str]] = {}

    def add(self, language: str, variant: str, lines: list[str] | tuple[str, ...]) -> None:
        self._variants.setdefault(language, []).append(variant)
        for line in dict.fromkeys(lines):
            self._said.setdefault((language, line), []).append(variant)

    def lines(self) -> list[str]:
        return [
            told(
                line if variants == self._variants[language] else f"{line} (in {_some(variants)})",
                language,
                self._variants,
            )
            for (language, line), variants in self._said.items()
        ]


def _some(variants: list[str]) -> str:
    return ", ".join(variants[:3]) + (f" and {len(variants) - 3} more" if len(variants) > 3 else "")
