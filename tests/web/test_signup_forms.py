"""What is typed into a sign-up form: nothing of it is lost, everything wrong is named, and nobody agrees to other words
than they saw."""

import html
import json
import re
from datetime import timedelta

import pytest

from service.operations.signing_up import embed_form
from service.operations.wordings import sha256_of
from tests.builders import an_issue
from tests.web.signups import Sql, Visitor, aged, boxes, filled, open_newsletter, read_for, ticket


@pytest.fixture
def visitor(web: str) -> Visitor:
    return Visitor(web)


def kept(sql: Sql) -> int:
    count: int = sql("SELECT count(*) FROM signups")[0][0]
    return count


def value(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" type="[a-z]+" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("", "The address is empty"),
        ("mei", "has no @"),
        ("a@readers.example, b@readers.example", "several addresses"),
        ("a@readers.example\r\nBcc: b@readers.example", "invisible character"),
        ("mei@exаmple.com", "two scripts that look alike"),
        (f"{'a' * 300}@readers.example", "at most 64"),
        ("\ud7ff\x00@readers.example", "invisible character"),
        ("mei@readers", "no dot"),
        ('"mei lin"@readers.example', "quotation marks"),
    ],
)
def test_a_wrong_address_is_explained_and_kept_in_its_field(
    visitor: Visitor, sql: Sql, address: str, advice: str
) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    status, page, _ = visitor.send("/subscribe", filled(page, address, "tracking"))
    assert status == 422
    assert advice in page
    if address.isprintable():
        assert value(page, "address") == address
    assert page.count(" checked") == 2, "the ticks are kept"
    assert kept(sql) == 0
    assert 'href="#address"' in page
    assert 'aria-invalid="true"' in page
    status, _, _ = visitor.send("/subscribe", filled(page))
    assert status == 303, "a correction is taken at once, however fast"
    assert kept(sql) == 1


