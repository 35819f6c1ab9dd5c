"""Containers: what an author opens with a line `::: name` and closes with `:::`. Knows where each begins and ends and what it
may hold; whatever is wrong with one is said with its line.
"""

import difflib
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from service.rendering.problems import Findings

OPEN, CLOSE = "container_open", "container_close"

TOP = "the text"
_TOP, _IN_COLUMNS = frozenset([TOP]), frozenset([TOP, "column"])
WITHIN = {
    "contents": _TOP,
    "callout": _IN_COLUMNS,
    "button": _IN_COLUMNS | {"callout", "card"},
    "columns": _TOP,
    "column": frozenset(["columns"]),
    "author": _IN_COLUMNS,
    "card": _IN_COLUMNS,
}
"""Each container, and what it may stand in. Whatever is deeper cannot be shown on a telephone."""

# The deepest that is right are columns, column, card, button. A bound, for looking for an end costs a walk through the text.
_MAX_OPEN = 5
_CODE = re.compile(r"`{3,}|~{3,}")


@dataclass(frozen=True)
class Flaw:
    """What the parser found wrong with the lines that open and close containers."""

    line: int
    advice: str


@dataclass(frozen=True)
class Container:
    """A container with what stands in it. `title` is the inline token of what follows the name."""

    name: str
    line: int
    title: Token | None
    parts: list["Part"]


Part = Container | list[Token]


