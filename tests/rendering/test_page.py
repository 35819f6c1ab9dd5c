"""The page as mail programs get it: what the inliner must not lose, colours, pictures, Chinese, and Chromium's view of it."""

import pytest
from playwright.sync_api import Browser

from service.domain.personalisation import PLACEHOLDER
from service.rendering.colour import contrast, readable
from service.rendering.inlining import InliningError, inline_styles
from tests.rendering.rendered import content, page, problems, rendered, sample


def test_doctype_media_queries_and_outlooks_comments_survive_the_inliner() -> None:
    html = rendered("Text").html
    assert html.startswith("<!DOCTYPE html>")
    assert "@media (prefers-color-scheme: dark) {" in html
    assert html.count("<!--[if mso]>") == 3
    assert "supported-color-schemes: light dark" in html


def test_a_page_that_the_inliner_damages_is_not_sent() -> None:
    with pytest.raises(InliningError, match="DOCTYPE"):
        inline_styles("<p>no page at all: <!DOCTYPE html></p>")


def test_placeholders_in_links_are_not_encoded() -> None:
    result = rendered('[x](https://a.example/p/{{ first_name | default: "a" }}/?q={{ language | default: "en" }}#f)')
    [link] = content(result).cssselect("a")
    assert PLACEHOLDER.sub("*", link.get("href")) == "https://a.example/p/*/?q=*#f"


def test_every_placeholder_of_the_page_is_one_of_its_tags() -> None:
    result = sample()
    known = {tag.placeholder for tag in result.tags}
    used = set(PLACEHOLDER.findall(result.html + result.text + result.subject + result.preheader))
    assert used == known


def test_a_bare_address_becomes_a_link_without_the_full_stop() -> None:
    links = content(rendered("See https://a.example/x_y_z(1), and (https://b.example/).")).cssselect("a")
    assert [link.get("href") for link in links] == ["https://a.example/x_y_z(1)", "https://b.example/"]


def test_a_picture_has_its_address_size_and_words() -> None:
    [image] = content(rendered("![A harbour](a.png)")).cssselect("img")
    assert (image.get("src"), image.get("width"), image.get("height")) == (
        "https://news.example/media/a.png",
        "536",
        "210",
    )
    assert image.get("alt") == "A harbour"


def test_a_picture_alone_with_a_title_is_a_figure_with_a_caption() -> None:
    result = rendered(
        '![A harbour](a.png "Seen *from* our {{ language | default: "en" }} office")'.replace('"en"', "'en'")
    )
    [caption] = content(result).cssselect("figure > figcaption")
    assert caption.text_content().startswith("Seen *from* our bsmt")
    assert "[Picture: A harbour]\n\nSeen *from*" in result.text


def test_a_picture_needs_words_for_who_cannot_see_it_unless_it_decorates() -> None:
    assert "line 1: the picture a.png says nothing" in problems("![](a.png)")
    [image] = content(rendered('Text ![](a.png "decorative")')).cssselect("img")
    assert image.get("alt") == ""
    assert image.get("title") is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("missing.png", "missing.png was not found beside the Markdown"),
        ("../a.png", "must lie beside the Markdown"),
        ("/etc/passwd", "must lie beside the Markdown"),
        ("data:image/png;base64,AAAA", "must lie beside the Markdown"),
        ("http://a.example/x.png", "not secure"),
        ("{{ first_name }}.png", "cannot hold a tag"),
    ],
)
def test_a_picture_that_would_not_show_is_refused(source: str, said: str) -> None:
    assert said in problems(f"![words](<{source}>)")


def test_a_picture_from_another_site_is_pointed_out() -> None:
    assert any("fetched from another site" in warning for warning in rendered("![x](https://a.example/x.png)").warnings)


def test_chinese_in_an_english_mail_is_marked_as_chinese() -> None:
    spans = content(rendered("By 林若溪 and 沈知远，谢谢。 But not ひらがな漢字.")).cssselect("span[lang=zh-Hans]")
    assert [span.text for span in spans] == ["林若溪", "沈知远，谢谢。"]
    assert not content(rendered("林若溪", language="zh-Hans")).cssselect("span")
    assert page(rendered("林若溪", language="zh-Hans")).get("lang") == "zh-Hans"


@pytest.mark.parametrize("brand", ["#1f3a5f", "#ffd400", "#ffffff", "#000000", "#7f7f7f", "#e30613", "#00b2a9"])
def test_any_brand_colour_can_be_read_on_light_and_dark(brand: str) -> None:
    for ground in ("#ffffff", "#f1efea", "#1c1f24", "#121417"):
        assert contrast(readable(brand, ground), ground) >= 4.5


def test_a_colour_that_can_be_read_is_left_as_it_is() -> None:
    assert readable("#1f3a5f", "#ffffff") == "#1f3a5f"


def test_a_wrong_colour_is_refused() -> None:
    with pytest.raises(ValueError, match="six digits"):
        rendered("Text", brand_colour="blue; } body { display: none")


_FAINT = """() => {
  const parse = c => c.match(/[0-9.]+/g).map(Number);
  const lum = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || e.closest('.preheader')) continue;
    const [a, b] = [lum(parse(getComputedStyle(e).color)), lum(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(e.tagName + ': ' + walker.currentNode.textContent.trim().slice(0, 30));
  }
  return faint;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("brand", ["#1f3a5f", "#ffd400"])
def test_every_word_can_be_read_on_phones_and_desks_by_day_and_night(chromium: Browser, brand: str) -> None:
    everything = "# Title\n\nText[^a] [link](https://a.example) `code` **b** *i*\n\n## Part\n\n### Item\n\n#### Sub\n\n> quote [l](https://b.example)\n\n"
    everything += "- item\n\n| A | B |\n|---|--:|\n| x | [1](https://c.example) |\n\n```\npre\n```\n\n"
    everything += '![words](a.png "Caption")\n\n[^a]: Note *i* <https://d.example/a/very/long/address/that/does/not/fit/a/phone/at/all/ever>.'
    html = rendered(everything, brand_colour=brand).html
    for width in (320, 375, 720):
        for scheme in ("light", "dark"):
            tab = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
            tab.set_content(html, wait_until="domcontentloaded")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.evaluate(_FAINT) == []
            tab.close()