def test_a_box_left_empty_is_no_consent_and_tracking_is_nobodys_condition(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    assert " checked" not in page, "no box is ticked beforehand"
    status, page, _ = visitor.send(
        "/subscribe", [one for one in filled(page, "mei@readers.example", "tracking") if one[0] != "newsletter"]
    )
    assert (status, "Tick this box" in page, kept(sql)) == (422, True, 0)
    assert visitor.send("/subscribe", filled(page))[0] == 303
    ((choices,),) = sql("SELECT choices FROM signups")
    assert (choices[0]["tracking"], list(choices[0]["wordings"])) == (False, ["newsletter"])


def test_without_consent_to_the_transfer_the_reader_is_told_why_it_cannot_be(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql, needs_export_consent=True, tracking_policy="none")
    _, page, _ = visitor.get("/n/monthly")
    assert boxes(page, "tracking") == []
    status, page, _ = visitor.send("/subscribe", filled(page))
    assert (status, "delivered from the United States" in page, kept(sql)) == (422, True, 0)
    assert visitor.send("/subscribe", filled(page, "mei@readers.example", "export"))[0] == 303
    assert sql("SELECT choices -> 0 -> 'export' FROM signups") == [(True,)]


def test_words_that_changed_meanwhile_are_shown_before_anything_is_kept(visitor: Visitor, sql: Sql) -> None:
    newsletter_id = open_newsletter(sql)
    _, before, _ = visitor.get("/n/monthly")
    sql("INSERT INTO newsletter_wordings VALUES (%s, 'newsletter', 'en', 'I want <b>it</b> & only it.')", newsletter_id)
    status, page, _ = visitor.send("/subscribe", filled(before, "mei@readers.example", "tracking"))
    assert (status, kept(sql)) == (422, 0)
    assert "These words have changed" in page
    assert "I want &lt;b&gt;it&lt;/b&gt; &amp; only it." in page
    assert page.count(" checked") == 1, "only the box whose words are the same is still ticked"
    assert visitor.send("/subscribe", filled(page))[0] == 303
    assert sql("SELECT wording, sha256 FROM consent_wordings") == [
        ("I want <b>it</b> & only it.", sha256_of("I want <b>it</b> & only it."))
    ]


def test_words_are_the_readers_languages_else_the_newsletters_else_ours(visitor: Visitor, sql: Sql) -> None:
    newsletter_id = open_newsletter(sql, language="zh-Hans")
    for language, text in (("zh-Hans", "我要订阅"), ("de", "Ich will es")):
        sql("INSERT INTO newsletter_wordings VALUES (%s, 'newsletter', %s, %s)", newsletter_id, language, text)
    for asked, text in (("de", "Ich will es"), ("fr", "我要订阅"), ("zh", "我要订阅")):
        page = visitor.get("/n/monthly", Accept_Language=asked)[1]
        assert f">{text}</span>" in page
        assert boxes(page, "newsletter") == [f"monthly:{sha256_of(text).hex()}"]
    _, page, _ = visitor.get("/n/monthly", Accept_Language="ja")
    assert visitor.send("/subscribe", filled(page), Accept_Language="ja")[0] == 303
    assert sql("SELECT language FROM signups") == [("zh-Hans",)], "of the form that was shown"


def test_fields_of_the_teams_are_asked_kept_and_bounded(visitor: Visitor, sql: Sql) -> None:
    fields = [
        {"name": "first_name", "required": True},
        {"name": "language"},
        {"name": "practice", "label": {"en": "Practice", "de": "Fach"}, "required": True},
        {"name": "address", "label": "Street"},
    ]
    open_newsletter(sql, signup_fields=json.dumps(fields))
    _, page, _ = visitor.get("/n/monthly")
    wrong = {"first_name": "Mei\r\nBcc: x", "own_practice": "x" * 201, "own_address": "", "language": "xx"}
    status, page, _ = visitor.send("/subscribe", filled(page, "mei@readers.example", **wrong))
    assert status == 422
    for sentence in (
        "This has a line break",
        "This has 201 characters; at most 200 fit",
        "Choose one of the languages",
    ):
        assert sentence in page
    without: list[tuple[str, str]] = [one for one in filled(page) if one[0] != "newsletter"]
    for sent in (filled(page), without):
        status, page, _ = visitor.send("/subscribe", sent)
        assert (status, page.count("is needed for this newsletter")) == (422, 4), "twice: at the top and beside it"
    right = {"first_name": " Mei  Lin ", "own_practice": "Privacy", "own_address": "Quay 3", "language": "zh-Hans"}
    assert visitor.send("/subscribe", filled(page, "mei@readers.example", **right))[0] == 303
    assert sql("SELECT first_name, language, attributes FROM signups") == [
        ("Mei Lin", "zh-Hans", {"practice": "Privacy", "address": "Quay 3"})
    ]


def test_several_newsletters_are_chosen_at_once_each_under_its_own_words(visitor: Visitor, sql: Sql) -> None:
    first = open_newsletter(sql, "daily", name="The Daily")
    second = open_newsletter(sql, "weekly", name="The Weekly", needs_export_consent=True)
    open_newsletter(sql, "closed", name="The Closed", accepts_signups=False)
    for path in ("/", "/subscribe"):
        status, page, _ = visitor.get(path)
        assert (status, "The Closed" in page, len(boxes(page, "newsletter"))) == (200, False, 2)
    form = filled(page, "mei@readers.example", "export")
    assert visitor.send("/subscribe", [one for one in form if one[0] != "newsletter"])[0] == 422
    assert visitor.send("/subscribe", form)[0] == 303
    ((choices,),) = sql("SELECT choices FROM signups")
    assert [(one["newsletter"], one["export"]) for one in choices] == [(first, False), (second, True)]


def test_a_newsletters_page_shows_its_latest_issues_only_where_there_is_an_archive(visitor: Visitor, sql: Sql) -> None:
    newsletter_id = open_newsletter(sql)
    issue_id = an_issue(newsletter_id)
    sql("UPDATE issues SET prepared_at = now(), in_archive = true WHERE id = %s", issue_id)
    assert "Latest issues" not in visitor.get("/n/monthly")[1]
    sql("UPDATE newsletters SET has_archive = true")
    _, page, _ = visitor.get("/n/monthly?lang=de")
    found = re.search(rf'href="(/n/monthly/{issue_id}/[^"]+)\?lang=de" lang="en">News of the month<', page)
    assert found
    assert visitor.get(found[1])[0] == 200


def test_a_newsletter_that_takes_no_sign_ups_is_no_page(visitor: Visitor, sql: Sql) -> None:
    newsletter_id = open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    sql("UPDATE newsletters SET accepts_signups = false WHERE id = %s", newsletter_id)
    for path in ("/n/monthly", "/n/never-there"):
        status, text, _ = visitor.get(path)
        assert status == 404
    status, text, _ = visitor.send("/subscribe", filled(page))
    assert (status, kept(sql)) == (404, 0)
    assert "takes sign-ups at present" in text
    status, text, _ = visitor.get("/")
    assert (status, "No newsletter takes sign-ups at present" in text) == (200, True)


def test_a_form_that_is_old_or_forged_comes_back_filled_in(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    shown = ["page", "en", ["monthly"], None]
    old = aged("signup-form", shown, timedelta(hours=24, minutes=1))
    for wrong in ("", "forged", ticket(page)[:-3] + "AAA", ticket(page) + "\u00e9", old):
        fields = [("form", wrong), *filled(page, "mei@readers.example", "tracking")[1:]]
        status, again, _ = visitor.send("/subscribe", fields)
        assert (status, kept(sql)) == (422, 0)
        assert "please send it once more" in again
        assert value(again, "address") == "mei@readers.example"
        assert again.count(" checked") == 2
    assert visitor.send("/subscribe", filled(again))[0] == 303
    almost_old = aged("signup-form", shown, timedelta(hours=23, minutes=59))
    assert visitor.send("/subscribe", [("form", almost_old), *filled(page)[1:]])[0] == 303


def test_a_form_that_is_far_too_large_is_refused_unread(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    assert visitor.send("/subscribe", filled(page, first_name="x" * 70_000))[0] == 413
    assert kept(sql) == 0


def test_a_slip_in_a_common_domain_is_taken_and_told(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    status, _, headers = visitor.send("/subscribe", filled(page, "mei@GMIAL.com"))
    assert (status, kept(sql)) == (303, 1)
    _, page, _ = visitor.get(headers["Location"])
    assert "Did you mean gmail.com?" in page
    assert "mei" not in page
    assert "Did you mean" not in visitor.get("/subscribed?domain=evil.example")[1]


def test_roles_and_mailboxes_for_minutes_are_flagged_and_taken(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    for address in ("info@readers.example", "mei@mailinator.com"):
        assert visitor.send("/subscribe", filled(page, address))[0] == 303
    assert sql("SELECT flags FROM signups ORDER BY id") == [(["role"],), (["disposable"],)]


def test_a_form_embedded_elsewhere_works_for_years_and_gives_no_cookie(visitor: Visitor, sql: Sql) -> None:
    newsletter_id = open_newsletter(sql, signup_fields=json.dumps([{"name": "first_name", "required": True}]))
    snippet = embed_form("monthly", "de")
    assert "<script" not in snippet
    assert "style=" not in snippet
    assert f'action="{visitor.site}/subscribe?lang=de"' in snippet
    assert 'hidden aria-hidden="true"' in snippet
    assert read_for(snippet) == ticket(snippet), "it names no moment"
    fields = filled(snippet.replace('" required>', '">'), "mei@readers.example", first_name="Mei")
    fields[0] = ("form", ticket(snippet))
    assert {name for name, _ in fields} == {"form", "address", "first_name", "newsletter"}
    elsewhere = {"Sec_Fetch_Site": "cross-site", "Origin": "https://firm.example"}
    status, _, headers = visitor.send("/subscribe?lang=de", fields, **elsewhere)
    assert (status, "Set-Cookie" in headers) == (303, False)
    assert sql("SELECT form, language FROM signups") == [("embed", "de")]
    sql("INSERT INTO newsletter_wordings VALUES (%s, 'newsletter', 'de', 'Neu')", newsletter_id)
    status, page, _ = visitor.send("/subscribe?lang=de", fields, **elsewhere)
    assert (status, kept(sql)) == (422, 1)
    assert (value(page, "address"), value(page, "first_name")) == ("mei@readers.example", "Mei")
    assert ">Neu</span>" in page


@pytest.mark.parametrize(
    "path",
    ["/n/%00", "/n/%00/archive", "/n/%00/1", "/n/%00/feed.atom", "/n/%00/brand.css", "/api/newsletters/%00/form"],
)
def test_an_address_that_no_text_can_hold_is_not_there(web: str, sql: Sql, path: str) -> None:
    """And not a database that is away, for which programs come back and teams are woken."""
    open_newsletter(sql)
    assert Visitor(web).get(path)[0] == 404


def test_a_form_that_no_text_can_hold_is_refused(web: str, sql: Sql) -> None:
    open_newsletter(sql)
    assert Visitor(web).send("/subscribe", [("newsletter", "\0:x")])[0] == 400
