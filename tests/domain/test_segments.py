"""Segments as a tree: what is refused, and by which words; what is read comes back the same; and how it is said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.segments import KINDS, MAX_CONDITIONS, NO_VALUE, Condition, in_words, read, to_json, values
from service.errors import Invalid


def refused(given: object) -> tuple[str, ...]:
    with pytest.raises(Invalid) as caught:
        read(given)
    return caught.value.problems


def a(what: str, how: str, value: str = "", name: str = "") -> dict[str, str]:
    return {"what": what, "how": how, "value": value, "name": name}


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (a("shoe_size", "is", "1"), "choose what it asks about"),
        (a("language", "resembles", "de"), "choose how"),
        (a("language", "is"), "fill the value in"),
        (a("language", "known", "de"), "leave the value out"),
        (a("attribute", "is", "x"), "name the detail"),
        (a("first_name", "is", "x" * 201), "at most 200"),
        (a("first_name", "is", "a\x00b"), "at most 200"),
        (a("tag", "is", "news"), "choose the tag"),
        (a("tag", "is", "٣"), "choose the tag"),
        (a("issue", "got", "9" * 30), "choose the issue"),
        (a("method", "is", "telepathy"), "choose how consent was given"),
        (a("tracking", "is", "maybe"), "choose the answer"),
        (a("active", "within", "0"), "number of days"),
        (a("active", "within", "99999999999"), "number of days"),
        (a("active", "within", "a week"), "number of days"),
        (a("attribute", "above", "12,5", "age"), "write a number"),
        (a("attribute", "since", "2026-02-30", "birthday"), "write the day"),
        (a("joined", "since", "20261130"), "write the day"),
        (a("language", "one_of", ", ;"), "at least one value"),
    ],
)
def test_each_mistake_is_named_with_its_line(condition: dict[str, str], told: str) -> None:
    (problem,) = refused([[a("language", "is", "de")], [a("language", "is", "fr"), condition]])
    assert problem.startswith("Block 2, line 2: ")
    assert told in problem


@pytest.mark.parametrize("given", [None, {}, "x", [1], [[1]], [["x"]], [{"all": []}]])
def test_what_is_no_tree_is_refused(given: object) -> None:
    assert refused(given)


def test_nothing_and_too_much_are_refused() -> None:
    assert "at least one" in refused([])[0]
    assert "at least one" in refused([[], []])[0]
    assert "at most" in refused([[a("language", "is", "de")] * (MAX_CONDITIONS + 1)])[0]
    assert "at most" in refused([[a("language", "is", "de")]] * 11)[0]


def test_it_is_said_as_a_sentence() -> None:
    blocks = read(
        [
            [a("language", "is", "de"), a("tag", "is", "3")],
            [a("active", "not_within", "90")],
            [a("attribute", "known", "", "city")],
        ]
    )
    said = in_words(blocks, {"tag": {3: "Clients"}})
    assert (
        said
        == "Language is “de” or Tag has “Clients”; and opened or followed a link not within the last 90 days; and city is filled in"
    )


def test_values_are_told_apart_by_commas_and_lines() -> None:
    assert values("de, fr;;\n it ") == ["de", "fr", "it"]


VALUES = {"text": "x", "domain": "firm.example", "method": "form", "answer": "agreed"}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    what = draw(st.sampled_from(sorted(KINDS)))
    how = draw(st.sampled_from(sorted(KINDS[what].hows)))
    if how in NO_VALUE:
        value = ""
    elif how in ("since", "before"):
        value = draw(st.dates()).isoformat()
    elif how in ("within", "longer", "not_within", "above", "below"):
        value = str(draw(st.integers(1, 3660)))
    else:
        value = VALUES.get(KINDS[what].given, "7")
    return a(what, how, value, "city" if what == "attribute" else "")


@given(st.lists(st.lists(conditions(), min_size=1, max_size=4), min_size=1, max_size=5))
def test_what_is_read_comes_back_the_same_and_can_be_said(tree: list[list[dict[str, Any]]]) -> None:
    blocks = read(tree)
    assert read(json.loads(json.dumps(to_json(blocks)))) == blocks
    assert in_words(blocks, {})
    assert all(isinstance(one, Condition) for block in blocks for one in block)
