"""Goes through a parsed document once: reports what cannot be sent, with its line, and mends what can be mended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from markdown_it.token import Token

from service.rendering import containers, links, notes, pictures, rawhtml
from service.rendering.commonmark import MAX_DEPTH, Parsed
from service.rendering.pictures import Picture
from service.rendering.problems import Findings


@dataclass
class Inspector:
    """What the checks need to know, and the jumps found, whose targets are checked when all places are known."""

    pictures: Mapping[str, Picture]
    findings: Findings
    jumps: list[tuple[str, int]] = field(default_factory=list)
    references: list[notes.Reference] = field(default_factory=list)

    def inspect(self, parsed: Parsed) -> None:
        """Check and mend all tokens in place."""
        containers.check(parsed.body, parsed.notes, parsed.flaws, self.findings)
        _make_figures(parsed.body)
        for token in (*parsed.body, *parsed.notes):
            self._check_block(token)
        for line, child in _with_lines(parsed):
            self._check_inline(child, line)
        notes.check_names(parsed.link_definitions, self.findings)
        notes.check(parsed.written_notes, self.references, self.findings)

    def _check_block(self, token: Token) -> None:
        line = (token.map or [0])[0] + 1
        if token.level >= MAX_DEPTH:
            self.findings.problem("quotes and lists are nested too deeply to be shown; make it flatter", line=line)
        if token.type == "html_block":
            self._check_raw_links(token.content, line)
            token.content = rawhtml.clean(token.content, line, self.findings)
        elif token.type in ("th_open", "td_open") and "style" in token.attrs:
            token.attrs = {"align": str(token.attrs["style"]).removeprefix("text-align:")}
        elif token.type == "inline":
            token.children = self._without_swallowed(token.children or [], line)

    def _without_swallowed(self, children: list[Token], line: int) -> list[Token]:
        """Inline children without what stands between <script> and </script>."""
        kept: list[Token] = []
        inside: str | None = None
        for child in children:
            name = rawhtml.opens(child.content) if child.type == "html_inline" else None
            if inside and child.type == "html_inline" and child.content.lower().startswith(f"</{inside}"):
                inside = None
            elif inside is None and name:
                inside = name
                self.findings.warning(f"<{name}> was taken out: mails cannot hold it", line=line)
            elif inside is None:
                kept.append(child)
        if inside:
            self.findings.problem(f"<{inside}> never ends and would swallow what follows; take it out", line=line)
        return kept

    def _check_inline(self, token: Token, line: int) -> None:
        if token.type == "link_open":
            self._check_link(str(token.attrs.get("href", "")), line)
        elif token.type == "image":
            pictures.prepare(token, line, self.pictures, self.findings)
        elif token.type == "html_inline":
            self._check_raw_links(token.content, line)
            token.content = rawhtml.clean(token.content, line, self.findings)
        elif token.type == "footnote_ref":
            self.references.append(notes.Reference(token.meta.get("label"), line))

    def _check_raw_links(self, content: str, line: int) -> None:
        for href in rawhtml.hrefs(content):
            self._check_link(href, line)

    def _check_link(self, href: str, line: int) -> None:
        links.check(href, line, self.findings)
        if href.startswith("#"):
            self.jumps.append((unquote(href[1:]), line))


def _with_lines(parsed: Parsed) -> Iterator[tuple[int, Token]]:
    """Every inline token with its line in the author's file."""
    for child in parsed.title or []:
        yield parsed.title_line, child
    line = 1
    for token in (*parsed.body, *parsed.notes):
        line = token.map[0] + 1 if token.map else line
        at = line
        for child in token.children or []:
            yield at, child
            at += child.type in ("softbreak", "hardbreak")


def _make_figures(tokens: list[Token]) -> None:
    """A picture alone in its paragraph, with a title, becomes a figure with that title as its caption."""
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        children = inline.children or []
        if opening.type != "paragraph_open" or len(children) != 1 or children[0].type != "image":
            continue
        title = children[0].attrs.get("title", "")
        if not title or title == pictures.DECORATIVE:
            continue
        del children[0].attrs["title"]
        opening.tag = closing.tag = "figure"
        opening.hidden = closing.hidden = False
        children += [
            Token("figcaption_open", "figcaption", 1),
            Token("text", "", 0, content=str(title)),
            Token("figcaption_close", "figcaption", -1),
        ]
