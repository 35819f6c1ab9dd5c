"""The designs: what each of them shows, whatever the newsletter's colour, language and logo are."""

import re
from pathlib import Path

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml.html import HtmlElement

from service.rendering import design, design_colours, design_contrast, design_css
from service.rendering.design_check import Files, examine
from service.rendering.design_css import DARK_QUERY, Rule
from service.rendering.design_faults import MAIL, STYLE
from service.rendering.design_files import DESIGNS, load
from service.rendering.newsletter import Masthead, Picture, render
from tests.forms import some
from tests.rendering.designs import OURS, everything, pairs
from tests.rendering.rendered import MASTHEAD, PICTURES, page, rendered

LETTERS = Path(__file__).parent / "letters"
BLOCKS = [
    "contents",
    "contents-title",
    "callout",
    "callout-cell",
    "callout-title",
    "button",
    "button-row",
    "columns",
    "column",
    "author",
    "author-portrait",
    "author-words",
    "author-name",
    "author-line",
    "card",
    "card-words",
    "quote-source",
    "data",
    "notes",
    "title",
    "footer",
    "preheader",
    "web-version",
    "logo",
]
COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
PAIRS = {name: pairs(name) for name in OURS}


@pytest.mark.parametrize("name", OURS)
def test_our_own_designs_keep_the_rules_that_a_teams_must(name: str) -> None:
    assert examine(Files.read(DESIGNS / name)).title == name.capitalize()


@pytest.mark.parametrize("name", OURS)
def test_every_block_has_a_look_in_every_design(name: str) -> None:
    style = load(DESIGNS / name).style
    assert [block for block in BLOCKS if not re.search(rf"\.{block}\b(?!-)", style)] == []


@pytest.mark.parametrize("name", OURS)
def test_the_contrast_of_every_block_is_looked_at_by_day_and_by_night(name: str) -> None:
    for scheme in design_colours.SCHEMES:
        seen = " ".join(pair.what for pair in PAIRS[name] if pair.scheme == scheme)
        assert [
            block
            for block in ("contents", "callout-title", "button", "column", "author-line", "card-words", "quote-source")
            if f".{block}" not in seen
        ] == []


@settings(max_examples=some(300), deadline=None)
@given(COLOURS, st.sampled_from(OURS))
def test_whatever_the_newsletters_colour_everything_can_be_read(brand: str, name: str) -> None:
    shades = design_colours.shades(load(DESIGNS / name).palettes, brand)
    assert list(design_contrast.measure(PAIRS[name], shades)) == []


@pytest.mark.parametrize("brand", ["#ffffff", "#000000", "#777777", "#ffd400", "#00ff00", "#0000ff", "#1c1f24"])
@pytest.mark.parametrize("name", OURS)
def test_the_mail_as_it_is_sent_can_be_read_by_day_and_by_night(name: str, brand: str) -> None:
    root: HtmlElement = lxml.html.document_fromstring(everything(design=name, brand_colour=brand, has_archive=True))
    inline: list[Rule] = []
    for number, element in enumerate(root.body.iter()):
        if isinstance(element.tag, str) and element.get("style"):
            element.set("id", f"e{number}")
            inline.append(Rule("", (f"#e{number}",), tuple(design_css.declarations(str(element.get("style")), 1)), 1))
    [kept] = [str(style.text) for style in root.iter("style") if DARK_QUERY in (style.text or "")]
    sheets = [(STYLE, inline), (MAIL, design_css.rules(kept, MAIL, []))]
    found = design_contrast.pairs_in(root, sheets)
    rule = design_colours.shades(load(DESIGNS / name).palettes, brand)
    meant = [
        pair
        for pair in found
        if not (pair.what.startswith("the line") and pair.colour in (rule["rule"], rule["dark_rule"]))
    ]
    assert len(meant) > 60
    assert [(pair, reached) for pair, reached in design_contrast.measure(meant, {})] == []


@pytest.mark.parametrize("name", OURS)
def test_night_for_outlook_is_the_night_of_everybody_else(name: str) -> None:
    html = everything(design=name)
    assert re.search(r"\[data-ogsb\] \.paper \{ background-color: #[0-9a-f]{6} !important", html)
    assert re.search(r"\[data-ogsc\] \.content p[^{]*\{ color: #[0-9a-f]{6} !important", html)
    dark = html[html.index(DARK_QUERY) : html.index("[data-ogs")]
    for colour in set(re.findall(r"(?<!-)color: (#[0-9a-f]{6})", dark)):
        assert html.count(f"color: {colour} !important") >= 2, colour


@pytest.mark.parametrize("name", OURS)
def test_gmail_does_not_drop_the_sheet_for_its_length(name: str) -> None:
    sheets = re.findall(r"<style[^>]*>(.*?)</style>", everything(design=name), re.DOTALL)
    assert sheets
    assert max(len(sheet) for sheet in sheets) < 8192


@pytest.mark.parametrize("name", OURS)
def test_from_right_to_left_every_side_is_the_other_one(name: str) -> None:
    ltr, rtl = (everything(design=name, language=language) for language in ("en", "ar"))
    assert 'dir="rtl"' in rtl
    mirrored = re.sub(r"\b(padding|margin|border)-(left|right)\b(?=:)", _other_side, _body(rtl))
    mirrored = re.sub(r"(?<=text-align:)(left|right)|(?<=[^-]align=\")(left|right)", _other_side, mirrored)
    sided = re.compile(r"(?:padding|margin|border)-(?:left|right):[^;\"]+|text-align:\w+")
    assert len(sided.findall(_body(ltr))) > 20
    assert sided.findall(mirrored) == sided.findall(_body(ltr))


