"""Every wording is shown with its dates and the number of readers who agreed to it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.db import transaction
from service.domain.permissions import Actor
from service.errors import Forbidden, NotFound
from service.operations import importing, newsletter_settings, wording_history
from service.operations.consenting import record
from service.operations.wording_history import Worded
from service.operations.wordings import sha256_of, store
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter
from tests.team import an_operator, signed_in

Sql = Callable[..., list[Any]]


@pytest.fixture
def newsletter(database: Settings) -> int:
    return a_newsletter(tracking_policy="none")


def agreed(newsletter: int, words: str, *addresses: str, action: str = "given", method: str = "form") -> None:
    with transaction() as tx:
        store(tx, [words])
        for address in addresses:
            record(
                tx,
                action,
                email_key=email_key(address),
                newsletter_id=newsletter,
                purpose="newsletter",
                method=method,
                wording_sha256=sha256_of(words),
            )


def say(words: str | None, language: str = "en") -> None:
    newsletter_settings.set_wording("monthly", "newsletter", language, words, actor="test")


def found(source: str = "own", language: str | None = "en") -> list[Worded]:
    return [
        one
        for one in wording_history.history("monthly", actor="test")
        if (one.source, one.language) == (source, language)
    ]


def test_each_wording_was_in_force_until_the_next(newsletter: int, sql: Sql) -> None:
    say("First words")
    say("First words")
    say("Second words")
    say("Zweite Worte", "de")
    times = [at for (at,) in sql("SELECT at FROM audit_entries WHERE action = 'word' ORDER BY id")]
    second, first = found()
    assert (first.wording, first.since, first.until) == ("First words", times[0], times[2])
    assert (second.wording, second.since, second.until) == ("Second words", times[2], None)
    assert first.sha256 == sha256_of("First words").hex()
    (german,) = found(language="de")
    assert (german.wording, german.until) == ("Zweite Worte", None)


def test_ours_are_in_force_before_and_after_the_teams_own(newsletter: int, sql: Sql) -> None:
    (standard,) = found("standard")
    assert "The Monthly" in standard.wording
    assert standard.since == sql("SELECT created_at FROM newsletters")[0][0]
    say("Our own")
    assert found("standard") == []
    assert found("standard", "de") == [], "a German reader is shown the words in the newsletter's language"
    say(None)
    (own,) = found()
    (again,) = found("standard")
    assert own.until == again.since
    newsletter_settings.change("monthly", name="The Weekly", actor="test")
    (renamed,) = found("standard")
    assert "The Weekly" in renamed.wording
    assert renamed.since > again.since


def test_readers_who_agreed_are_counted_once(newsletter: int) -> None:
    say("Words")
    agreed(newsletter, "Words", "mei@readers.example", "bo@readers.example")
    agreed(newsletter, "Words", "mei@readers.example", action="confirmed")
    agreed(newsletter, "Words", "mei@readers.example", action="withdrawn")
    agreed(newsletter, "Words", "moved@readers.example", method="address-change")
    agreed(a_newsletter("other"), "Words", "elsewhere@readers.example")
    assert [one.readers for one in found()] == [2]


def test_what_nobody_set_here_is_dated_by_the_agreements(newsletter: int, tmp_path: Path) -> None:
    agreed(newsletter, "Words of an older name", "mei@readers.example", "bo@readers.example")
    (tmp_path / "rows.csv").write_text("email\nnew@readers.example\n")
    importing.import_subscribers(tmp_path / "rows.csv", newsletter_id=newsletter, consent="Seminar form, March 2026")
    (former,), (imported,) = found("former", None), found("import", None)
    assert (former.wording, former.readers) == ("Words of an older name", 2)
    assert former.until is not None
    assert former.since < former.until
    assert (imported.wording, imported.readers) == ("Seminar form, March 2026", 1)
    assert json.dumps([former.to_json(), imported.to_json()])


def test_only_whoever_sees_the_newsletter(newsletter: int) -> None:
    stranger = Actor("operator 9", {a_newsletter("other"): ["owner"]})
    with pytest.raises((Forbidden, NotFound)):
        wording_history.history("monthly", actor=stranger)
    with pytest.raises(NotFound):
        wording_history.history("nothing", actor="test")


def test_the_page_shows_them_as_words_not_as_markup(web: str) -> None:
    newsletter = a_newsletter()
    say("<script>alert(1)</script> I agree")
    say("Now these")
    agreed(newsletter, "Now these", "mei@readers.example")
    person = signed_in(an_operator("analyst"))
    settings = person.get(f"{web}/admin/newsletters/monthly")
    assert 'href="/admin/newsletters/monthly/wordings"' in settings.text
    page = person.get(f"{web}/admin/newsletters/monthly/wordings")
    assert page.status == 200
    assert "<script>alert(1)</script> I agree" in page.said
    assert "<script>alert(1)" not in page.text
    assert "In force since" in page.said
    assert sha256_of("Now these").hex() in page.text
