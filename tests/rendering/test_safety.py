"""What an author, or who writes in an author's name, cannot do."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.personalisation import PLACEHOLDER
from service.rendering.newsletter import RenderError
from service.rendering.wrapping import columns
from tests.forms import some
from tests.rendering.rendered import content, page, problems, rendered


def test_a_script_is_dropped_with_its_content_and_a_warning() -> None:
    for text in (
        "A <script>alert(1)</script> b",
        "A\n\n<script>\nalert(1)\n</script>\n\nb",
        "A\n\n<SCRIPT>alert(1)</SCRIPT> b",
    ):
        result = rendered(text)
        assert "alert" not in result.html + result.text
        assert content(result).text_content().split() == ["A", "b"]
        assert any("<script> was taken out" in warning for warning in result.warnings)


@pytest.mark.parametrize("text", ["A <script>\n\nb", "A\n\n<script>\n\nb", "A\n\n<!-- b", "A\n\n<style>\np {}\n\nb"])
def test_what_would_swallow_the_rest_is_refused(text: str) -> None:
    assert "never ends" in problems(text)


@pytest.mark.parametrize(
    "link",
    [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:msgbox)",
        "[x](file:///etc/passwd)",
        "[x][y]\n\n[y]: javascript:alert(1)",
        "<javascript:alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        "<a href='&#x6a;avascript:alert(1)'>x</a>",
        '<div>\n<a href=" javascript:alert(1)">x</a>\n</div>',
    ],
)
def test_a_dangerous_link_is_refused_with_its_line(link: str) -> None:
    assert re.search(r"line [34]: links may not begin with \w+:", problems(f"Text\n\n{link}"))


@pytest.mark.parametrize(
    "link",
    [
        "[x](page.html)",
        "[x](/page)",
        "[x](//a.example)",
        "[x]()",
        "[x](https://)",
        "[x](www.a.example)",
        "[x](<java\tscript:alert(1)>)",
    ],
)
def test_a_link_that_leads_nowhere_in_a_mail_is_refused(link: str) -> None:
    assert "line 1:" in problems(link)


@pytest.mark.parametrize(
    "url", ["https://media.invalid/etc/passwd", "https://WEB-version.Invalid./", "http://x.invalid:80/a"]
)
def test_no_author_names_the_places_that_stand_in_for_ours(url: str) -> None:
    assert "line 1: the link to" in problems(f"[x]({url})")
    assert "line 1:" in problems(f"![x]({url})")
    assert "line 1: the link to" in problems(f"Bare {url} here")


def test_a_jump_to_a_missing_place_is_refused() -> None:
    assert "line 1: #nowhere is no place" in problems("[x](#nowhere)")


def test_a_jump_to_a_heading_arrives() -> None:
    root = page(rendered("[x](#the-second-part)\n\n## The *second* part!\n\nText"))
    assert root.cssselect("h2#the-second-part a[name='the-second-part']")


@pytest.mark.parametrize("name", ["onclick", "onmouseover", "style", "class"])
def test_attributes_that_act_or_dress_are_taken_out(name: str) -> None:
    result = rendered(f'A <b {name}="x(canary)">word</b>')
    assert "canary" not in result.html
    assert any(f"{name}=… was taken out" in warning for warning in result.warnings)


def test_frames_forms_and_pictures_cannot_be_written_as_html() -> None:
    result = rendered(
        'A <iframe src="https://x.example">b</iframe> <form action="https://x.example"><input>c</form> <svg><a>d</a></svg>'
    )
    assert not page(result).cssselect("iframe, form, input, svg")
    assert content(result).text_content().split() == ["A", "b", "c", "d"]
    assert "not as <img>" in problems('<img src="https://x.example/a.png">')


def test_html_cannot_break_out_of_the_design() -> None:
    result = rendered("A\n\n</div></td></tr></table></body></html>\n\n<table><tr><td>\n\nb")
    [footer] = page(result).cssselect(".footer")
    assert "Grain Quay" in footer.text_content()
    assert len(page(result).cssselect("body > div > table.ground > tr > td > table.frame > tr > td.footer")) == 1
    assert "b" in content(result).text_content()


@pytest.mark.parametrize(
    "text",
    [
        "bsmt0e",
        "BSMT7E",
        "bsmt*1*e",
        "bsmt&#49;e",
        "bs<b>m</b>t1e",
        "[x](https://a.example/bsm%741e)",
        "bsmt\\_1e",
        "bsmt0x",
        "bsmt<!--\n-->0x",
    ],
)
def test_text_spelled_like_a_placeholder_is_refused(text: str) -> None:
    assert "mark places" in problems(f"Text\n\n{text}")


def test_a_tag_in_a_link_is_percent_encoded_and_elsewhere_html() -> None:
    result = rendered('{{ first_name | default: "a" }} [x](https://a.example/?n={{ first_name | default: "a" }})')
    by_place = {tag.placeholder: tag.context for tag in result.tags}
    [link] = content(result).cssselect("a")
    assert by_place[PLACEHOLDER.search(link.get("href"))[0]] == "url"  # type: ignore[index]
    assert by_place[PLACEHOLDER.search(content(result).text_content())[0]] == "html"  # type: ignore[index]
    assert [by_place[found] for found in PLACEHOLDER.findall(result.text)][:2] == ["text", "url"]


def test_a_tag_cannot_be_the_whole_link_nor_its_site() -> None:
    assert "cannot be the whole link" in problems("[x]({{ site }})", fields=("site",))
    assert "cannot be part of the site's name" in problems("[x](https://{{ site }}/a)", fields=("site",))
    assert "links may not begin with" in problems("[x](javascript:{{ site }})", fields=("site",))


def test_a_tag_without_a_default_is_pointed_out() -> None:
    assert any("{{ first_name }} has no default" in warning for warning in rendered("Dear {{ first_name }}").warnings)


def test_an_author_cannot_take_the_leave_link_or_write_it_twice() -> None:
    assert "footer of every mail already" in problems("[leave]({{ leave_url }})")
    assert rendered("Text").text.count("Leave this newsletter") == 1


_WORD = st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=12).filter(
    lambda word: "bsmt" not in word.lower()
)
_SYNTAX = st.sampled_from(
    "* ** _ # ## - > ` ``` | |--| \n \n\n [ ] ( ) ! ^ < > <b> </b> <script </p> & &amp; ~ \\ 1. [^1] --- :".split(" ")  # noqa: SIM905 - signs are easier to read so
)


@settings(max_examples=some(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_WORD | _SYNTAX | st.just(" "), max_size=30).map("".join))
def test_no_text_brings_a_script_into_the_mail(text: str) -> None:
    try:
        result = rendered("Start " + text)
    except RenderError:
        return
    assert "<script" not in result.html.lower()
    assert not page(result).cssselect("[onclick], iframe, object, form")
    assert len(page(result).cssselect(".footer a[clicktracking=off]")) == 1


@settings(max_examples=some(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(_WORD, min_size=1, max_size=40),
    st.sampled_from([" ", "\n", "\n\n", " *", "* ", "\n\n- ", "\n\n> ", " 中文，", "\n\n## ", " | "]),
)
def test_every_word_survives_into_html_and_text(words: list[str], between: str) -> None:
    result = rendered("x" + between + between.join(words))
    seen, read = "".join(content(result).text_content().split()), "".join(result.text.replace("\n> ", "\n").split())
    for word in words:
        assert word in seen
        assert word in read
    assert all(columns(line) <= 76 or " " not in line.strip("> *") for line in result.text.splitlines())
