"""What containers, quotations and tables become in the mail's HTML."""

import re

import pytest
from playwright.sync_api import Browser

from service.domain.personalisation import PLACEHOLDER
from service.rendering import commonmark, outlook
from service.rendering.blocks import build
from service.rendering.sanitising import sanitise
from tests.rendering.rendered import content, page, problems, rendered

COLUMNS = "::: columns\n::: column\n{0}\n:::\n::: column\n{1}\n:::\n:::"
BUTTON = "::: button\n[Read & learn](https://a.example/?a=1&b=2)\n:::"
AUTHOR = "::: author\n![Lin Ruoxi](a.png)\n**Lin Ruoxi** 林若溪\nPartner, Shanghai\n<lin@a.example>\n:::"


def test_a_callout_is_a_framed_cell_with_its_title() -> None:
    root = content(rendered("::: callout By *Friday*\nFile it.\n\n- one\n:::"))
    [cell] = root.cssselect("table.callout[role=presentation][width='100%'] > tr > td.callout-cell")
    assert [child.tag for child in cell] == ["p", "p", "ul"]
    assert cell[0].get("class") == "callout-title"
    assert cell[0].cssselect("em")[0].text == "Friday"
    assert not content(rendered("::: callout\nFile it.\n:::")).cssselect(".callout-title")


def test_notes_in_a_title_a_column_and_the_text_are_numbered_in_their_order() -> None:
    text = "A[^a]\n\n::: callout B[^b]\nC[^c]\n:::\n\n" + COLUMNS.format("D[^d]", "E[^a]") + "\n\n"
    result = rendered(text + "".join(f"[^{name}]: Note {name}\n" for name in "dcba"))
    marks = [link.text for link in content(result).cssselect("sup a[href]")]
    assert marks == ["1", "2", "3", "4", "1"]
    assert [li.text_content().split()[1] for li in page(result).cssselect(".notes li")] == ["a", "b", "c", "d"]


def test_a_button_is_a_link_and_for_outlook_a_drawn_one() -> None:
    html = rendered(BUTTON).html
    [link] = content(rendered(BUTTON)).cssselect("div.button-row > a.button")
    assert (link.get("href"), link.text) == ("https://a.example/?a=1&b=2", "Read & learn")
    [drawn] = re.findall(r"<!--\[if mso\]>(<v:roundrect.*?</v:roundrect>)<!\[endif\]-->", html)
    assert 'href="https://a.example/?a=1&amp;b=2"' in drawn
    assert ">Read &amp; learn</center>" in drawn
    assert re.search(r"<!--\[if !mso\]><!--><a [^>]*>Read &amp; learn</a><!--<!\[endif\]-->", html)


def test_a_tag_in_a_button_has_its_place_in_both_and_is_encoded_for_links() -> None:
    result = rendered(
        '::: button\n[For {{ first_name | default: "you" }}](https://a.example/?n={{ first_name | default: "x" }})\n:::'
    )
    by_place = {tag.placeholder: tag.context for tag in result.tags}
    [drawn] = re.findall(r"<v:roundrect.*?</v:roundrect>", result.html)
    [link] = content(result).cssselect("a.button")
    places = PLACEHOLDER.findall(drawn)
    assert [by_place[place] for place in places] == ["url", "html"]
    assert PLACEHOLDER.findall(link.get("href") + link.text) == places


def test_a_long_label_makes_a_wider_drawn_button_and_chinese_a_wider_one_than_latin() -> None:
    def width(label: str) -> int:
        html = rendered(f"::: button\n[{label}](https://a.example)\n:::").html
        return int(re.findall(r"width:([0-9]+)px;v-text-anchor", html)[0])

    assert width("Go") < width("Go there now") < width("下载中英文对照的清单来看看")


def test_nothing_an_author_writes_ends_a_comment_for_outlook() -> None:
    label = "a --> b --!> \\<!-- c \\<!\\[endif\\]--> %%brand_button%%"
    html = rendered(f"::: button\n[{label}](<https://a.example/--\\>--!%%brand_button%%>)\n:::").html
    [comment] = re.findall(r"<!--\[if mso\]><v:roundrect.*?-->", html)
    assert comment.endswith("</v:roundrect><![endif]-->")
    assert "--" not in comment[4:-3]
    assert comment.count("brand_button%%") <= 2
    [link] = page(rendered(f"::: button\n[{label}](https://a.example)\n:::")).cssselect("a.button")
    assert link.text == label.replace("\\", "")


