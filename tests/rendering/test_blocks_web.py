"""The blocks of a mail as the archive shows them."""

import lxml.html
import pytest
from lxml.html import HtmlElement
from playwright.sync_api import Browser

from service.rendering.webpage import WebPage, Words, web_page
from service.settings import ROOT
from tests.rendering.rendered import rendered

EVERYTHING = """::: contents
:::

## Part

Text[^a].

::: callout By *Friday*[^a]
File it.

::: button
[Read the guide](https://a.example/guide)
:::
:::

> Words.
> — The Commissioner

::: columns
::: column
### Left
Words on the left, which are a few more than fit a line.
:::
::: column
### Right
![A harbour](a.png)
:::
:::

## Main

| Where | What | When | Who | Why |
|---|---|---|---|---|
| Northmere | 72 hours | 1 January | Data Commissioner | Breach notification duties |

::: card
![A harbour](a.png)
### A card
Words.
:::

::: author
![Lin Ruoxi](a.png)
**Lin Ruoxi** 林若溪
Partner, Shanghai
:::

[^a]: A note.
"""
WORDS = Words(back="Back", note="Note %(number)s", table="Table", picture="Picture")


def _page(markdown: str) -> WebPage:
    result = rendered(markdown, has_archive=True)
    return web_page(result.html, result.tags, language="en", media=str, words=WORDS)


def _body(markdown: str) -> HtmlElement:
    return lxml.html.fragment_fromstring(_page(markdown).body, create_parent="div")


def test_every_block_is_a_box_of_its_name_without_tables_or_styles() -> None:
    root = _body(EVERYTHING)
    for path in (
        ".callout > .callout-cell > .callout-title",
        ".callout .button-row > a.button[href='https://a.example/guide']",
        "blockquote > p.quote-source",
        ".columns > .column + .column",
        ".card > .card-picture > img",
        ".card > .card-picture + .card-words > h3",
        ".author > .author-portrait > img",
        ".author > .author-portrait + .author-words > .author-name + .author-line",
        ".contents > .contents-title + ul > li > a",
    ):
        assert root.cssselect(path), path
    assert [table.getparent().get("class") for table in root.iter("table")] == ["wide"]
    assert not root.cssselect("[style], [bgcolor], [cellpadding], [role=presentation]")


def test_nothing_that_was_for_outlook_is_left() -> None:
    page = _page(EVERYTHING)
    assert "mso" not in page.body
    assert "roundrect" not in page.body
    assert page.body.count("Read the guide") == 1
    assert "<!--" not in page.body


def test_the_authors_list_of_contents_arrives_and_stands_alone() -> None:
    page = _page(EVERYTHING)
    root = lxml.html.fragment_fromstring(page.body, create_parent="div")
    for link in root.cssselect(".contents a"):
        [heading] = root.xpath(f"//*[@id='{link.get('href')[1:]}']")
        assert heading.text_content().strip() == link.text_content()
    assert page.sections == ()
    assert _page("## One\n\n## Two").sections


def test_an_authors_own_classes_are_in_no_page() -> None:
    assert "canary" not in _page('Text <b class="canary button">x</b>\n\n<div class="callout canary">y</div>').body
    assert not _body('<div class="callout">y</div>').cssselect(".callout")


@pytest.mark.browser
def test_no_block_is_wider_than_a_phone_and_columns_stand_below_each_other_there(chromium: Browser) -> None:
    styles = [(ROOT / "service/web/static" / name).read_text() for name in ("public.css", "archive.css")]
    html = f"<!DOCTYPE html><html lang=en><style>{''.join(styles)}</style><main><article class=letter>{_page(EVERYTHING).body}</article></main>"
    tops = "[...document.querySelectorAll('.column')].map(one => one.getBoundingClientRect().top)"
    for width, beside in ((320, False), (375, False), (1000, True)):
        tab = chromium.new_page(viewport={"width": width, "height": 800}, offline=True)
        tab.set_content(html, wait_until="domcontentloaded")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        left, right = tab.evaluate(tops)
        assert (left == right) == beside
        tab.close()
