"""An issue in several languages in the archive: everybody reads theirs, at one address, and as nobody in particular."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.operations import archiving, scheduling
from service.operations.authoring import Source, create_issue
from tests.builders import readers
from tests.conftest import Sandbox
from tests.web.test_archive import look, moved, newsletter, page

__all__ = ["newsletter"]

Sql = Callable[..., list[Any]]
NOWHERE = Path("/nonexistent")
ENGLISH = "# News of March\n\nEnglish words{% if organisation %} for members{% endif %} of {{ today }}, with \\{% signs \\%}.\n"
GERMAN = '# Neues vom März\n\nDeutsche Worte{% if organisation %} für Mitglieder{% endif %} vom {{ today | date: "short" }}.\n'


@pytest.fixture
def issue(newsletter: int, sandbox: Sandbox, drain: Callable[..., int], sql: Sql) -> int:
    """An issue in English and German, sent on New Year's Eve, which in Shanghai is over."""
    readers(newsletter, ["jan@readers.example"])
    sql("""UPDATE subscribers SET language = 'de', attributes = '{"organisation": "x"}' WHERE address LIKE 'jan@%%'""")
    source = Source(ENGLISH, NOWHERE, versions={"de": Source(GERMAN, NOWHERE)})
    found, _ = create_issue(source, newsletter_id=newsletter, actor="test")
    scheduling.schedule(found, actor="test")
    drain()
    sql("UPDATE issues SET prepared_at = '2025-12-31 20:00Z'")
    return found


def test_a_visitor_reads_the_version_in_their_language_at_the_same_address(web: str, issue: int) -> None:
    status, place = moved(f"{web}/n/monthly/{issue}", **{"Accept-Language": "de"})
    assert (status, place) == (301, f"/n/monthly/{issue}/2026-01-01-news-of-march")
    german = page(web + place, **{"Accept-Language": "de-AT,en;q=0.5"})
    assert "Deutsche Worte vom 01.01.2026" in german.text_content()
    assert "Mitglieder" not in german.text_content(), "nobody in particular is a member"
    for others in ("en", "fr", ""):
        english = page(web + place, **{"Accept-Language": others}).text_content()
        assert "English words of 1 January 2026, with {% signs %}." in english
    assert "Accept-Language" in look(web + place)[2]["Vary"]


def test_the_link_in_a_mail_leads_to_the_version_that_the_mail_was(web: str, issue: int, sandbox: Sandbox) -> None:
    german = sandbox.messages("jan@readers.example")[0]["text"]
    english = sandbox.messages("mei@readers.example")[0]["text"]
    assert f"/n/monthly/{issue}?lang=de" in german
    assert f"/n/monthly/{issue}>" in english or f"/n/monthly/{issue}\n" in english
    status, place = moved(f"{web}/n/monthly/{issue}?lang=de", **{"Accept-Language": "en"})
    assert status == 301
    assert "Deutsche Worte" in page(web + place, **{"Accept-Language": "en"}).text_content()


def test_lists_and_feeds_have_the_issue_once_in_the_newsletters_language(web: str, issue: int) -> None:
    assert [entry.title for entry in archiving.latest("monthly")] == ["News of March"]
    assert [entry.title for entry in archiving.feed("monthly", base=web)] == ["News of March"]
