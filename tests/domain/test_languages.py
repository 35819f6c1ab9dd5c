"""Which language somebody means, by a stored tag or by what their browser sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.languages import LANGUAGES, best, is_traditional, match


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh_Hans", "zh-Hans"),
        ("ZH-hans-sg", "zh-Hans"),
        ("zh-TW", "zh-Hans"),
        ("cmn-Hans-CN", "zh-Hans"),
        ("de-AT", "de"),
        ("fr_CA", "fr"),
        (" en-GB ", "en"),
        ("ja", None),
        ("dep", None),
        ("", None),
        (None, None),
    ],
)
def test_a_stored_tag_means_a_language_of_ours_or_none(written: str | None, meant: str | None) -> None:
    assert match(written) == meant


@pytest.mark.parametrize(
    ("header", "spoken"),
    [
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("ja,fr;q=0.5,de;q=0.7", "de"),
        ("zh-TW,en;q=0.3", "en"),
        ("zh-Hant-HK;q=1,ja;q=0.9", "zh-Hans"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("en;q=0,zh", "zh-Hans"),
        ("en;q=0,en-GB", None),
        ("fr;q=0.0001;x=1, de ; q=0.2", "de"),
        ("*", None),
        ("ja,*;q=0.1", None),
        ("de;q=eins", None),
        ("", None),
        (None, None),
    ],
)
def test_a_browser_is_answered_in_the_language_it_asks_for_most(header: str | None, spoken: str | None) -> None:
    assert best(header) == spoken


def test_traditional_chinese_is_told_by_its_script_or_else_by_its_place() -> None:
    assert [tag for tag in ("zh", "zh-CN", "zh-Hans-HK", "zh-Hant", "zh_TW", "zh-MO") if is_traditional(tag)] == [
        "zh-Hant",
        "zh_TW",
        "zh-MO",
    ]


@given(st.text(alphabet="enzdhfr-_,;q=01.9* \n\x00é", max_size=200))
def test_no_header_at_all_is_an_error(header: str) -> None:
    assert best(header) in {*LANGUAGES, None}
    assert match(header) in {*LANGUAGES, None}