def test_signs_of_per_cent_are_slots_in_our_comments_only() -> None:
    md = commonmark.parser()
    tree = build(md, commonmark.parse(md, f"%%brand_button%% `%%x%%` [%%a%%](https://a.example/%%b)\n\n{BUTTON}").body)
    html = outlook.dressed_html(tree)
    assert html.count("%%brand_button%%") == html.count("%%on_brand_button%%") == 1
    assert html.count("%%") == 4
    assert html.index("<!--[if mso]>") < html.index("%%") < html.rindex("%%") < html.index("<![endif]-->")


def test_columns_stand_side_by_side_for_outlook_by_a_table_and_elsewhere_by_themselves() -> None:
    html = rendered(COLUMNS.format("Left", "Right")).html
    [row] = re.findall(r'<div class="columns"[^>]*>.*?</table><!\[endif\]-->', html, re.DOTALL)
    assert row.count('<td width="50%" valign="top"><![endif]-->') == 2
    assert row.count("</td>") == 2
    assert re.findall(r"max-width: ?([0-9]+)px", row) == ["262", "262"]
    three = COLUMNS.format("a", "b").removesuffix(":::") + "::: column\nc\n:::\n:::"
    assert re.findall(r"max-width: ?([0-9]+)px", rendered(three).html.split('class="columns"')[1])[:3] == ["170"] * 3


def test_an_author_is_a_portrait_and_lines() -> None:
    [table] = content(rendered(AUTHOR)).cssselect("table.author[role=presentation]")
    [portrait] = table.cssselect("tr > td.author-portrait[width='88'] > img")
    assert (portrait.get("width"), portrait.get("height"), portrait.get("alt")) == ("72", "28", "Lin Ruoxi")
    words = table.cssselect("tr > td.author-words > p")
    assert [(p.get("class"), p.text_content()) for p in words] == [
        ("author-name", "Lin Ruoxi 林若溪"),
        ("author-line", "Partner, Shanghai"),
        ("author-line", "lin@a.example"),
    ]
    assert words[0].cssselect("span[lang=zh-Hans]")[0].text == "林若溪"


@pytest.mark.parametrize(
    "picture", ["", "![Ada](a.png)\n\n", "[![Ada](a.png)](https://a.example)\n", '![Ada](a.png "At work")\n\n']
)
def test_an_author_may_lack_a_portrait_or_have_one_with_a_link_or_a_caption(picture: str) -> None:
    [table] = content(rendered(f"::: author\n{picture}**Ada Lane**\\\nCounsel\n\n- item\n\nLast\n:::")).cssselect(
        ".author"
    )
    assert len(table.cssselect(".author-portrait img")) == bool(picture)
    assert table.cssselect(".author-name")[0].text_content() == "Ada Lane"
    words = " ".join(" ".join(table.cssselect(".author-words")[0].itertext()).split())
    assert words.endswith("Ada Lane Counsel item Last")
    assert ("At work" in words) == ("At work" in picture)


def test_a_card_has_its_picture_above_its_words() -> None:
    for picture in ("![A harbour](a.png)", '![A harbour](a.png "Caption")'):
        [card] = content(rendered(f"::: card\n{picture}\n\n### Head\n\nWords\n:::")).cssselect("table.card")
        [above, below] = card.cssselect("tr > td")
        assert (above.get("class"), below.get("class")) == ("card-picture", "card-words")
        assert above.cssselect("img[alt='A harbour']")
        assert ("Caption" in above.text_content()) == ("Caption" in picture)
        assert [child.tag for child in below] == ["h3", "p"]
    [card] = content(rendered("::: card\nWords ![A harbour](a.png)\n:::")).cssselect("table.card")
    assert not card.cssselect(".card-picture")
    assert card.cssselect(".card-words img")


def test_a_picture_is_no_wider_than_its_place() -> None:
    """Outlook for Windows widens the place instead."""
    pictured = "![A harbour](a.png)"
    for text, widest in (
        (pictured, 536),
        (f"::: callout\n{pictured}\n:::", 488),
        (COLUMNS.format(pictured, "Words"), 238),
        (COLUMNS.format(f"::: callout\n{pictured}\n:::", "Words"), 190),
    ):
        [image] = content(rendered(text)).cssselect("img")
        assert (image.get("width"), image.get("height")) == (str(widest), str(round(widest * 420 / 1072)))


@pytest.mark.parametrize("between", ["\n> — ", "\n>\n> — ", "\\\n> ― "])
def test_the_last_line_of_a_quotation_that_begins_with_a_dash_is_its_source(between: str) -> None:
    [quotation] = content(rendered(f"> One line\n> and *another*.{between}The Commissioner")).cssselect("blockquote")
    assert [p.get("class") for p in quotation] == [None, "quote-source"]
    assert quotation[0].text_content() == "One line\nand another."
    assert quotation[1].text_content()[2:] == "The Commissioner"
    for plain in ("> — Only words", "> One — two\n> three", "> *One\n> — two*"):
        assert not content(rendered(plain)).cssselect(".quote-source")


