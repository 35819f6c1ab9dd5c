"""Reads the styles of a final mail: declarations in elements, and rules in style sheets with their media and selectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tinycss2
from lxml.html import HtmlElement


@dataclass(frozen=True)
class Declaration:
    """One property; `tokens` are those of its value."""

    name: str
    tokens: tuple[Any, ...]
    important: bool

    @property
    def value(self) -> str:
        return str(tinycss2.serialize(self.tokens)).strip().lower()


@dataclass(frozen=True)
class Rule:
    """A rule of a style sheet; `media` are the conditions around it, in small letters, "" where there are none."""

    selector: str
    declarations: tuple[Declaration, ...]
    media: str


@dataclass(frozen=True)
class AtRule:
    """Such as @import or @media."""

    name: str
    prelude: str


def declarations(text: str) -> tuple[Declaration, ...]:
    """Those of a style attribute or a rule's body."""
    return _declarations(tinycss2.parse_blocks_contents(text, skip_comments=True, skip_whitespace=True))


def _declarations(nodes: list[Any]) -> tuple[Declaration, ...]:
    return tuple(
        Declaration(node.lower_name, tuple(node.value), node.important) for node in nodes if node.type == "declaration"
    )


def read(tree: HtmlElement) -> tuple[list[Rule], list[AtRule]]:
    """Every rule and at-rule of the mail's style sheets, in order."""
    rules: list[Rule] = []
    at_rules: list[AtRule] = []
    for element in tree.iter("style"):
        sheet = tinycss2.parse_stylesheet(element.text or "", skip_comments=True, skip_whitespace=True)
        for found in _walk(sheet, ""):
            if isinstance(found, Rule):
                rules.append(found)
            else:
                at_rules.append(found)
    return rules, at_rules


def _walk(nodes: list[Any], media: str) -> Iterator[Rule | AtRule]:
    for node in nodes:
        if node.type == "qualified-rule":
            selector = str(tinycss2.serialize(node.prelude)).strip()
            body = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
            yield Rule(selector, _declarations(body), media)
        elif node.type == "at-rule":
            prelude = " ".join(str(tinycss2.serialize(node.prelude)).lower().split())
            yield AtRule(node.lower_at_keyword, prelude)
            if node.content is not None and node.lower_at_keyword in ("media", "supports", "layer"):
                inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                yield from _walk(inner, f"{media} {prelude}".strip() or node.lower_at_keyword)
