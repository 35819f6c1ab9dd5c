"""A design's style sheets as rules with lines, and what such sheets may not hold."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cssselect
import tinycss2

from service.rendering.design_faults import IN_CSS, MAIL, SIDES, SLOT, STYLE, Fault, slots_in

DARK_QUERY = "@media (prefers-color-scheme: dark)"
"""Exactly so: it is looked for again after the styles were written into the elements."""
_QUERY = re.compile(r"\(\s*(prefers-color-scheme\s*:\s*dark|(max|min)-width\s*:\s*\d+px)\s*\)")
_LOADING = ("url", "src", "image", "image-set", "-webkit-image-set", "expression", "attr", "var", "env")
_FORBIDDEN_NAMES = ("behavior", "-moz-binding", "position", "clip", "clip-path", "transform", "content")
_SMALLEST = 10
PREHEADER = ".preheader"


@dataclass(frozen=True)
class Declaration:
    name: str
    tokens: tuple[Any, ...]
    important: bool
    line: int

    @property
    def value(self) -> str:
        return str(tinycss2.serialize(self.tokens)).strip()


@dataclass(frozen=True)
class Rule:
    """`query`: what stands between @media and its brace, "" outside of one."""

    query: str
    selectors: tuple[str, ...]
    declarations: tuple[Declaration, ...]
    line: int

    @property
    def is_dark(self) -> bool:
        return "dark" in self.query


def rules(css: str, file: str, faults: list[Fault]) -> list[Rule]:
    """The rules of a sheet; what cannot be read goes to `faults`."""
    _check_braces(css, file, faults)
    nodes = tinycss2.parse_stylesheet(_without_slots(css), skip_comments=True, skip_whitespace=True)
    return list(_rules(nodes, "", file, faults))


def check(css: str, file: str) -> tuple[list[Rule], list[Fault]]:
    """The rules of a sheet, and everything that is wrong with it."""
    faults: list[Fault] = []
    for name, line in slots_in(css):
        if name not in IN_CSS:
            faults.append(Fault(file, line, unknown_slot(name, IN_CSS)))
    if "<" in css:
        faults.append(Fault(file, css[: css.index("<")].count("\n") + 1, "a style sheet holds no “<”; take it out"))
    found = rules(css, file, faults)
    for rule in found:
        faults += [Fault(file, rule.line, text) for text in map(_unreadable, rule.selectors) if text]
        for one in rule.declarations:
            faults += [Fault(file, one.line, text) for text in complaints(one, rule.selectors == (PREHEADER,))]
            if file == STYLE and one.important:
                faults.append(
                    Fault(file, one.line, f"{one.name}: in an element, !important wins over the dark form; take it out")
                )
            if rule.query and not one.important:
                faults.append(
                    Fault(
                        file,
                        one.line,
                        f"{one.name} needs !important here: only so it wins over the elements' own style",
                    )
                )
        faults += [Fault(file, line, text) for line, text in _one_sided(rule)]
    if file == MAIL and DARK_QUERY not in css:
        faults.append(Fault(file, 1, f"there is no dark form; write one as “{DARK_QUERY} {{ … }}”"))
    return found, faults


def complaints(one: Declaration, hidden: bool = False) -> Iterator[str]:
    """What is wrong with a declaration, wherever it stands. `hidden`: it may take something out of sight."""
    for token in _all(one.tokens):
        if token.type == "url" or (token.type == "function" and token.lower_name in _LOADING):
            name = "url" if token.type == "url" else token.lower_name
            yield f"{name}() cannot stand in a mail's style, which loads nothing and computes nothing; write the value itself"
        if token.type == "error":
            yield f"{one.name} cannot be read: {token.message}; mend the value"
    if one.name in _FORBIDDEN_NAMES or one.name.startswith("--"):
        yield f"{one.name} works in no mail program that matters, or hides what must be seen; take it out"
    if not hidden and _hides(one):
        yield f"{one.name}: {one.value} could hide what every mail must show; take it out (only {PREHEADER} is hidden)"


def declarations(css: str, line: int) -> list[Declaration]:
    """Those of a `style` attribute that stands in that line."""
    nodes = tinycss2.parse_declaration_list(_without_slots(css), skip_comments=True, skip_whitespace=True)
    return [
        Declaration(node.lower_name, tuple(node.value), node.important, line)
        for node in nodes
        if node.type == "declaration"
    ]


def unknown_slot(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean %%{near[0]}%%?" if near else f"the slots are {', '.join(known)}"
    return f"there is no slot %%{name}%% here; {advice}"


def _without_slots(css: str) -> str:
    """With words in the slots' place that a parser can read; lines stay."""
    return SLOT.sub(lambda found: found[1] if found[1] in SIDES else f"slot-{found[1]}", css)


def _rules(nodes: Any, query: str, file: str, faults: list[Fault]) -> Iterator[Rule]:
    for node in nodes:
        if node.type == "error":
            faults.append(Fault(file, node.source_line, f"this cannot be read: {node.message}; mend it"))
        elif node.type == "at-rule":
            prelude = str(tinycss2.serialize(node.prelude)).strip()
            if reason := _wrong_at_rule(node, prelude, query, file):
                faults.append(Fault(file, node.source_line, reason))
            elif node.content is not None:
                inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                yield from _rules(inner, prelude, file, faults)
        else:
            yield _rule(node, query, file, faults)