def test_a_table_of_data_says_what_its_headings_are_for() -> None:
    [table] = content(rendered("| A | B |\n|---|---|\n| 1 | 2 |")).cssselect("table.data")
    assert [th.get("scope") for th in table.cssselect("th")] == ["col", "col"]
    raw = "<table><tr><th>A</th></tr><tr><th>B</th><td>1</td></tr></table>"
    [table] = content(rendered(raw)).cssselect("table.data")
    assert [th.get("scope") for th in table.cssselect("th")] == ["col", "row"]


@pytest.mark.browser
def test_a_table_of_many_columns_does_not_widen_the_mail(chromium: Browser) -> None:
    cells = "| Administrative | Bundesdatenschutzgesetz | compliance@harbourlane.example " * 2 + "|"
    wide = f"{cells}\n{'|---' * 6}|\n{cells}"
    html = rendered(f"{wide}\n\n{COLUMNS.format(wide, 'Words')}\n\n::: callout\n{wide}\n:::").html
    for width in (375, 720):
        tab = chromium.new_page(viewport={"width": width, "height": 800}, offline=True)
        tab.set_content(html, wait_until="domcontentloaded")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.close()


@pytest.mark.parametrize("name", ["callout", "columns", "button-row", "author", "card", "contents", "data"])
def test_an_author_cannot_write_what_we_make(name: str) -> None:
    for tag in ("div", "table", "a", "p"):
        raw = f'<{tag} class="{name}" data-x="1" role="presentation" style="color:red">canary</{tag}>'
        root = content(rendered(f"Text {raw}\n\n{raw}\n\n::: callout {raw}\n{raw}\n:::"))
        dressed = [one for one in root.iter() if "canary" in (one.text or "")]
        assert all(one.get("class") in (None, "callout-title", "callout-cell") for one in dressed)
        assert not root.cssselect("[data-x]")


def test_html_in_a_container_cannot_reach_out_of_it() -> None:
    for raw in ("</td></tr></table></div>", "<table><tr><td>", "<div><blockquote>", "<ul><li><table>"):
        root = content(rendered(f"{raw}\n\n::: callout\nIn\n\n{raw}\n\nmore\n:::\n\nAfter\n\n{BUTTON}"))
        [callout] = root.cssselect("table.callout")
        assert "more" in callout.text_content()
        assert "After" not in callout.text_content()
        assert callout.getparent() is root
        assert root.cssselect(".button-row")[0].getparent() is root


def test_frozen_html_keeps_our_classes_and_no_others() -> None:
    tree = sanitise('<p class="callout-title canary">a</p><p class="title">b</p><div class="data">c</div>', frozen=True)
    assert [one.get("class") or None for one in tree] == ["callout-title", None, None]
    assert not sanitise('<p class="callout-title">a</p>')[0].get("class")


def test_an_unknown_word_after_a_fence_never_becomes_a_class() -> None:
    assert "there is no container" in problems('::: callout" onclick="x\nWords\n:::')


@pytest.mark.parametrize(
    "markdown",
    [
        "::: contents\nword\n:::",
        "::: unknown\nword\n:::",
        "::: columns\nword\n:::",
        "::: columns\n::: card\nword\n:::\n:::",
        "::: columns\n:::\n\nword",
        "::: column\nword\n:::",
        "::: button\nword\n:::",
        "::: button\nword [a](https://a.example) word\n:::",
        "::: author\n- word\n:::",
        "::: card\n![A](a.png)\n:::\nword",
        "- ::: callout word\n  word\n  :::",
    ],
)
def test_even_what_is_refused_is_built_without_losing_a_word(markdown: str) -> None:
    """So that whoever shows a text with its problems shows all of it."""
    md = commonmark.parser()
    tree = build(md, commonmark.parse(md, markdown).body)
    assert tree.text_content().count("word") == markdown.count("word")


@pytest.mark.browser
def test_columns_stand_beside_each_other_on_desks_and_below_on_phones(chromium: Browser) -> None:
    html = rendered(COLUMNS.format("Left", "Right")).html
    tops = "[...document.querySelectorAll('.column')].map(one => one.getBoundingClientRect().top)"
    for width, beside in ((375, False), (720, True)):
        tab = chromium.new_page(viewport={"width": width, "height": 800}, offline=True)
        tab.set_content(html, wait_until="domcontentloaded")
        left, right = tab.evaluate(tops)
        assert (left == right) == beside
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.close()
