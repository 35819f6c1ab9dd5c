"""Every sentence in every language; the right language for each reader; the choice carried from page to page."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import url_for

from service import factory
from service.languages import LANGUAGES, catalogues, format_date, format_datetime, format_number, say, say_number
from service.settings import ROOT, Settings
from service.tokens import Purpose, Signer
from tests.builders import a_newsletter, readers
from tests.web.catalogues import placeholders, problems, said
from tests.web.test_leaving import ask

Sql = Callable[..., list[Any]]
MOMENT = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize("tag", catalogues.translated())
def test_every_sentence_is_translated_with_its_values_and_nothing_is_left_over(tag: str) -> None:
    found = problems(tag)
    assert not found, f"templates/languages/{tag}.po:\n" + "\n".join(found)


def test_the_sentences_of_pages_and_code_are_found() -> None:
    places = {name for message in said() for name, _ in message.locations}
    assert {"templates/web/public/base.html", "service/web/faults.py"} <= places


def test_a_sentences_placeholders_are_told_from_percent_signs() -> None:
    assert placeholders("%(name)s: 100%% of %(num)d") == {"name", "num"}
    assert placeholders("100%") == {"%"}
    assert placeholders("50 % sure") != set()


def test_nothing_that_a_reader_sees_is_said_past_the_catalogues() -> None:
    """Words in a template that are not given to `_` would be English in every language. Our name is the same in all."""
    wild = re.compile(
        r">([^<>{}]*[A-Za-z]{2}[^<>{}]*)<|(?:alt|title|placeholder|aria-label)=\"([^\"]*[A-Za-z]{2}[^\"]*)\""
    )
    for path in sorted(
        path for place in ("web/public", "mail") for path in (ROOT / "templates" / place).rglob("*.html")
    ):
        text = re.sub(
            r"{#.*?#}|{%-?\s*trans\b.*?endtrans.*?%}|{%.*?%}|{{.*?}}|<style.*?</style>",
            "",
            path.read_text(),
            flags=re.S,
        )
        assert not [one for one in wild.findall(text) if "Broadsheet" not in one], path.relative_to(ROOT)


def test_a_sentence_that_is_not_translated_is_said_in_english() -> None:
    assert say("de", "Nobody has translated “%(what)s”: 100%%", what="this") == "Nobody has translated “this”: 100%"
    assert say("ja", "Privacy") == "Privacy"
    assert [say_number("fr", "%(num)s thing nobody translated", "%(num)s things", n) for n in (1, 2)] == [
        "1 thing nobody translated",
        "2 things",
    ]


def test_days_and_moments_are_written_as_the_language_does_and_in_the_zone_asked_for() -> None:
    assert format_date(MOMENT, "en") == "24 November 2026"
    assert format_date(MOMENT, "zh-Hans", "Asia/Shanghai") == "2026年11月25日"
    assert format_date(date(2026, 3, 1), "fr", "Asia/Shanghai") == "1 mars 2026"
    assert format_datetime(MOMENT, "de", "Europe/Berlin") == "25. November 2026, 00:30 MEZ"
    assert format_datetime(MOMENT, "zh", "Asia/Kolkata") == "2026年11月25日 05:00 UTC+05:30"
    assert format_datetime(MOMENT.replace(tzinfo=None), "en", "Not/AZone") == "24 November 2026, 23:30 UTC"
    assert format_number(1234567.5, "de") == "1.234.567,5"


@pytest.fixture
def link(web: str) -> str:
    """A leave link of a newsletter in French."""
    (subscription,) = readers(a_newsletter(language="fr"), ["mei@readers.example"])
    return f"{web}/u/{Signer(Purpose.LEAVE).sign(subscription)}"


def spoken(page: str) -> str:
    found = re.search(r'<html lang="([\w-]+)">', page)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("path", "header", "expected"),
    [
        ("", "de-CH,fr;q=0.5", "de"),
        ("?lang=zh_CN", "de", "zh-Hans"),
        ("?lang=tlh", "de", "de"),
        ("?lang=", "", "en"),
        ("", "zh-TW, ja", "zh-Hans"),
    ],
)
def test_a_page_is_in_the_language_chosen_or_asked_for(web: str, path: str, header: str, expected: str) -> None:
    _, page, headers = ask("GET", f"{web}/nothing{path}", Accept="text/html", Accept_Language=header)
    assert (spoken(page), headers["Content-Language"]) == (expected, expected)
    assert {"Accept-Language", "Cookie"} <= set(headers["Vary"].split(", "))
    assert headers["Cache-Control"] == "no-store"


def test_every_page_can_be_had_in_each_language_by_a_link_in_that_language(web: str) -> None:
    _, page, _ = ask("GET", f"{web}/nothing?x=1&lang=de&x=%26", Accept="text/html")
    for tag, name in LANGUAGES.items():
        assert f'<a href="?x=1&amp;x=%26&amp;lang={tag}" lang="{tag}" hreflang="{tag}"' in page
        assert f">{name}</a>" in page
    assert page.count('aria-current="true">Deutsch') == 1


def test_a_choice_of_language_is_carried_on_to_links_but_nothing_else_is(database: Settings) -> None:
    app = factory.create_app(database)
    with app.test_request_context("/nothing?lang=zh"):
        assert url_for("leaving.show", token="t").endswith("?lang=zh-Hans")
        assert url_for("leaving.show", token="t", lang="de").endswith("?lang=de")
        assert "lang" not in url_for("static", filename="public.css") + url_for("brand.stylesheet", slug="monthly")
    with app.test_request_context("/nothing", headers={"Accept-Language": "de"}):
        assert "lang" not in url_for("leaving.show", token="t")


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_pages_of_leaving_are_there_in_every_language(link: str, tag: str) -> None:
    for method in ("GET", "POST"):
        status, page, _ = ask(method, f"{link}?lang={tag}", b"" if method == "POST" else None, Accept="text/html")
        assert (status, spoken(page)) == (200, tag)
