"""premailer is held against css-inline, another program by other people: what Chromium computes for each element must be the
same, on every design and on documents that nobody thought of."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import css_inline
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from service.rendering import inlining
from service.rendering.design_files import DESIGNS
from tests.rendering.rendered import rendered
from tests.rendering.test_purity import TEXT

pytestmark = pytest.mark.browser
COMPUTED = """() => [...document.querySelectorAll('body, body *')].map(element => {
    const found = getComputedStyle(element), kept = {};
    for (const name of %s) kept[name] = found.getPropertyValue(name);
    return [element.tagName, element.textContent.replace(/\\s+/g, '').slice(0, 30), kept];
})"""
PROPERTIES = re.findall(
    r"\S+",
    "background-color border-top-width border-top-color border-top-style border-bottom-width border-bottom-color border-bottom-style"
    " border-left-width border-left-color border-collapse color display float font-family font-size font-style font-weight"
    " letter-spacing line-height list-style-type margin-top margin-right margin-bottom margin-left max-width overflow-wrap opacity"
    " padding-top padding-right padding-bottom padding-left table-layout text-align text-decoration-line text-indent text-transform"
    " vertical-align white-space width word-break",
)
KNOWN = {
    "leaves out selectors that begin with *": "*.note { color: red } p { color: blue }",
    "counts :first-child for nothing when rules compete": "p:first-child { color: red } div p { color: blue }",
    "counts an attribute for nothing when rules compete": "p[class] { color: red } .note { color: blue }",
}
"""What premailer does and css-inline does not, with a style sheet that shows it. No design is touched by either: that they look
the same is held below. Heights are not compared: they follow from white space between elements, which premailer writes anew."""


@pytest.fixture(scope="module")
def computed(chromium: Browser) -> Iterator[Callable[[str], list[Any]]]:
    """What Chromium makes of every element of a page."""
    page: Page = chromium.new_page(viewport={"width": 680, "height": 800})
    page.route("**/*", lambda route: route.abort())

    def look(html: str) -> list[Any]:
        page.set_content(html, wait_until="domcontentloaded")
        found: list[Any] = page.evaluate(COMPUTED % PROPERTIES)
        return found

    yield look
    page.close()


def by_the_other(page: str) -> str:
    """The page as css-inline inlines it. It knows its own mark for style that stays where it is."""
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)
    return inliner.inline(page.replace("data-premailer=", "data-css-inline="))


def differences(page: str, computed: Callable[[str], list[Any]]) -> list[str]:
    """Where the two differ, in words."""
    ours, theirs = computed(inlining.inline_styles(page)), computed(by_the_other(page))
    assert [one[:2] for one in ours] == [one[:2] for one in theirs], "they made different trees"
    return [
        f"{tag} “{words}”: {name} is {mine[name]} with premailer, {other[name]} with css-inline"
        for (tag, words, mine), (_tag, _words, other) in zip(ours, theirs, strict=True)
        for name in PROPERTIES
        if mine[name] != other[name]
    ]


@pytest.mark.parametrize("design", sorted(path.parent.name for path in DESIGNS.glob("*/layout.html")))
def test_every_design_looks_the_same_by_either(design: str, computed: Callable[[str], list[Any]]) -> None:
    pages: list[str] = []
    with inlining.watched(pages.append):
        rendered(TEXT, fields=("office",), design=design, has_archive=True)
    assert differences(pages[0], computed) == []


_CLASSES = ("lead", "box", "note")
_WORDS = st.sampled_from(
    ["word", "中文新闻", "a &amp; b", "&nbsp;", "&lt;b&gt;", "ß ǆ", "<!-- said aside -->", "x<br>y"]
)
_ATTRIBUTES = st.lists(
    st.sampled_from(
        [*(f'class="{name}"' for name in _CLASSES), 'class="lead box"', 'align="right"', 'lang="zh-Hans"', 'style="color: #010203"', 'style="margin: 1px"', 'title="x > y"']
    ),
    max_size=2,
    unique_by=lambda text: text.split("=")[0],
)  # fmt: skip
_SELECTORS = st.sampled_from(
    [
        "p", "td", "li", "a", "h2", ".lead", ".box", ".note", ".lead.box", ".box p", ".note li", "td.lead", "a[href]", 'td[align="right"]',
        "ul > li", ".box, .note", "div p", "div div", "table td p", "[lang]", "h2 + p", "th, td",
    ]
)  # fmt: skip
_FIRSTS = st.sampled_from(
    ["p:first-child { text-indent: 3px }", "td:first-child { text-indent: 5px }", "li:first-child { text-indent: 7px }"]
)
_DECLARATIONS = st.sampled_from(
    [
        "color: #123456", "color: red", "margin: 0 0 18px", "margin-left: 7px", "margin: 4px 3px", "padding: 2px 8px", "padding-left: 0", "font-size: 17px",
        "font-weight: bold", "line-height: 28px", "border-bottom: 1px solid #d9d5cc", "border-left: 3px solid #1f3a5f", "background-color: #f1efea", "text-align: right",
        "text-align: left", "text-transform: uppercase", "letter-spacing: 1.2px", "display: block", 'font-family: Georgia, "Songti SC", serif', "vertical-align: top", "width: 50%",
    ]
)  # fmt: skip
_RULES = st.lists(
    st.tuples(_SELECTORS, st.lists(_DECLARATIONS, min_size=1, max_size=3)).map(lambda rule: f"{rule[0]} {{ {'; '.join(rule[1])} }}"),
    min_size=1,
    max_size=8,
)  # fmt: skip


def _element(name: str, inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(_ATTRIBUTES, st.lists(inside, min_size=1, max_size=3)).map(
        lambda made: f"<{' '.join([name, *made[0]])}>{''.join(made[1])}</{name}>"
    )


_LINK = _element("a href='https://www.example.com/?a=1&amp;b=2'", _WORDS).map(lambda text: text.replace("</a href='https://www.example.com/?a=1&amp;b=2'>", "</a>"))  # fmt: skip
_LINE = _WORDS | _LINK | _element("strong", _WORDS)
_BLOCK = st.recursive(
    _element("p", _LINE) | _element("h2", _WORDS),
    lambda block: _element("div", block) | _element("ul", _element("li", block | _LINE))
    | _element("table", _element("tr", _element("td", block | _LINE) | _element("th", _LINE)).map(lambda rows: f"<tbody>{rows}</tbody>")),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.slow
@settings(
    max_examples=200,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    rules=st.tuples(_RULES, st.lists(_FIRSTS, max_size=2)).map(lambda found: found[0] + found[1]),
    blocks=st.lists(_BLOCK, min_size=1, max_size=4),
)
def test_documents_that_nobody_thought_of_look_the_same_by_either(
    computed: Callable[[str], list[Any]], rules: list[str], blocks: list[str]
) -> None:
    style, body = "\n".join(rules), "\n".join(blocks)
    page = f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><style>{style}</style></head><body>{body}</body></html>'
    assert differences(page, computed) == []


def test_a_difference_would_be_seen(computed: Callable[[str], list[Any]]) -> None:
    page = "<!DOCTYPE html><html><head><style>p { color: red }</style></head><body><p>x</p></body></html>"
    changed = computed(by_the_other(page.replace("red", "blue")))
    assert computed(inlining.inline_styles(page)) != changed


@pytest.mark.parametrize("what", KNOWN)
def test_what_is_known_to_differ_still_does(what: str, computed: Callable[[str], list[Any]]) -> None:
    body = '<div><p class="note">x</p></div>'
    page = f"<!DOCTYPE html><html><head><style>{KNOWN[what]}</style></head><body>{body}</body></html>"
    assert any(": color is " in one for one in differences(page, computed))
