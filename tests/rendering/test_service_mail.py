"""The words of the service's own mails: every kind in every language, escaped, with what a reader must know."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest

from service.domain.languages import LANGUAGES
from service.rendering.design import Masthead
from service.rendering.service_mail import TEMPLATES, Letter, render
from service.rendering.wrapping import WIDTH, columns

KINDS = ("confirm", "known", "welcome", "manage", "change-old", "change-new", "changed")
URL = "https://news.firm.example/c/AbCdEfGhIjKlMnOpQrStUvWxYz01234"
LEAVE = "https://news.firm.example/u/AbCdEfGhIjKlMnOpQrStUvWxYz01234"
TAGS = re.compile(r"<[^>]+>")


def letter(**words: Any) -> Letter:
    given: dict[str, Any] = {
        "masthead": Masthead("R&D <Monthly> 100%", "Quay LLP", "Quay LLP\n1 Quay Street\nHarbourton"),
        "newsletters": ["R&D <Monthly> 100%"],
        "url": URL,
        "zone": "Asia/Shanghai",
        "expires_at": datetime(2026, 12, 1, 17, 30, tzinfo=UTC),
        "leave_url": LEAVE,
    }
    return Letter(**given | words)


def test_every_kind_has_both_forms() -> None:
    for kind in KINDS:
        assert (TEMPLATES / f"{kind}.html").is_file()
        assert (TEMPLATES / f"{kind}.txt").is_file()


@pytest.mark.parametrize("language", list(LANGUAGES))
@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_says_who_sends_it_where_its_link_leads_and_that_in_its_language(kind: str, language: str) -> None:
    mail = render(kind, language, letter())
    assert mail.subject
    assert "\n" not in mail.subject
    assert f'<html lang="{language}" dir="ltr">' in mail.html
    assert mail.html.startswith("<!DOCTYPE html>")
    assert URL in mail.html
    assert f"<{URL}>" in mail.text
    for place in (mail.text, unescape(TAGS.sub(" ", mail.html))):
        assert "Quay LLP" in place
        assert "1 Quay Street" in place
        assert "R&D <Monthly> 100%" in place
    assert "<Monthly>" not in mail.html
    assert "%(" not in mail.html + mail.text
    assert "<img" not in mail.html
    assert "<table" not in mail.html


@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_is_translated(kind: str) -> None:
    mails = [render(kind, language, letter()) for language in LANGUAGES]
    assert len({mail.subject for mail in mails}) == len(LANGUAGES)


@pytest.mark.parametrize(("language", "moment"), [("en", "2 December 2026, 01:30"), ("zh-Hans", "2026年12月2日 01:30")])
@pytest.mark.parametrize("kind", ["confirm", "manage", "change-old", "change-new"])
def test_a_link_that_ends_says_when_in_the_newsletters_zone(kind: str, language: str, moment: str) -> None:
    mail = render(kind, language, letter())
    assert f"{moment} UTC+08:00" in " ".join(mail.text.split())
    assert f"{moment} UTC+08:00" in mail.html


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "welcome"])
def test_only_a_welcome_offers_leaving(kind: str) -> None:
    mail = render(kind, "en", letter())
    assert "/u/" not in mail.html + mail.text


def test_a_welcome_without_the_teams_words_has_ours() -> None:
    assert "Thank you for confirming" in render("welcome", "en", letter()).text
    assert "Thank you for confirming" not in render("welcome", "en", letter(welcome="Hello.")).text


def test_several_newsletters_are_named_one_by_one() -> None:
    mail = render("confirm", "en", letter(newsletters=["One & only", "数据法通讯"]))
    assert mail.subject == "Please confirm your subscriptions"
    assert "- One & only\n- 数据法通讯\n" in mail.text
    assert ">One &amp; only</li>" in mail.html


def test_a_language_that_we_do_not_speak_is_answered_in_english() -> None:
    assert render("confirm", "pt-BR", letter()).language == "en"


@pytest.mark.parametrize("kind", KINDS)
def test_lines_of_text_fit_but_links_stay_whole(kind: str) -> None:
    for language in LANGUAGES:
        lines = render(kind, language, letter()).text.splitlines()
        assert max(columns(line) for line in lines if not line.startswith("<")) <= WIDTH


def test_a_name_on_several_lines_cannot_break_the_subject() -> None:
    mail = render("confirm", "en", letter(masthead=Masthead("Two\r\nBcc: lines", "Quay LLP", "1 Quay Street")))
    assert mail.subject == "Please confirm: Two Bcc: lines"
