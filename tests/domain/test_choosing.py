"""Who gets which language version, and which variant of it."""

import pytest

from service.domain.choosing import Choice, choose, preferred, version_of

VERSIONS = ["en", "de", "pt-BR", "zh-Hans"]


@pytest.mark.parametrize(
    ("reader", "version"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de_AT", "de"),
        (" de ", "de"),
        ("zh-Hans", "zh-Hans"),
        ("zh-hans-CN", "zh-Hans"),
        ("zh-TW", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("cmn-Hans", "zh-Hans"),
        ("pt", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("en-GB", "en"),
        ("fr", "en"),
        ("", "en"),
        (None, "en"),
        ("deu", "en"),
        ("d", "en"),
    ],
)
def test_the_exact_tag_comes_before_the_same_language_and_that_before_the_newsletters(
    reader: str | None, version: str
) -> None:
    assert VERSIONS[version_of(reader, VERSIONS)] == version


@pytest.mark.parametrize(
    ("reader", "version"),
    [
        ("zh-TW", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-CN", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-Hans-TW", "zh-Hans"),
        ("zh-Hant-HK-x-y", "zh-Hant"),
    ],
)
def test_readers_of_traditional_characters_get_them_where_there_are_some(reader: str, version: str) -> None:
    versions = ["en", "zh-Hans", "zh-Hant"]
    assert versions[version_of(reader, versions)] == version


def test_among_versions_of_one_language_the_newsletters_own_comes_first() -> None:
    assert version_of("pt-AO", ["pt-PT", "pt-BR"]) == 0
    assert version_of("pt-BR", ["pt-PT", "pt-BR"]) == 1


def test_a_visitor_gets_the_first_language_of_theirs_that_there_is() -> None:
    assert preferred(["fr", "de-CH", "en"], VERSIONS) == 1
    assert preferred(["en", "de"], VERSIONS) == 0
    assert preferred(["fr", "*"], VERSIONS) == 0
    assert preferred([], VERSIONS) == 0


def test_a_variant_is_chosen_within_the_readers_language() -> None:
    choices = [
        Choice("en", ({"office": ""}, {"office": "*"})),
        Choice("en", ({"office": "=Shanghai"},)),
        Choice("de", ()),
    ]
    readers = [{"office": "Shanghai"}, {"office": "Northmere"}, {}, {"office": "Shanghai", "language": "de"}]
    assert [choose(choices, reader) for reader in readers] == [1, 0, 0, 2]
