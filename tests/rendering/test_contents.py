"""The list of an issue's headings."""

from urllib.parse import unquote

from tests.rendering.rendered import content, page, rendered

LIST = "::: contents\n:::\n\n"


def _lines(markdown: str) -> list[tuple[str, str]]:
    root = content(rendered(LIST + markdown))
    return [(unquote(str(link.get("href"))), link.text_content()) for link in root.cssselect(".contents li a")]


def test_every_line_leads_to_a_heading_of_its_own() -> None:
    markdown = "## Same *words*\n\n### Item[^a]\n\n## Same words\n\n## 立法\n\n## !!!\n\n[^a]: Note"
    lines = _lines(markdown)
    assert lines == [
        ("#same-words", "Same words"),
        ("#item", "Item"),
        ("#same-words-2", "Same words"),
        ("#立法", "立法"),
        ("#part", "!!!"),
    ]
    root = page(rendered(LIST + markdown))
    for href, _words in lines:
        assert len(root.xpath(f"//*[@id='{href[1:]}']")) == 1
        assert len([one for one in root.iter("a") if unquote(one.get("name") or "") == href[1:]]) == 1


def test_links_of_the_list_are_kept_from_click_tracking() -> None:
    assert '<a clicktracking="off" href="#part"' in rendered(LIST + "## Part").html


def test_a_long_list_names_the_sections_only() -> None:
    twelve = "## Part\n\n" + "### Item\n\n" * 11
    assert len(_lines(twelve)) == 12
    assert [words for _href, words in _lines(twelve + "### Item")] == ["Part"]


def test_items_stand_below_their_section() -> None:
    root = content(rendered(LIST + "## A\n\n### B\n\n#### C\n\n## D"))
    assert [item.text_content() for item in root.cssselect(".contents > ul > li > ul > li")] == ["B"]
    assert len(root.cssselect(".contents > ul > li")) == 2


def test_no_place_is_taken_twice_not_even_by_a_note_or_by_the_author() -> None:
    markdown = '## Fn 1\n\nText[^a] <b id="part">x</b> [jump](#part) [back](#fn-1)\n\n## Part\n\n[^a]: Note'
    root = page(rendered(LIST + markdown))
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert [link.get("href") for link in root.cssselect(".contents a")] == ["#part-fn-1", "#part-2"]


def test_a_tag_in_a_heading_has_no_part_in_its_place() -> None:
    [(href, words)] = _lines('## For {{ first_name | default: "you" }} today')
    assert href == "#for-today"
    assert words.startswith("For bsmt")


def test_an_authors_own_jump_arrives_with_and_without_a_list() -> None:
    markdown = "[x](#item) [y](#other)\n\n## Item[^a]\n\n## Other\n\n[^a]: Note"
    for before in (LIST, ""):
        root = page(rendered(before + markdown))
        assert root.cssselect("h2#item a[name=item]")
        assert root.cssselect("h2#other a[name=other]")


def test_a_heading_with_a_place_of_its_authors_keeps_it_and_gets_the_one_that_is_asked_for() -> None:
    root = page(rendered(LIST + '[x](#part) [y](#mine)\n\n<h2 id="mine">Part</h2>\n\nText'))
    [heading] = root.cssselect("h2#mine")
    assert heading.cssselect("a#part[name=part]")
    assert root.cssselect(".contents a")[0].get("href") == "#mine"


def test_headings_in_a_card_are_listed_and_those_in_a_callout_or_quotation_are_not() -> None:
    markdown = (
        "::: card\n## In a card\n\nx\n:::\n\n::: callout\n## In a callout\n\nx\n:::\n\n> ## In a quotation\n>\n> x"
    )
    assert [words for _href, words in _lines(markdown)] == ["In a card"]


def test_the_list_says_what_it_is_in_the_newsletters_language() -> None:
    for language, said in (
        ("en", "In this issue"),
        ("zh-Hans", "本期内容"),
        ("de", "In dieser Ausgabe"),
        ("fr", "Dans ce numéro"),
    ):
        result = rendered(LIST + "## Part", language=language)
        assert content(result).cssselect(".contents > p.contents-title")[0].text_content() == said
        assert f"{said}\n\n* Part\n\nPart\n----" in result.text
