"""What a draft recognises in a plain text, by its shape, and what it leaves as it is."""

import time

import pytest

from service.rendering.drafts import draft_from_text
from tests.rendering.test_drafts_reading import letters_of, read

LONG = "This paragraph is long enough to be nothing but a paragraph, and it ends as a sentence does."
CONTENTS = "Monthly\n\nContents\nRules\nCookies on Phones\nSmall Print\nCourts\nA Parcel Lost\n\n"
BODY = f"Rules\nCookies on phones\n{LONG}\nSmall Prints\n{LONG}\nCourts\nA Parcel Lost\n{LONG}\n"


def said(text: str) -> list[str]:
    return [note.text for note in draft_from_text(text).report]


def test_a_contents_list_is_left_out_and_gives_the_levels() -> None:
    draft = draft_from_text(CONTENTS + BODY)
    assert draft.title == "Monthly"
    seen = read(draft.markdown)
    assert seen.headings == [
        (1, "Monthly"),
        (2, "Rules"),
        (3, "Cookies on phones"),
        (3, "Small Prints"),
        (2, "Courts"),
        (3, "A Parcel Lost"),
    ]
    assert seen.text.count("Rules") == 1
    assert "Contents" not in seen.text


def test_a_line_of_the_contents_that_does_not_come_again_is_kept_and_reported() -> None:
    text = CONTENTS.replace("Courts\n", "Never Written\nCourts\n") + BODY
    assert "Never Written" in read(draft_from_text(text).markdown).text
    assert any("not below" in said for said in said(text))


def test_page_numbers_and_numbering_do_not_hide_a_contents_list() -> None:
    text = f"Report\n\n1. Scope ........ 2\n2. Terms ........ 4\n3. Ends ........ 9\n\n1. Scope\n\n{LONG}\n\n2. Terms\n\n{LONG}\n\n3. Ends\n\n{LONG}\n"
    assert read(draft_from_text(text).markdown).headings == [
        (1, "Report"),
        (2, "1. Scope"),
        (2, "2. Terms"),
        (2, "3. Ends"),
    ]


def test_a_highlight_whose_title_comes_again_has_its_title_in_bold() -> None:
    markdown = draft_from_text("Monthly\nA Parcel Lost: the court was short.\n" + CONTENTS[9:] + BODY).markdown
    assert "- **A Parcel Lost**: the court was short." in markdown


def test_lines_repeated_with_nothing_between_are_no_contents_list() -> None:
    seen = read(draft_from_text("Aa\nBb\nCc\nAa\nBb\nCc\n").markdown)
    assert letters_of(seen.text) == "AaBbCcAaBbCc"


def test_a_source_cited_twice_is_one_note_with_two_references() -> None:
    seen = read(draft_from_text(f"{LONG}[1] More.[2] Again.[1]\n\n[1]https://a.example/x\n[2] Book, p. 4\n").markdown)
    assert seen.notes == ["https://a.example/x", "Book, p. 4"]
    assert seen.references == [2, 1]
    assert seen.links == ["https://a.example/x"]


def test_loose_marks_and_loose_sources_stay_text_and_are_reported() -> None:
    text = f"{LONG}[1] And this.[7]\n\n[1] https://a.example\n[2] https://b.example\n"
    draft = draft_from_text(text)
    seen = read(draft.markdown)
    assert "And this.[7]" in seen.text
    assert "[2] https://b.example" in seen.text
    assert (1, "the mark [7] has no source; left as text") in [(note.line, note.text) for note in draft.report]
    assert (4, "no mark in the text points to source 2; left as a paragraph") in [
        (note.line, note.text) for note in draft.report
    ]


def test_each_part_with_its_own_sources_keeps_them_apart() -> None:
    text = f"{LONG}[1]\n\n[1] First book\n\n{LONG}[1]\n\n[1] Second book\n"
    seen = read(draft_from_text(text).markdown)
    assert seen.notes == ["First book", "Second book"]
    assert seen.references == [1, 1]


@pytest.mark.parametrize(("one", "two"), [("¹", "²"), ("(1)", "(2)"), ("1", "2"), ("[1]", "[2]")])
def test_other_marks_are_tied_to_a_counted_list_at_the_end(one: str, two: str) -> None:
    seen = read(
        draft_from_text(f"So it was held.{one}\n\nAnd so was this.{two}\n\n1. First book\n2. Second book\n").markdown
    )
    assert seen.notes == ["First book", "Second book"]
    assert letters_of(seen.text) == "Soitwasheld.Andsowasthis."