def _body(html: str) -> str:
    return html[html.index("<body") :]


def _other_side(found: re.Match[str]) -> str:
    return re.sub("left|right", lambda side: {"left": "right", "right": "left"}[side[0]], found[0])


@pytest.mark.parametrize("name", OURS)
def test_no_letters_are_pulled_apart_that_belong_together(name: str) -> None:
    apart = re.findall(r"letter-spacing:([^;\"']+)", _body(everything(design=name, language="ar")))
    assert {value.strip() for value in apart} <= {"0"}


def test_an_address_in_latin_letters_keeps_its_order_from_right_to_left() -> None:
    html = everything(language="he", postal_address="4 Grain Quay\nרחוב הנמל 7")
    assert '<span dir="ltr">4 Grain Quay</span>' in html
    assert '"ltr">רחוב' not in html
    assert 'dir="ltr"' not in _body(everything(language="en")).split(">", 3)[3].replace('lang="en" dir="ltr"', "")


@pytest.mark.parametrize("name", OURS)
def test_a_logo_is_no_higher_than_the_masthead_bears_and_says_who_sends(name: str) -> None:
    logo = Picture("https://media.invalid/abc", 800, 400)
    root = lxml.html.document_fromstring(everything(design=name, logo=logo))
    [image] = root.cssselect("img.logo")
    assert (image.get("width"), image.get("height")) == ("96", "48")
    assert (image.get("src"), image.get("alt")) == ("https://media.invalid/abc", "Harbour & Lane LLP")
    assert "background-color:#fff;" in str(image.get("style")), "by night it stands on a plate"
    assert root.cssselect(".masthead-name")[0].text == "Data Letter"
    assert not root.cssselect(".masthead-sender")
    assert len(root.cssselect("table.frame > tr > td.logo-row")) == 1


def test_a_logo_is_silent_where_the_name_beside_it_says_the_same() -> None:
    logo = Picture("https://media.invalid/abc", 100, 20)
    root = lxml.html.document_fromstring(everything(logo=logo, sender_name="Data Letter"))
    [image] = root.cssselect("img.logo")
    assert (image.get("alt"), image.get("width"), image.get("height")) == ("", "100", "20")


@pytest.mark.parametrize("name", OURS)
def test_no_words_of_an_author_take_away_who_sends_and_how_to_leave(name: str) -> None:
    for text in (
        "A\n\n</div></td></tr></table></body></html>",
        "A <b>%%leave%% %%postal_address%%</b>",
        'A <div class="preheader">b',
    ):
        root = page(rendered(text, design=name))
        [footer] = root.cssselect("body > div > table.ground > tr > td > table.frame > tr > td.footer")
        assert "4 Grain Quay" in footer.text_content()
        assert "because you subscribed" in footer.text_content()
        assert len(footer.cssselect('a[clicktracking="off"][href]')) == 1
        assert not [
            one for one in (footer, *footer.iter()) if "none" in (one.get("style") or "").replace("text-decoration", "")
        ]


def test_slots_in_an_authors_text_stay_text() -> None:
    result = rendered("Write %%brand_button%% and %%leave%%, or `%%style%%`.")
    text = page(result).cssselect(".content")[0].text_content()
    assert "%%brand_button%% and %%leave%%, or %%style%%" in text


def test_only_what_is_drawn_for_outlook_gets_the_buttons_colours() -> None:
    drawn = '<!--[if mso]><v:roundrect fillcolor="%%brand_button%%"><center style="color:%%on_brand_button%%">'
    colours = {"brand_button": "#123456", "on_brand_button": "#ffffff", "leave": "x"}
    body = f"<p>%%brand_button%%</p>{drawn}%%leave%%</center></v:roundrect><![endif]--><p>%%on_brand_button%%</p>"
    filled = design.fill_vml(body, colours)
    assert filled.startswith(
        '<p>%%brand_button%%</p><!--[if mso]><v:roundrect fillcolor="#123456"><center style="color:#ffffff">%%leave%%<'
    )
    assert filled.endswith("<p>%%on_brand_button%%</p>")


@pytest.mark.parametrize("name", OURS)
def test_outlook_for_windows_finds_a_width_and_colours_of_its_own(name: str) -> None:
    html = everything(design=name)
    assert html.startswith("<!DOCTYPE html>")
    assert '<!--[if mso]><table role="presentation" width="600"' in html
    for cell in lxml.html.document_fromstring(html).cssselect(".paper, .footer"):
        assert re.fullmatch("#[0-9a-f]{6}", cell.get("bgcolor", "")), "it reads attributes where it misreads styles"


@pytest.mark.parametrize("letter", ["letter", "bulletin"])
@pytest.mark.parametrize("name", OURS)
def test_the_sample_letters_come_out_without_a_warning_in_every_design(name: str, letter: str) -> None:
    markdown = (LETTERS / f"{letter}.md").read_text("utf-8")
    masthead = Masthead("Marsh & Pell", "Marsh & Pell", "12 Ropewalk\nNorthmere", design=name)
    first, again = (render(markdown, masthead, pictures={"harbour.png": PICTURES["a.png"]}) for _ in range(2))
    assert first == again
    assert first.warnings == ()
    assert len(first.html) < 60 * 1024


def test_columns_stand_side_by_side_because_nothing_is_put_between_them() -> None:
    html = everything()
    assert re.search(r'</div><div class="column"', html), "a space between them would push one below the other"


def test_a_masthead_of_before_looks_as_it_did() -> None:
    assert MASTHEAD.design == "gazette"
    assert MASTHEAD.logo is None
