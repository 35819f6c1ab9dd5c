"""A whole issue: subject, size, the sample letter, and what is refused at the door."""

import time

import pytest

from service.rendering.newsletter import Masthead, RenderError, local_pictures, render
from tests.rendering.rendered import MASTHEAD, content, page, problems, rendered, sample


def test_the_subject_given_comes_before_the_front_matter_and_that_before_the_heading() -> None:
    markdown = "---\nsubject: From the front\n---\n# From the heading\n\nText"
    assert render(markdown, MASTHEAD, subject="Given").subject == "Given"
    assert render(markdown, MASTHEAD).subject == "From the front"
    assert render("# From the *heading*\n\nText", MASTHEAD).subject == "From the heading"


def test_a_heading_that_opens_the_text_is_its_title_once() -> None:
    result = rendered("# The title\n\nText")
    assert [h.text_content() for h in page(result).iter("h1")] == ["The title"]
    assert result.text.count("The title") == 1


def test_without_a_subject_nothing_is_rendered() -> None:
    with pytest.raises(RenderError, match="there is no subject"):
        render("Just text", MASTHEAD)


def test_an_empty_text_is_refused() -> None:
    for empty in ("", " \n\n", "# Only a heading", "---\nsubject: x\n---\n", "<!-- nothing -->"):
        assert "nothing to send" in problems(empty)


def test_a_subject_with_a_line_break_is_refused() -> None:
    with pytest.raises(RenderError, match="one plain line"):
        render("Text", MASTHEAD, subject="Hello\r\nBcc: all@example.org")


def test_a_long_subject_and_a_missing_preheader_are_pointed_out() -> None:
    warnings = "\n".join(render("Text", MASTHEAD, subject="word " * 20).warnings)
    assert "the subject has 99 characters" in warnings
    assert "no preheader" in warnings


def test_an_unknown_key_in_the_front_matter_is_named_with_its_line() -> None:
    assert "line 3: the front matter knows no “subjet”; did you mean subject?" in problems(
        "---\npreheader: x\nsubjet: y\n---\nText"
    )


def test_front_matter_that_never_ends_is_refused() -> None:
    assert "not closed" in problems("---\nsubject: x\n\nText")


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    assert "First words" in rendered("---\n\nFirst words\n").text


def test_problems_keep_the_authors_line_numbers_below_front_matter() -> None:
    assert problems("---\nsubject: x\n---\n\nText {{ nonsense }}").startswith("line 5:")


def test_all_problems_are_said_at_once_in_the_order_of_lines() -> None:
    said = problems("Text [^lost]\n\n[x](javascript:alert)\n\n![](a.png)\n\n{{ nonsense }}\n")
    assert [line.split(":")[0] for line in said.splitlines()] == ["line 1", "line 3", "line 5", "line 7"]


def test_thirty_megabytes_of_text_are_refused_at_once() -> None:
    text = "A line of text.\n" * 2_000_000
    began = time.monotonic()
    assert "32 MB of text" in problems(text)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "sign", ["[", "^[", "<!--", "<?", "*a ", "<b>", "> ", "`a``", "<https://a.example", "{{ a ", ")"]
)
def test_a_wall_of_signs_is_answered_in_seconds(sign: str) -> None:
    began = time.monotonic()
    problems("https://a.example/" + sign * (100_000 // len(sign)) + "[^never]")
    assert time.monotonic() - began < 10


def test_a_nul_byte_is_refused_with_its_line() -> None:
    assert "line 2: a NUL byte" in problems("Text\nmore\x00text")


def test_half_a_character_is_refused() -> None:
    assert "surrogate" in problems("Text \ud800")


def test_a_control_character_is_replaced_and_pointed_out() -> None:
    result = rendered("one\x0btwo")
    assert "one two" in result.text
    assert "line 1: an invisible control character" in "\n".join(result.warnings)


def test_a_mail_that_gmail_would_cut_is_refused_with_its_size() -> None:
    assert "KB of HTML and Gmail cuts it at 102 KB" in problems("Some words of text. " * 6000)


def test_a_mail_near_the_limit_is_pointed_out() -> None:
    assert any("Gmail cuts it at 102 KB" in warning for warning in rendered("Some words of text. " * 4400).warnings)


def test_the_newsletter_must_say_who_sends_it_and_from_where() -> None:
    with pytest.raises(RenderError, match="no postal address"):
        render("Text", Masthead("Name", "Sender", " "), subject="x")


def test_an_unknown_design_names_the_known_ones() -> None:
    with pytest.raises(RenderError, match="there are: bulletin, gazette, letter"):
        render("Text", Masthead("Name", "Sender", "Address", design="../../etc"), subject="x")


def test_the_same_text_gives_the_same_bytes() -> None:
    assert sample() == sample()


def test_the_newsletters_words_are_data_and_never_slots() -> None:
    result = rendered("Text %%leave%% %%nonsense%%", name="<b>%%body%%</b>")
    assert "%%leave%% %%nonsense%%" in content(result).text_content()
    assert "&lt;b&gt;%%body%%&lt;/b&gt;" in result.html


def test_needed_pictures_are_listed_once_and_in_order_and_never_from_outside() -> None:
    markdown = "![b](b%20c.png) ![a](a/x.png)\n\n[^n] ![b](<b c.png>) ![o](../secret.png) ![o](/etc/x.png)\n\n[^n]: ![d](d.png)"
    markdown += "\n\n![r](https://x.example/y.png) ![t]({{ first_name }}.png) ![w](..\\secret.png)"
    assert local_pictures(markdown) == ["b c.png", "a/x.png", "d.png"]


def test_the_sample_letter_fits_and_is_without_fault() -> None:
    result = sample()
    assert result.warnings == ()
    assert len(result.html.encode()) < 102 * 1024 / 2
    assert result.subject.startswith("Data Letter for November, bsmt")
    assert [tag.placeholder for tag in result.tags] == [f"bsmt{i}e" for i in range(len(result.tags))]
    assert {tag.context for tag in result.tags if tag.field == "first_name"} == {"html", "url", "text"}
