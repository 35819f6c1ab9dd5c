"""The line that leads from a mail to the same words on the web."""

import pytest

from service.rendering.web_version import ADDRESS, put
from tests.rendering.rendered import page, rendered

TEXT = "Dear reader,\n\nread [this](https://www.example.com/a).[^n]\n\n[^n]: A note."


def test_a_mail_of_a_newsletter_with_an_archive_says_where_it_can_be_read_in_a_browser() -> None:
    result = rendered(TEXT, has_archive=True)
    [link] = page(result).cssselect(f"a[href='{ADDRESS}']")
    assert link.text_content() == "Read this in your browser"
    assert "Read this in your browser:\n<https://web-version.invalid/>\n" in result.text


def test_the_line_is_never_tracked() -> None:
    """SendGrid heeds the attribute only before the address."""
    html = rendered(TEXT, has_archive=True).html
    assert f'<a clicktracking="off" href="{ADDRESS}"' in html


@pytest.mark.parametrize("language", ["en", "zh-Hans", "de", "fr"])
def test_without_the_line_a_mail_is_what_it_is_without_an_archive(language: str) -> None:
    """So that its hash is the same, and nobody who has it gets it again."""
    opened, closed = rendered(TEXT, has_archive=True, language=language), rendered(TEXT, language=language)
    assert (put(opened.html, None), put(opened.text, None)) == (closed.html, closed.text)
    assert (put(closed.html, None), put(closed.text, None)) == (closed.html, closed.text)
    assert opened.html != closed.html


def test_the_line_leads_to_the_page_that_is_given() -> None:
    result = rendered(TEXT, has_archive=True)
    for part in (result.html, result.text):
        put_in = put(part, "https://news.example/n/monthly/7")
        assert "https://news.example/n/monthly/7" in put_in
        assert "invalid" not in put_in
