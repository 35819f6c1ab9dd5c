"""Containers: where each begins and ends, and what is said about one that cannot be shown."""

import time

import pytest

from tests.rendering.rendered import content, problems, rendered

COLUMN = "::: column\nWords\n:::\n"


@pytest.mark.parametrize(
    ("markdown", "line", "said"),
    [
        ("::: calout\nWords\n:::", 1, "there is no container “calout”; did you mean callout?"),
        ("::: {.note}\nWords\n:::", 1, "the containers are contents, callout, button, columns, column, author, card"),
        ("Words\n\n::: callout\nWords", 3, "::: callout is not closed; write ::: in a line of its own below it"),
        ("Words\n\n:::\n", 3, "::: closes nothing here"),
        ("- item\n\n  ::: callout\n  Words\n\nmore\n\n:::", 3, "::: callout is not closed"),
        ("::: callout\n```\n:::\n```\n", 1, "::: callout is not closed"),
        ("::: callout\n\n:::", 1, "::: callout is empty; write something into it, or take it out"),
        ("Words\n\n::: button\n:::", 3, "::: button holds exactly one link with words and nothing else"),
        ("::: button\nWords\n:::", 1, "::: button holds exactly one link"),
        ("::: button\n[a](https://a.example) [b](https://b.example)\n:::", 1, "::: button holds exactly one link"),
        ("::: button\n[a](https://a.example) and more\n:::", 1, "::: button holds exactly one link"),
        ("::: button\n[a](https://a.example)\n\n[b](https://b.example)\n:::", 1, "::: button holds exactly one link"),
        ("::: button\n[![A harbour](a.png)](https://a.example)\n:::", 1, "::: button holds exactly one link"),
        ("::: button\n# [a](https://a.example)\n\nx\n:::", 1, "::: button holds exactly one link"),
        ("::: button Read\n[a](https://a.example)\n:::", 1, "nothing can follow ::: button in its line"),
        (f"::: columns\n{COLUMN}:::", 1, "::: columns holds one ::: column; write two or three"),
        (f"::: columns\n{COLUMN * 4}:::", 1, "::: columns holds 4 times ::: column; write two or three"),
        ("::: columns\nWords\n:::", 1, "::: columns holds no ::: column; write two or three"),
        (f"::: columns\n{COLUMN}\nWords\n\n{COLUMN}:::", 6, "only ::: column can stand in ::: columns"),
        (COLUMN, 1, "::: column cannot stand by itself; open ::: columns around it"),
        ("::: author\n![Ada Lane](a.png)\n:::", 1, "::: author has no name"),
        ("::: author\n![Ada Lane](a.png)\nPartner\n**Ada Lane**\n:::", 1, "::: author has no name; write it in bold"),
        ("::: contents\n## Words\n:::", 1, "::: contents is made from the headings; leave it empty"),
        ("Words\n\n::: contents\n:::", None, "::: contents finds no heading to list"),
        (f"::: callout\n::: columns\n{COLUMN}{COLUMN}:::\n:::", 2, "::: columns cannot stand in ::: callout"),
        ("::: callout\n::: card\nWords\n:::\n:::", 2, "close ::: callout with ::: first"),
        ("- ::: callout\n  Words\n  :::", 1, "::: callout cannot stand in a list or quotation"),
        ("> ::: callout\n> Words\n> :::", 1, "::: callout cannot stand in a list or quotation"),
        ("Words[^a]\n\n[^a]: Note\n\n    ::: callout\n    Words\n    :::", 5, "::: callout cannot stand in a note"),
        ("::: callout\n" * 7 + "Words\n" + ":::\n" * 7, 6, "::: callout is nested too deeply to be shown"),
    ],
)
def test_a_container_that_cannot_be_shown_is_refused_with_its_line(markdown: str, line: int | None, said: str) -> None:
    told = [problem for problem in problems(markdown).splitlines() if said in problem]
    assert told
    assert line is None or told[0].startswith(f"line {line}: ")


def test_lines_are_counted_from_the_top_of_the_file() -> None:
    assert "line 6: there is no container" in problems("---\npreheader: x\n---\n\nWords\n::: note\nWords\n:::")


def test_containers_nest_as_brackets_do_whatever_the_number_of_colons() -> None:
    for outer in (":::", "::::", ":::::"):
        markdown = f"{outer} columns\n{COLUMN}{COLUMN}{outer}\n\nAfter"
        root = content(rendered(markdown))
        assert [column.text_content().strip() for column in root.cssselect(".columns > .column")] == ["Words", "Words"]
        assert root.cssselect(".content > p")[0].text_content() == "After"


def test_three_colons_in_code_or_behind_a_backslash_are_signs() -> None:
    root = content(rendered("::: callout\n```\n:::\n```\n\n\\::: words\n\n    ::: more\n:::\n\nAfter :::"))
    [callout] = root.cssselect(".callout")
    assert [pre.text_content().strip() for pre in callout.cssselect("pre")] == [":::", "::: more"]
    assert "::: words" in callout.text_content()
    assert root.cssselect(".content > p")[0].text_content() == "After :::"


def test_a_container_ends_a_paragraph_and_needs_no_empty_lines() -> None:
    root = content(rendered("Before\n::: callout\nIn\n:::\nAfter"))
    assert [p.text_content() for p in root.cssselect("p")] == ["Before", "In", "After"]


@pytest.mark.parametrize("sign", ["::: callout\n", ":::\n", "::: x\n", "> ::: card\n", "- ::: card\n", "  ::: a b\n"])
def test_a_wall_of_fences_is_answered_in_seconds(sign: str) -> None:
    began = time.monotonic()
    problems(sign * (200_000 // len(sign)) + "[^never]")
    assert time.monotonic() - began < 10


def test_a_long_line_of_blanks_behind_a_fence_is_answered_in_seconds() -> None:
    began = time.monotonic()
    problems(":::" + " " * 200_000 + "x" + " " * 100_000 + "y")
    assert time.monotonic() - began < 10