def _wrong_at_rule(node: Any, prelude: str, query: str, file: str) -> str | None:
    name = node.lower_at_keyword
    if name == "import":
        return "@import loads from elsewhere, which no mail may; write the rules here"
    if name != "media":
        return f"@{name} works in too few mail programs, or loads something; take it out"
    if query:
        return "@media within @media makes Gmail drop the whole sheet; write them one after the other"
    if file == STYLE:
        return f"@media cannot be written into elements; move it to {MAIL}"
    if not _QUERY.fullmatch(prelude):
        return (
            f"“@media {prelude}” is none that mails know; there are (prefers-color-scheme: dark) and (max-width: …px)"
        )
    return None


def _rule(node: Any, query: str, file: str, faults: list[Fault]) -> Rule:
    found = []
    for one in tinycss2.parse_declaration_list(node.content, skip_comments=True, skip_whitespace=True):
        if one.type == "declaration":
            found.append(Declaration(one.lower_name, tuple(one.value), one.important, one.source_line))
        elif one.type == "error":
            faults.append(Fault(file, one.source_line, f"this cannot be read: {one.message}; mend it"))
        else:
            faults.append(Fault(file, one.source_line, "one rule cannot stand in another; close the one before"))
    selectors = tuple(part.strip() for part in str(tinycss2.serialize(node.prelude)).split(","))
    return Rule(query, selectors, tuple(found), node.source_line)


def _unreadable(selector: str) -> str | None:
    try:
        cssselect.parse(selector)
    except cssselect.SelectorError as error:
        return f"the selector “{selector[:60]}” cannot be read: {error}; mend it"
    return None


def _check_braces(css: str, file: str, faults: list[Fault]) -> None:
    """A sheet that ends within a rule is read as if it did not."""
    bare = re.sub(
        r"/\*.*?\*/|\"[^\"\n]*\"|'[^'\n]*'", lambda found: re.sub(r"[^\n]", " ", found[0]), css, flags=re.DOTALL
    )
    opened: list[int] = []
    for found in re.finditer(r"[{}]", bare):
        line = bare.count("\n", 0, found.start()) + 1
        if found[0] == "{":
            opened.append(line)
        elif opened:
            opened.pop()
        else:
            faults.append(Fault(file, line, "this } closes nothing; take it out"))
    faults += [Fault(file, line, "the { in this line is never closed; write its }") for line in opened]
    if "/*" in bare:
        faults.append(Fault(file, bare[: bare.index("/*")].count("\n") + 1, "this comment never ends; write its */"))


def _hides(one: Declaration) -> bool:
    value = one.value.lower()
    numbers = [token.value for token in one.tokens if token.type in ("number", "dimension", "percentage")]
    match one.name:
        case "display":
            return value == "none"
        case "visibility":
            return value in ("hidden", "collapse")
        case "opacity":
            return any(number < 1 for number in numbers)
        case "font-size":
            return any(number < _SMALLEST for number in numbers)
        case "max-height" | "max-width":
            return numbers == [0]
        case "text-indent":
            return any(number < 0 for number in numbers)
        case _:
            return one.name == "mso-hide"


def _one_sided(rule: Rule) -> Iterator[tuple[int, str]]:
    """What would be on the wrong side where one reads from right to left."""
    values = {one.name: one.value for one in rule.declarations}
    for one in rule.declarations:
        mirrored = re.sub("left|right", lambda found: {"left": "right", "right": "left"}[found[0]], one.name)
        if mirrored != one.name and values.get(mirrored) != one.value:
            yield (
                one.line,
                f"{one.name} is on the wrong side in Arabic and Hebrew; write %%start%% or %%end%% for the side",
            )
        elif one.name in ("text-align", "float") and one.value in ("left", "right"):
            yield one.line, f"{one.name}: {one.value} is wrong in Arabic and Hebrew; write %%start%% or %%end%%"
        elif one.name in ("padding", "margin", "border-width"):
            parts = one.value.split()
            if len(parts) == 4 and parts[1] != parts[3]:
                yield (
                    one.line,
                    f"{one.name}: {one.value} differs by side; write {one.name}-%%start%% and {one.name}-%%end%% apart",
                )


def _all(tokens: Sequence[Any]) -> Iterator[Any]:
    for token in tokens:
        yield token
        if token.type == "function":
            yield from _all(token.arguments)
        elif token.type in ("() block", "[] block", "{} block"):
            yield from _all(token.content)


def for_outlook(mail: str) -> str:
    """The dark rules of a sheet once more, as Outlook on the web and on telephones ask for them. They mark what they recolour:
    `data-ogsc` where text, `data-ogsb` where ground."""
    found: list[str] = []
    for rule in rules(mail, MAIL, []):
        grounds = [one for one in rule.declarations if one.name.startswith("background")]
        texts = [one for one in rule.declarations if one not in grounds and "color" in one.name]
        for mark, chosen in (("data-ogsc", texts), ("data-ogsb", grounds)):
            if rule.is_dark and chosen:
                selectors = ", ".join(f"[{mark}] {selector}" for selector in rule.selectors)
                found.append(f"{selectors} {{ {' '.join(f'{one.name}: {one.value} !important;' for one in chosen)} }}")
    return re.sub(r"\bslot-([a-z_]+)", r"%%\1%%", "\n".join(found))
