"""Numbered notes: linked both ways in a manner that Gmail and Outlook follow, and every loose end reported with its line."""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from service.rendering.problems import Findings

# Gmail and Outlook jump to a name, others to an id; the arrow must not become an emoji.
BACK = "↩\ufe0e"


@dataclass(frozen=True)
class Written:
    """A note as the author wrote it: `[^label]: …` in this line."""

    label: str
    line: int


@dataclass(frozen=True)
class Reference:
    """A mark in the text that points to a note; `number` is None for a note without a label (`^[…]`)."""

    label: str | None
    line: int


def remember(state: StateCore) -> None:
    """A rule for markdown-it: keep where each note was written, before the plugin drops those nobody refers to."""
    opened = [token for token in state.tokens if token.type == "footnote_reference_open"]
    env: MutableMapping[str, Any] = state.env
    env["written_notes"] = [Written(token.meta["label"], (token.map or [0])[0] + 1) for token in opened]


def check(written: list[Written], references: list[Reference], findings: Findings) -> None:
    """Report references without a note, notes without a reference, and a label used for two notes."""
    known: dict[str, int] = {}
    for note in written:
        if note.label in known:
            findings.problem(
                f"a second note [^{note.label}]; the first is in line {known[note.label]}: give one another name",
                line=note.line,
            )
        known.setdefault(note.label, note.line)
    used = {reference.label for reference in references}
    for reference in references:
        if reference.label is not None and reference.label not in known:
            findings.problem(
                f"there is no note [^{reference.label}]; write “[^{reference.label}]: …” below, or \\[^ if you mean the bracket",
                line=reference.line,
            )
    for label, line in known.items():
        if label not in used:
            findings.warning(f"the note [^{label}] is left out, for nothing in the text refers to it", line=line)


def check_names(link_definitions: Mapping[str, Mapping[str, Any]], findings: Findings) -> None:
    """A note whose name has a space is, to Markdown, the address of a link: its words would be lost without a sound."""
    for name, definition in link_definitions.items():
        if name.startswith("^"):
            line = (definition.get("map") or [0])[0] + 1
            findings.problem("a note's name cannot hold a space; write a hyphen instead", line=line)


def add_rules(md: MarkdownIt) -> None:
    """Our HTML instead of the plugin's."""
    for name, rule in {
        "footnote_ref": _reference,
        "footnote_block_open": _block_open,
        "footnote_block_close": _block_close,
        "footnote_open": _open,
        "footnote_anchor": _back,
    }.items():
        md.add_render_rule(name, rule)


def _number(token: Token) -> int:
    return int(token.meta["id"]) + 1


def _reference_id(token: Token) -> str:
    repeated = int(token.meta.get("subId") or 0)
    return f"fnref-{_number(token)}" + (f"-{repeated + 1}" if repeated else "")


def _reference(self: RendererProtocol, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    anchor, number = _reference_id(tokens[at]), _number(tokens[at])
    return f'<sup><a name="{anchor}"></a><a href="#fn-{number}" id="{anchor}">{number}</a></sup>'


def _block_open(self: RendererProtocol, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    return "<ol>\n"


def _block_close(self: RendererProtocol, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    return "</ol>\n"


def _open(self: RendererProtocol, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    number = _number(tokens[at])
    return f'<li id="fn-{number}"><a name="fn-{number}"></a>'


def _back(self: RendererProtocol, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    repeated = int(tokens[at].meta.get("subId") or 0)
    letter = f" {repeated + 1}" if repeated else ""
    return f' <a href="#{_reference_id(tokens[at])}" title="Back to the text">{BACK}{letter}</a>'
