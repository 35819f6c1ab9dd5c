"""Reads drafts back through a Markdown parser, as a reader would see them, and holds that no word of a text is lost."""

from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

from service.rendering.drafts import draft_from_text
from tests.forms import some


@dataclass
class Seen:
    """`notes` are the texts of the notes, in the order of their first reference; `references` the number of marks of each."""

    headings: list[tuple[int, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    references: list[int] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        return "\n".join(self.words)


def read(markdown: str) -> Seen:
    seen = Seen()
    in_notes, level = False, 0
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).use(footnote_plugin).parse(markdown):
        seen.kinds.add(token.type)
        in_notes = in_notes or token.type == "footnote_block_open"
        level = int(token.tag[1]) if token.type == "heading_open" else 0 if token.type == "heading_close" else level
        if token.type == "footnote_open":
            seen.notes.append("")
        if token.type in ("code_block", "fence", "html_block"):
            seen.words.append(token.content)
        if token.type != "inline":
            continue
        text = _text(token, seen)
        if in_notes:
            seen.notes[-1] += text
            continue
        seen.words.append(text)
        if level:
            seen.headings.append((level, text))
    return seen


def _text(inline: Token, seen: Seen) -> str:
    out = []
    for token in inline.children or []:
        seen.kinds.add(token.type)
        if token.type == "link_open":
            seen.links.append(str(token.attrs["href"]))
        if token.type == "footnote_ref":
            note = int(token.meta["id"])
            seen.references += [0] * (note + 1 - len(seen.references))
            seen.references[note] += 1
        out.append(
            "\n" if token.type in ("softbreak", "hardbreak") else token.content if token.type != "footnote_ref" else ""
        )
    return "".join(out)


def letters_of(text: str) -> str:
    """The characters that are not space."""
    return "".join(text.split())


# Signs that may be recognised as the marker of an item, a quotation or a rule, and then have no letters of their own.
MARKERS = frozenset("-*+•·–—▪◦●○‣⁃■□>=~_0123456789.)")
_PIECES = (
    "word Word WORD words. 1. 12) (a) # ## - + * ** *a* _a_ __a__ a_b ``` ` ~~~ ~~a~~ --- === *** | a|b |-|-| <b> </div> <!-- "
    "<http://x> &amp; &#35; & \\ \\\\ [x] [x]: [^1] [^1]: ^[x] ![x](y) (y) {{ }} {{{ {{first_name}} \\{{ http://a.example/x_(y) "
    'https://b.example/?q=1&r=2. d_e@f.example 中文 中文。 （一） 第一章 一、 > >> : :- \u00a0 \u3000 \f \t ¹ m² Title Dear \u200b é "q"'
)
PIECES = st.sampled_from(_PIECES.split(" "))
LINES = st.lists(PIECES, min_size=0, max_size=7).map(" ".join)
INDENTED = st.tuples(st.sampled_from(["", "", "", " ", "  ", "    ", "\t", "\u3000\u3000"]), LINES).map("".join)
TEXTS = st.lists(
    st.one_of(INDENTED, st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)), max_size=14
).map("\n".join)


def shown(text: str) -> str:
    """The letters a reader sees."""
    seen = read(draft_from_text(text).markdown)
    assert not seen.kinds & {
        "code_block",
        "fence",
        "html_block",
        "code_inline",
        "html_inline",
        "table_open",
        "em_open",
        "image",
        "s_open",
    }
    assert not seen.references
    return letters_of(seen.text)


def has_no_contents_or_notes(text: str) -> bool:
    return not any(
        "contents list" in note.text or note.text.startswith("note ") for note in draft_from_text(text).report
    )


@given(TEXTS)
@settings(max_examples=some(600), deadline=None)
def test_no_letter_of_a_text_is_lost_changed_or_moved(text: str) -> None:
    assume(has_no_contents_or_notes(text))
    without = {ord(sign): None for sign in MARKERS} | {0xFEFF: None}
    assert shown(text).translate(without) == letters_of(text).translate(without)


@given(st.lists(LINES.map(lambda line: "Ab " + line), max_size=12).map("\n\n".join))
@settings(max_examples=some(400), deadline=None)
def test_where_no_line_opens_with_a_marker_every_sign_is_kept(text: str) -> None:
    assume(has_no_contents_or_notes(text))
    assert shown(text) == letters_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "# a",
        "1. a b",
        "1986. A year",
        "- a",
        "---",
        "a\n---",
        "a\n===",
        "    code",
        "<div>",
        "[a]: b",
        "![a](b)",
        "a  \nb",
        "&copy;",
        "a | b\n--|--",
    ],
)
def test_what_markdown_would_misread_says_what_it_said(text: str) -> None:
    after = "Ab " + text.replace("\n", "\nAb ")
    assert shown(after) == letters_of(after)
