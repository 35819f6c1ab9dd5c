"""The plain-text part."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rendering.wrapping import columns, wrap
from tests.rendering.rendered import content, rendered, sample

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "real"


def _body(markdown: str) -> str:
    text = rendered(markdown).text
    return text[text.index("=\n\n") + 3 : text.index("\n\n____")]


def test_the_text_ends_with_the_leave_link_and_the_postal_address() -> None:
    result = rendered("Text")
    [leave] = [tag.placeholder for tag in result.tags if tag.context == "text"]
    assert result.text.endswith(
        f"Leave this newsletter:\n<{leave}>\n\nHarbour & Lane LLP\n4 Grain Quay\nNorthmere NM1 4HL\n"
    )


def test_headings_are_underlined() -> None:
    assert _body("## Part\n\n### Item\n\nText") == "Part\n----\n\nItem\n\nText"


def test_a_link_shows_its_address_once() -> None:
    assert _body(
        "[text](https://a.example/?a=1&b=2), <https://b.example/>, [me](mailto:m@a.example), <m@b.example>"
    ) == ("text <https://a.example/?a=1&b=2>, <https://b.example/>, me\n<mailto:m@a.example>, <mailto:m@b.example>")


def test_lists_and_quotes_keep_their_shape() -> None:
    markdown = "* one\n* two\n  1. deep\n  2. deeper\n\n> said\n>\n> again\n\n5. five\n6. six"
    assert _body(markdown) == "* one\n* two\n  1. deep\n  2. deeper\n\n> said\n>\n> again\n\n5. five\n6. six"


def test_a_table_that_fits_is_set_in_columns_that_line_up_with_chinese() -> None:
    assert _body("| Name | Fee |\n|---|--:|\n| 林若溪 | 10 |\n| Al | 1,200 |") == (
        "Name      Fee\n------  -----\n林若溪     10\nAl      1,200"
    )


def test_a_table_that_does_not_fit_becomes_one_record_a_row() -> None:
    long = "word " * 12
    body = _body(f"| What | Why | Empty |\n|---|---|---|\n| {long} | {long} | |\n| b | c | |")
    assert body.startswith("What: word word")
    assert "\nWhy: word" in body
    assert body.endswith("\n\nWhat: b\nWhy: c\nEmpty: —")


def test_code_is_kept_letter_by_letter() -> None:
    assert _body("```\na  b\n\n  c\n```") == "    a  b\n\n      c"


def test_a_hard_break_is_kept() -> None:
    assert _body("one\\\ntwo") == "one\ntwo"


def test_html_entities_and_markup_do_not_show() -> None:
    assert _body("A &amp; B &lt;c&gt; **d** _e_ <b>f</b>") == "A & B <c> d e f"


def test_no_line_of_the_sample_is_too_wide() -> None:
    for line in sample().text.splitlines():
        assert columns(line) <= 76 or "https://" in line, line


def test_a_chinese_name_is_never_cut() -> None:
    for padding in range(60, 78):
        assert "沈知远律师" in "\n".join(wrap("x" * padding + " 沈知远律师"))


def test_a_long_chinese_line_is_cut_but_not_before_its_stops() -> None:
    lines = wrap("先弄清楚有哪些数据、传给谁、为什么传，" * 12)
    assert len(lines) > 3
    assert all(60 < columns(line) <= 76 for line in lines[:-1])
    assert not any(line[0] in "，、。" for line in lines)


@given(st.text(alphabet="ab ,.（）。，汉字語éñ\u0301👍https:/", max_size=300), st.integers(10, 80))
def test_wrapping_loses_no_letter(text: str, width: int) -> None:
    lines = wrap(text, width=width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(columns(line) <= width or " " not in line for line in lines)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real edition beside the checkout")
def test_no_word_of_a_real_edition_is_lost() -> None:
    [edition] = sorted(REAL.glob("*.txt"))
    part = "\n\n".join(
        line.replace("[", "\\[").replace("_", "\\_") for line in edition.read_text("utf-8").splitlines()[:60]
    )
    result = rendered(part)
    seen, read = "".join(content(result).text_content().split()), "".join(result.text.split())
    words = part.replace("\\", "").split()
    assert len(words) > 500
    assert not [word for word in words if word not in read or word not in seen]
