"""Markdown, rendered, read back: the same Markdown. Editing never damages tags, notes or links."""

import html
import re
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.rendering import commonmark
from service.rendering.incoming_document import (
    Block,
    Cell,
    Document,
    Heading,
    Listing,
    Paragraph,
    Piece,
    Quotation,
    Rule,
    Table,
)
from service.rendering.incoming_html import draft_from_html
from service.rendering.incoming_markdown import markdown
from service.rendering.incoming_pieces import merged, paragraphs
from service.rendering.incoming_tags import Tags
from service.rendering.inspecting import Inspector
from service.rendering.pictures import Picture
from service.rendering.problems import Findings
from tests.forms import some

TAGS = (
    '{{ first_name | default: "reader" }}',
    "{{ office }}",
    '{{ last_name | upcase | default: "you" }}',
    "{% if office %}",
)
MARK = re.compile(r"bsmt(\d+)x")


def page_of(text: str) -> str:
    """The HTML of the title, the body and the notes of a Markdown text, before it is poured into a design."""
    found: list[str] = []

    def mark(tag: re.Match[str]) -> str:
        found.append(tag.group())
        return f"bsmt{len(found) - 1}x"

    md = commonmark.parser()
    parsed = commonmark.parse(md, re.sub(r"\{\{.*?\}\}|\{%.*?%\}", mark, text))
    Inspector({"a.png": Picture("a.png", 10, 10)}, Findings()).inspect(parsed)
    title = f"<h1>{commonmark.inline_html_of(md, parsed.title)}</h1>" if parsed.title is not None else ""
    page = title + commonmark.html_of(md, parsed.body) + commonmark.html_of(md, parsed.notes)
    return MARK.sub(lambda at: html.escape(found[int(at.group(1))]), page)


def read_back(text: str) -> str:
    return draft_from_html(page_of(text)).markdown


TABLE_OF_TAGS = Tags()
TABLE_OF_TAGS.hide("".join(TAGS))  # what is drawn must not depend on what was drawn before
WORDS = st.text(
    alphabet=st.sampled_from(list("abcXYZ012 .,:;!?()[]}*_`<>#+-=~|\\/&\"'“”’—–中文：。《》éß $%^@1234.")),
    min_size=1,
    max_size=14,
)
LOOKS = st.sets(st.sampled_from(["strong", "em", "sup", "del"]), max_size=2).map(frozenset)
ADDRESSES = (
    "https://a.example/x_y?a=1&b=(2)",
    "https://a.example/?n={{ office }}",
    "mailto:mei@firm.example",
    "#the-end",
)
LINKS = st.sampled_from([None, None, None, *ADDRESSES]).map(lambda link: link and TABLE_OF_TAGS.hide(link))


@st.composite
def pieces(draw: st.DrawFn, labels: int = 0) -> list[Piece]:
    out: list[Piece] = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["text"] * 6 + ["tag", "note", "break", "picture", "code", "url"]))
        looks, link = draw(LOOKS), draw(LINKS)
        if kind == "tag":
            out.append(Piece("text", draw(st.sampled_from(TAGS)), looks, None))
        elif kind == "note" and labels:
            out.append(Piece("note", str(draw(st.integers(1, labels))), looks - {"sup"}))
        elif kind == "break":
            out.append(Piece("break"))
        elif kind == "picture":
            out.append(
                Piece(
                    "picture", "a.png", alt="A [harbour] *at* dusk", title=draw(st.sampled_from(["", 'The "old" quay']))
                )
            )
        elif kind == "code":
            out.append(Piece("text", draw(st.sampled_from(["a_b", "x ` y", "<p>", "a|b"])), frozenset({"code"})))
        elif kind == "url":
            out.append(
                Piece("text", draw(st.sampled_from(["https://x.example/a_b", "https://y.example/?q=1."])), looks)
            )
        else:
            out.append(Piece("text", draw(WORDS), looks, link))
    return out


def flowing(labels: int) -> st.SearchStrategy[list[Piece]]:
    """Pieces in the order that the reader leaves them in, and not without words."""

    def tidy(raw: list[Piece]) -> list[Piece]:
        found = paragraphs(raw, TABLE_OF_TAGS)
        return found[0] if found else []

    return pieces(labels).map(tidy).filter(lambda found: any(p.kind == "text" and p.text.strip() for p in found))


def blocks(labels: int) -> st.SearchStrategy[list[Block]]:
    words = flowing(labels)
    line = words.map(lambda found: [p for p in found if p.kind != "break"]).filter(bool)
    plain: st.SearchStrategy[Block] = words.map(Paragraph)
    inner = st.recursive(
        plain,
        lambda below: st.one_of(
            st.lists(below, min_size=1, max_size=2).map(Quotation),
            st.builds(
                Listing,
                st.sampled_from([None, None, 1, 3]),
                st.lists(st.tuples(plain, below).map(list) | st.tuples(plain).map(list), min_size=1, max_size=3),
            ),
        ),
        max_leaves=5,
    )
    begun = line.map(lambda found: merged([Piece("text", "On "), *found]))  # all in bold it would be made plain
    heading = st.builds(Heading, st.integers(2, 4), begun)
    row = st.lists(begun.map(Cell), min_size=2, max_size=2)
    aligned = st.lists(st.sampled_from(["", "left", "center", "right"]), min_size=2, max_size=2)
    table = st.builds(Table, st.lists(row, min_size=2, max_size=3), aligned)
    return st.lists(st.one_of(inner, heading, table, st.just(Rule())), min_size=1, max_size=5)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A whole Markdown text as an author could have written it."""
    labels = draw(st.integers(0, 3))
    notes: dict[str, Sequence[Block]] = {str(n): [Paragraph(draw(flowing(0)))] for n in range(1, labels + 1)}
    last: list[Block] = [Heading(2, [Piece("text", "The end")]), Paragraph([Piece("text", "Goodbye.")])]
    return TABLE_OF_TAGS.show(markdown(Document([*draw(blocks(labels)), *last], notes)))


@settings(max_examples=some(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(texts())
def test_a_text_read_back_from_its_page_is_the_same_ever_after(text: str) -> None:
    page = page_of(text)
    once = read_back(text)
    assert read_back(once) == once, f"{text}\n----\n{page}"


@settings(max_examples=some(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(texts())
def test_reading_back_changes_no_word_look_link_tag_or_note(text: str) -> None:
    """The page of what was read back is the page of the text itself, but for what pages do not show."""
    once = read_back(text)
    assert _seen(page_of(once)) == _seen(page_of(text)), f"{text}\n----\n{once}"


def _seen(page: str) -> str:
    return re.sub(r"\s+", " ", page)
