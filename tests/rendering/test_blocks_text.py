"""What containers become in the plain-text part."""

from tests.rendering.rendered import rendered

FRAME = "+" + "-" * 74 + "+"


def _body(markdown: str) -> str:
    text = rendered(markdown).text
    return text[text.index("=\n\n") + 3 : text.index("\n\n____")]


def test_a_callout_stands_between_lines() -> None:
    assert _body("Before\n\n::: callout By *Friday*\nFile it[^a].\n\n- one\n- two\n:::\n\nAfter\n\n[^a]: Note") == (
        f"Before\n\n{FRAME}\n\nBy Friday\n\nFile it[1].\n\n* one\n* two\n\n{FRAME}\n\nAfter\n\nNotes\n-----\n\n[1] Note"
    )


def test_a_button_is_its_words_and_its_address() -> None:
    assert _body("::: button\n[Read the guide](https://a.example/?a=1&b=2)\n:::") == (
        "Read the guide <https://a.example/?a=1&b=2>"
    )
    assert _body("::: button\nhttps://a.example/x\n:::") == "<https://a.example/x>"


def test_columns_come_one_after_the_other() -> None:
    markdown = "::: columns\n::: column\n### Left\n\n林若溪\n:::\n::: column\n| A | B |\n|---|---|\n| 1 | 2 |\n:::\n:::"
    assert _body(markdown) == "Left\n\n林若溪\n\nA  B\n-  -\n1  2"


def test_an_author_is_a_block_of_lines_without_the_portrait() -> None:
    markdown = "::: author\n![Portrait](a.png)\n**Lin Ruoxi** 林若溪\nPartner\n<lin@a.example>\n[Profile](https://a.example)\n:::\n"
    assert _body(markdown + "\n" + "::: author\n**Ada Lane**\n:::") == (
        "Lin Ruoxi 林若溪\nPartner\n<mailto:lin@a.example>\nProfile <https://a.example>\n\nAda Lane"
    )


def test_a_card_is_its_picture_heading_and_words() -> None:
    markdown = "::: card\n![A harbour](a.png)\n## Head\nWords\n\n::: button\n[Go](https://a.example)\n:::\n:::"
    assert _body(markdown) == "[Picture: A harbour]\n\nHead\n----\n\nWords\n\nGo <https://a.example>"


def test_the_contents_are_a_list_without_addresses() -> None:
    assert _body("::: contents\n:::\n\n## Part[^a]\n\n### Item\n\n## Last\n\n[^a]: Note").startswith(
        "In this issue\n\n* Part\n  * Item\n* Last\n\nPart[1]\n-------"
    )


def test_a_source_stands_in_its_quotation() -> None:
    assert _body("> Words.\n> — The Commissioner") == "> Words.\n>\n> — The Commissioner"