def test_points_in_the_text_are_no_sources() -> None:
    seen = read(draft_from_text(f"{LONG}[1] See:\n\n1. one thing\n2. another\n\n[1] Book\n").markdown)
    assert seen.notes == ["Book"]
    assert "ordered_list_open" in seen.kinds


def test_square_metres_are_no_mark() -> None:
    text = "A flat of 40 m² is small.² It is.¹\n\n¹ One\n² Two\n"
    seen = read(draft_from_text(text).markdown)
    assert "40 m² is small." in seen.text
    assert seen.references == [1, 1]


def test_wrapped_lines_become_one_paragraph_and_chinese_gets_no_space() -> None:
    english = "the quick brown fox jumps over the lazy dog and then it comes back\n" * 4
    assert read(draft_from_text(f"{english}end.\n").markdown).words[0].count("\n") == 0
    chinese = "数据保护团队每月收到律师写来的简报并且仔细阅读其中的每一段文字\n" * 4
    assert read(draft_from_text(f"{chinese}完。\n").markdown).words == [letters_of(chinese) + "完。"]


def test_a_count_that_jumps_keeps_its_numbers() -> None:
    seen = read(draft_from_text("1. one thing;\n2. two things;\n4. four things;\n").markdown)
    assert "4. four things;" in seen.text


def test_nested_points_stay_nested() -> None:
    markdown = draft_from_text(f"{LONG}\n\n- one\n  - inner\n  - inner too\n- two\n").markdown
    assert "- one\n  - inner\n  - inner too\n- two" in markdown


def test_underlined_and_quoted_lines_are_recognised() -> None:
    seen = read(draft_from_text(f"Letter\n======\n\nRules\n-----\n\n{LONG}\n\n> It is so.\n> It was so.\n").markdown)
    assert seen.headings == [(1, "Letter"), (2, "Rules")]
    assert "blockquote_open" in seen.kinds


def test_line_ends_marks_and_spaces_of_editors_do_not_matter() -> None:
    plain = CONTENTS + BODY
    messy = "\ufeff" + plain.replace("\n\n", "\n\f\n").replace("Rules", "Rules \u00a0\t").replace("\n", "\r\n")
    assert draft_from_text(messy).markdown == draft_from_text(plain).markdown


def test_a_merge_tag_is_kept_and_other_braces_are_literal() -> None:
    markdown = draft_from_text('Dear {{ first_name | default: "reader" }}, write {{ like this }} or }}.').markdown
    assert markdown == 'Dear {{ first_name | default: "reader" }}, write \\{{ like this \\}} or \\}}.\n'


@pytest.mark.parametrize(
    "text",
    ["", "\n \n", "\ufeff", "One line", "[1] https://a.example", "[1] a\n[2] b", "Aa\nBb\nCc", ">", "-", "1.", "---"],
)
def test_the_smallest_texts_are_drafts_too(text: str) -> None:
    draft = draft_from_text(text)
    assert letters_of(read(draft.markdown).text) == letters_of(text.replace("\ufeff", "")) or text == "---"


@pytest.mark.parametrize(
    "unit", ["a", "word ", "数据", "{{", "a@", "[1]", "https://", ")", "_", "¹", "(1) ", '{{a|a:"', "a.", "1. "]
)
def test_a_line_of_two_megabytes_is_quick(unit: str) -> None:
    begun = time.process_time()
    draft_from_text(unit * (2_000_000 // len(unit)))
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "unit", ["abc\n", "Abc def\n\n", "1. a\n", "[1] x\n", "a@b.cd\n", "> a\n", "A\n===\n\n", "Ab [1]\n\n[1] x\n\n"]
)
def test_ten_times_the_lines_take_about_ten_times_as_long(unit: str) -> None:
    def seconds(count: int) -> float:
        begun = time.process_time()
        draft_from_text(unit * count)
        return time.process_time() - begun

    # A moment in which the machine has no time for us makes one of these slow, not three.
    assert any(seconds(20_000) < 40 * max(seconds(2_000), 0.02) for _ in range(3))


def test_a_short_line_that_heads_nothing_is_left_and_reported() -> None:
    draft = draft_from_text(f"Letter\n\n{LONG}\n\nNowhere Land\n")
    assert read(draft.markdown).headings == [(1, "Letter")]
    assert [note.line for note in draft.report if "left as a paragraph" in note.text] == [5]


def test_vague_marks_in_no_order_are_numbers_and_no_marks() -> None:
    text = "It is the better of the two (2) in our view.\n\nThe other (1) is worse.\n\n1. Buy it;\n2. Sell it.\n"
    seen = read(draft_from_text(text).markdown)
    assert seen.references == []
    assert "the two (2) in our view" in seen.text