def add_rule(md: MarkdownIt) -> None:
    """Let the parser know containers."""
    md.block.ruler.before("fence", "container", _read, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def cut(tokens: list[Token]) -> list[Part]:
    """Tokens as containers and what stands between them. One that stands in a list or quotation is left where it is."""
    top: list[Part] = []
    opened: list[list[Part]] = [top]
    deep = 0
    for at, token in enumerate(tokens):
        parts = opened[-1]
        if token.meta.get("title") and not deep:
            continue
        if token.type == OPEN and not deep:
            title = tokens[at + 1] if tokens[at + 1].meta.get("title") else None
            container = Container(token.info, (token.map or [0])[0] + 1, title, [])
            parts.append(container)
            opened.append(container.parts)
        elif token.type == CLOSE and not deep:
            opened.pop()
        else:
            deep += token.nesting
            if not parts or isinstance(parts[-1], Container):
                parts.append([])
            last = parts[-1]
            if isinstance(last, list):
                last.append(token)
    return top


def check(body: list[Token], notes: list[Token], flaws: list[Flaw], findings: Findings) -> None:
    """Report every container that cannot be shown as it is written."""
    for flaw in flaws:
        findings.problem(flaw.advice, line=flaw.line)
    _check_parts(cut(body), TOP, findings)
    _check_enclosed(notes, "a note", findings)


def _check_parts(parts: list[Part], place: str, findings: Findings) -> None:
    for part in parts:
        if isinstance(part, Container):
            _check_place(part, place, findings)
            _CHECKS.get(part.name, _check_filled)(part, findings)
            _check_parts(part.parts, part.name, findings)
        else:
            _check_enclosed(part, "a list or quotation", findings)


def _check_enclosed(tokens: list[Token], place: str, findings: Findings) -> None:
    for token in tokens:
        if token.type == OPEN:
            line = (token.map or [0])[0] + 1
            findings.problem(f"::: {token.info} cannot stand in {place}; give it lines of its own", line=line)


def _check_place(container: Container, place: str, findings: Findings) -> None:
    within = WITHIN.get(container.name)
    if within is None or place not in (TOP, *WITHIN) or place in within:
        return
    advice = "open ::: columns around it" if container.name == "column" else f"close ::: {place} with ::: first"
    if place == TOP:
        findings.problem(f"::: {container.name} cannot stand by itself; {advice}", line=container.line)
    else:
        findings.problem(f"::: {container.name} cannot stand in ::: {place}; {advice}", line=container.line)


def _check_filled(container: Container, findings: Findings) -> None:
    if not container.parts:
        findings.problem(f"::: {container.name} is empty; write something into it, or take it out", line=container.line)


def _check_contents(container: Container, findings: Findings) -> None:
    if container.parts:
        findings.problem(
            "::: contents is made from the headings; leave it empty, with ::: in its next line", line=container.line
        )


def _check_button(container: Container, findings: Findings) -> None:
    tokens = container.parts[0] if len(container.parts) == 1 else None
    if not isinstance(tokens, list) or len(tokens) != 3 or not _is_one_link(tokens[1]):
        findings.problem(
            "::: button holds exactly one link with words and nothing else, such as [Read the guide](https://…)",
            line=container.line,
        )


def _is_one_link(token: Token) -> bool:
    children = [child for child in token.children or [] if child.type != "text" or child.content.strip()]
    if not children or children[0].type != "link_open" or children[-1].type != "link_close":
        return False
    inner = children[1:-1]
    wordless = {"image", "footnote_ref", "html_inline", "link_open"}
    return bool("".join(one.content for one in inner).strip()) and not any(one.type in wordless for one in inner)


def _check_columns(container: Container, findings: Findings) -> None:
    columns = [part for part in container.parts if isinstance(part, Container) and part.name == "column"]
    if not 2 <= len(columns) <= 3:
        told = {0: "no ::: column", 1: "one ::: column"}.get(len(columns), f"{len(columns)} times ::: column")
        findings.problem(f"::: columns holds {told}; write two or three", line=container.line)
    for part in container.parts:
        if isinstance(part, list):
            line = next((token.map[0] + 1 for token in part if token.map), container.line)
            findings.problem("only ::: column can stand in ::: columns; put these words into one", line=line)


def _check_author(container: Container, findings: Findings) -> None:
    inlines = [token for part in container.parts if isinstance(part, list) for token in part if token.type == "inline"]
    children = [child for token in inlines for child in _without_portrait(token.children or [])]
    first = next((child for child in children if child.type not in ("softbreak", "hardbreak") and _says(child)), None)
    if first is None or first.type != "strong_open":
        findings.problem(
            "::: author has no name; write it in bold in the first line after the picture: **Ada Lane**",
            line=container.line,
        )


def _without_portrait(children: list[Token]) -> list[Token]:
    """Without pictures, and without links around nothing else."""
    kept = [child for child in children if child.type != "image"]
    return [
        child
        for at, child in enumerate(kept)
        if not (child.type == "link_open" and kept[at + 1].type == "link_close")
        and not (child.type == "link_close" and at and kept[at - 1].type == "link_open")
    ]


def _says(token: Token) -> bool:
    return token.type != "text" or bool(token.content.strip())


_CHECKS = {
    "contents": _check_contents,
    "button": _check_button,
    "columns": _check_columns,
    "author": _check_author,
}


def _read(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The rule for markdown-it. Containers nest as brackets do: a fence with a name opens, one without closes the last opened."""
    found = _fence(state, start)
    if found is None or silent:
        return found is not None
    env: MutableMapping[str, Any] = state.env
    flaws: list[Flaw] = env.setdefault("flaws", [])
    name, words = (*found.split(maxsplit=1), "", "")[:2]
    opened = int(env.get("containers_open", 0))
    if not name:
        flaws.append(Flaw(start + 1, "::: closes nothing here; take it out, or write \\::: for the signs themselves"))
    elif opened >= _MAX_OPEN:
        flaws.append(Flaw(start + 1, f"::: {name} is nested too deeply to be shown; close the ones around it first"))
    else:
        _flaws_of_opening(name, words, start + 1, flaws)
        last, closed = _end(state, start, end)
        if not closed:
            flaws.append(Flaw(start + 1, f"::: {name} is not closed; write ::: in a line of its own below it"))
        env["containers_open"] = opened + 1
        _tokenize(state, name, words, start, last)
        env["containers_open"] = opened
        state.line = last + closed
        return True
    state.line = start + 1
    return True


def _flaws_of_opening(name: str, words: str, line: int, flaws: list[Flaw]) -> None:
    if name not in WITHIN:
        near = difflib.get_close_matches(name.lower(), WITHIN, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        flaws.append(Flaw(line, f"there is no container “{name[:40]}”{hint}; the containers are {', '.join(WITHIN)}"))
    elif words and name != "callout":
        flaws.append(Flaw(line, f"nothing can follow ::: {name} in its line; write the words below it"))


def _tokenize(state: StateBlock, name: str, title: str, start: int, last: int) -> None:
    parent, line_max = state.parentType, state.lineMax
    state.parentType, state.lineMax = "container", last
    token = state.push(OPEN, "div", 1)
    token.info, token.map, token.block = name, [start, last], True
    if title:
        # Its words go through the rules for lines as a paragraph's do, so that notes in it are numbered in their order.
        words = state.push("inline", "", 0)
        words.content, words.map, words.children, words.meta = title, [start, start + 1], [], {"title": True}
    state.md.block.tokenize(state, start + 1, last)
    state.push(CLOSE, "div", -1).block = True
    state.parentType, state.lineMax = parent, line_max


def _end(state: StateBlock, start: int, end: int) -> tuple[int, bool]:
    """The line that closes what opens in `start`, or where it ends without. Code in between is passed over."""
    depth, code = 1, ""
    for line in range(start + 1, end):
        text = _text(state, line)
        if text and state.sCount[line] < state.blkIndent:
            return line, False
        if code:
            code = "" if text.startswith(code) and not text.strip(code[0] + " \t") else code
        elif state.sCount[line] - state.blkIndent >= 4:
            continue
        elif found := _CODE.match(text):
            code = found.group()
        elif (name := _fence(state, line)) is not None:
            depth += 1 if name else -1
            if not depth:
                return line, True
    return end, False


def _fence(state: StateBlock, line: int) -> str | None:
    """What follows ::: in a line that has it, and None for others."""
    text = _text(state, line)
    if not text.startswith(":::") or state.sCount[line] - state.blkIndent >= 4:
        return None
    return text.lstrip(":").strip()


def _text(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
