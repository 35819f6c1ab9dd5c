"""Markdown as authors write it: CommonMark with tables, notes, containers and bare links, cut into title, body and notes.

Gives HTML that is not yet safe; `sanitising` makes it so.
"""

import re
from dataclasses import dataclass, field
from typing import Any, cast

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

from service.rendering import containers, links, notes
from service.rendering.containers import Flaw
from service.rendering.notes import Written

MAX_DEPTH = 60

_BARE_URL = re.compile(r"https?://[!#-;=?-_a-~]+")


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the name is markdown-it's
        """Accepts all: a dangerous link must be refused with its line, not silently shown as text."""
        return True


@dataclass
class Parsed:
    """The tokens of a document. `title` are the inline tokens of a heading that opens it."""

    title: list[Token] | None
    first_heading: str | None
    body: list[Token]
    notes: list[Token]
    written_notes: list[Written] = field(default_factory=list)
    link_definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    title_line: int = 1
    flaws: list[Flaw] = field(default_factory=list)


def parser() -> MarkdownIt:
    """A parser without state, so that nothing of one author's text can reach another's."""
    md = _Parser("commonmark", {"maxNesting": MAX_DEPTH + 20}).enable("table")
    md.use(footnote_plugin, always_match_refs=True)
    md.core.ruler.before("footnote_tail", "written_notes", notes.remember)
    md.core.ruler.push("bare_links", _link_bare_urls)
    notes.add_rules(md)
    containers.add_rule(md)
    return md


def parse(md: MarkdownIt, text: str) -> Parsed:
    """Cut a document into its parts."""
    env: dict[str, Any] = {}
    tokens = md.parse(text, env)
    end = next((i for i, token in enumerate(tokens) if token.type == "footnote_block_open"), len(tokens))
    body, end_notes = tokens[:end], tokens[end:]
    heading = next((i for i, token in enumerate(body) if token.type == "heading_open" and token.tag == "h1"), None)
    title, title_line = None, 1
    if heading == 0:
        title, title_line, body = body[1].children or [], (body[0].map or [0])[0] + 1, body[3:]
    first = " ".join(text_of(tokens[heading + 1].children or []).split()) if heading is not None else None
    return Parsed(
        title,
        first or None,
        body,
        end_notes,
        env.get("written_notes", []),
        env.get("references", {}),
        title_line,
        env.get("flaws", []),
    )


def html_of(md: MarkdownIt, tokens: list[Token]) -> str:
    """HTML for block tokens."""
    return str(md.renderer.render(tokens, md.options, {}))


def inline_html_of(md: MarkdownIt, tokens: list[Token]) -> str:
    """HTML for the tokens of one line."""
    return cast(RendererHTML, md.renderer).renderInline(tokens, md.options, {})


def text_of(tokens: list[Token]) -> str:
    """The words of inline tokens, without notes and without markup."""
    words = []
    for token in tokens:
        if token.type in ("text", "code_inline"):
            words.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            words.append(" ")
        elif token.type == "image":
            words.append(text_of(token.children or []))
    return "".join(words)


def _link_bare_urls(state: StateCore) -> None:
    """Addresses are often pasted as they are, above all in notes; SendGrid tracks only what is a link."""
    for block in state.tokens:
        if block.children:
            inside, linked = 0, []
            for token in block.children:
                inside += token.nesting if token.type in ("link_open", "link_close") else 0
                linked += [token] if inside or token.type != "text" else _linked(token)
            block.children = linked


def _linked(token: Token) -> list[Token]:
    parts: list[Token] = []
    position = 0
    for found in _BARE_URL.finditer(token.content):
        url = links.without_end(found.group())
        if len(url) < len("https://a.b"):
            continue
        parts += [
            Token("text", "", 0, content=token.content[position : found.start()]),
            Token("link_open", "a", 1, attrs={"href": url}),
            Token("text", "", 0, content=url),
            Token("link_close", "a", -1),
        ]
        position = found.start() + len(url)
    return [*parts, Token("text", "", 0, content=token.content[position:])] if parts else [token]
