"""Notes that stand on the web version, to which the marks of the mail lead."""

import lxml.html
import pytest
from lxml.html import HtmlElement

from service.rendering.newsletter import RenderError, render
from service.rendering.web_version import NOTES_END, keeps_notes, put
from service.rendering.webpage import Words, web_page
from tests.rendering.rendered import MASTHEAD, rendered

NOTED = "Text[^a] and more[^b], again[^a].\n\n[^a]: Note A, <https://a.example/>.\n[^b]: <div>Note B.</div>\n"
ON_WEB = f"---\nnotes: web\n---\n{NOTED}"
URL = "https://news.example/n/monthly/7"


def test_marks_lead_to_the_web_versions_notes_and_are_never_tracked() -> None:
    sent = put(rendered(ON_WEB, has_archive=True).html, URL)
    marks = _page(sent).cssselect("sup a[href]")
    assert [link.get("href") for link in marks] == [f"{URL}#fn-1", f"{URL}#fn-2", f"{URL}#fn-1"]
    assert f'<a clicktracking="off" href="{URL}#fn-1"' in sent


def test_the_mail_then_holds_no_notes() -> None:
    sent = put(rendered(ON_WEB, has_archive=True).html, URL)
    assert "Note A" not in sent
    assert "Note B" not in sent
    assert "fnref-1" in sent
    assert not _page(sent).cssselect(".notes")
    assert NOTES_END not in sent
    assert "Grain Quay" in _page(sent).cssselect(".footer")[-1].text_content()


def test_the_text_part_keeps_its_numbered_notes() -> None:
    on_web, with_notes = rendered(ON_WEB, has_archive=True), rendered(NOTED, has_archive=True)
    assert on_web.text == with_notes.text
    assert "[2] Note B." in on_web.text


def test_the_web_version_has_the_notes_and_links_both_ways() -> None:
    """It is made from the frozen mail, which therefore keeps them until it is sent."""
    result = rendered(ON_WEB, has_archive=True)
    words = Words(back="Back", note="Note %(number)s", table="Table", picture="Picture")
    web = web_page(result.html, result.tags, language="en", media=str, words=words)
    assert '<a href="#fn-1" id="fnref-1"' in web.body
    assert '<a href="#fnref-1-2"' in web.notes
    assert "Note B." in web.notes
    assert "invalid" not in web.body + web.notes


def test_an_issue_without_a_page_has_its_notes_in_the_mail() -> None:
    """So that no mark leads to nothing, and the mail is what it is without the setting."""
    on_web, with_notes = rendered(ON_WEB, has_archive=True), rendered(NOTED, has_archive=True)
    assert put(on_web.html, None) == put(with_notes.html, None)
    assert put(on_web.text, None) == put(with_notes.text, None)


def test_a_text_without_notes_is_the_same_with_the_setting() -> None:
    assert rendered("---\nnotes: web\n---\nText", has_archive=True).html == rendered("Text", has_archive=True).html


def test_notes_in_the_mail_are_what_is_usual() -> None:
    assert rendered(f"---\nnotes: mail\n---\n{NOTED}").html == rendered(NOTED).html


def test_without_an_archive_there_is_no_web_version_to_lead_to() -> None:
    with pytest.raises(RenderError, match="line 2: notes: web needs a web version, and this newsletter has no archive"):
        render(ON_WEB, MASTHEAD, subject="x")


def test_another_word_than_mail_or_web_is_refused() -> None:
    with pytest.raises(RenderError, match="line 2: notes cannot be “inline”; write notes: mail or notes: web"):
        render("---\nnotes: inline\n---\nText", MASTHEAD, subject="x")


def test_only_what_is_sent_counts_towards_the_102_kb_of_gmail() -> None:
    many = "".join(f"[^{number}]" for number in range(150))
    notes = "".join(f"\n\n[^{number}]: " + "words of a note " * 40 for number in range(150))
    with pytest.raises(RenderError, match="Gmail cuts it"):
        rendered(f"Text{many}{notes}", has_archive=True)
    assert rendered(f"---\nnotes: web\n---\nText{many}{notes}", has_archive=True)


def test_an_author_cannot_write_where_the_notes_end() -> None:
    result = rendered(f"Text {NOTES_END} `{NOTES_END}`\n\n{NOTED}", has_archive=True)
    assert NOTES_END not in result.html
    assert "Note A" in put(result.html, URL)


def test_words_that_only_look_like_our_class_take_nothing_out_of_the_mail() -> None:
    text = f"{ON_WEB}\n<div title=' class=\"notes\" '>\n\nRead by 1 May.\n\n</div>\n\nYours, Ada.\n"
    sent = put(rendered(text, has_archive=True).html, URL)
    assert "Read by 1 May." in sent
    assert "Yours, Ada." in sent
    assert "Note A" not in sent


def test_notes_that_a_design_puts_where_they_are_not_found_are_noticed() -> None:
    html = rendered(ON_WEB, has_archive=True).html
    assert not keeps_notes(html)
    assert keeps_notes(html.replace('class="notes', 'class="endnotes'))


def _page(html: str) -> HtmlElement:
    return lxml.html.fromstring(html)
