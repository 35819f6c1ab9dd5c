"""The reader's own page: reached by a mailed link alone, open for half an hour, saved as what was changed and under the words
that were shown."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.operations.linking import MAILS_A_DAY, request_for_address
from service.tokens import Purpose, Signer
from tests.web.browsing import Page, Person
from tests.web.entering import MEI, answer_requests, mailed_link

Sql = Callable[..., list[Any]]
Bells = list[tuple[str, tuple[int, ...]]]


Enter = Callable[[], tuple[Person, Page]]


def acts(sql: Sql) -> list[Any]:
    return sql("SELECT purpose, action, method FROM consent_records ORDER BY id")


def test_a_known_and_an_unknown_address_are_answered_alike(web: str, reader: int, sql: Sql, bells: Bells) -> None:
    known, unknown = Person(), Person()
    pages = [
        p.press(p.get(f"{web}/manage"), "/manage", address=a)
        for p, a in ((known, MEI), (unknown, "no@readers.example"))
    ]
    assert [page.status for page in pages] == [200, 200]
    assert pages[0].text == pages[1].text
    assert MEI not in pages[0].text
    answer_requests(bells)
    assert sql("SELECT kind FROM mails") == [("manage",)]
    assert sql("SELECT count(*) FROM link_requests WHERE answered_at IS NULL") == [(0,)]


def test_asking_for_a_link_looks_nobody_up(reader: int, statements: list[str]) -> None:
    """So that no time is longer for who is known: the request asks the database the same of every address."""
    asked = []
    for typed in (MEI, "no@readers.example"):
        statements.clear()
        request_for_address(typed, language="en", network="203.0.113.0/24")
        asked.append(statements[:])
    assert asked[0] == asked[1]
    assert any("INSERT INTO link_requests" in one for one in statements)
    assert not re.search(r"subscri(ber|ption)s\b|suppressions|mails", " ".join(statements))


def test_an_address_that_cannot_be_is_kept_to_be_corrected(web: str, reader: int, sql: Sql) -> None:
    person = Person()
    for typed in ("", "mei", "mei@", "mei@readers", "x" * 2000, 'me"i@readers.example'):
        page = person.press(person.get(f"{web}/manage"), "/manage", address=typed)
        assert page.status == 422
        assert page.form("/manage")[1]["address"] == typed[:1000]
    assert sql("SELECT count(*) FROM link_requests") == [(0,)]


def test_an_address_gets_three_links_a_day(web: str, reader: int, sql: Sql, bells: Bells) -> None:
    person = Person()
    for _ in range(MAILS_A_DAY + 3):
        person.post(f"{web}/manage", {"address": MEI})
    answer_requests(bells)
    assert sql("SELECT count(*) FROM mails") == [(MAILS_A_DAY,)]


def test_a_network_that_asks_too_often_is_told_when_to_come_back(web: str, reader: int, sql: Sql) -> None:
    sql(
        "INSERT INTO link_requests (email_key, language, network) SELECT 'x', 'en', '127.0.0.0/24' FROM generate_series(1, 30)"
    )
    page = Person().post(f"{web}/manage", {"address": MEI})
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 3000
    assert "60 minutes" in page.said


def test_a_link_opens_once(web: str, reader: int, enter: Enter, sql: Sql) -> None:
    person, page = enter()
    assert (page.status, page.url) == (200, f"{web}/preferences")
    ((used, link_id),) = sql("SELECT used_at IS NOT NULL, id FROM links")
    assert used
    token = Signer(Purpose.MANAGE).sign(link_id)
    for other in (Person(), person):
        again = other.get(f"{web}/m/{token}")
        assert again.status == 410
        assert "Ask for a new link" in again.said
        assert other.post(f"{web}/m/{token}").status == 410
    assert Person().get(f"{web}/preferences").status == 403


def test_a_link_grows_too_old(web: str, reader: int, sql: Sql, bells: Bells) -> None:
    Person().post(f"{web}/manage", {"address": MEI})
    token = mailed_link(sql, bells)
    sql("UPDATE links SET expires_at = now() - interval '1 second'")
    assert Person().get(f"{web}/m/{token}").status == 410
    assert Person().post(f"{web}/m/{token}").status == 410


def test_looking_at_a_link_uses_nothing_up(web: str, reader: int, sql: Sql, bells: Bells) -> None:
    Person().post(f"{web}/manage", {"address": MEI})
    token = mailed_link(sql, bells)
    for _ in range(3):
        assert Person().get(f"{web}/m/{token}").status == 200
    assert sql("SELECT used_at, ended_at FROM links") == [(None, None)]


def test_only_the_browser_that_asked_presses_the_button_by_itself(
    web: str, reader: int, sql: Sql, bells: Bells
) -> None:
    asked, scanner = Person(Sec_Fetch_Site="same-origin"), Person()
    asked.post(f"{web}/manage", {"address": MEI})
    token = mailed_link(sql, bells)
    assert "confirm.js" in asked.get(f"{web}/m/{token}").text
    assert "confirm.js" not in scanner.get(f"{web}/m/{token}").text
    assert "confirm.js" not in Person().get(f"{web}/m/{token}").text
    page = scanner.post(f"{web}/m/{token}", {"how": "auto"})
    assert "Open my page" in page.said
    assert sql("SELECT used_at FROM links") == [(None,)]
    assert asked.post(f"{web}/m/{token}", {"how": "auto"}).url == f"{web}/preferences"


def test_another_site_cannot_let_a_browser_in(web: str, reader: int, sql: Sql, bells: Bells) -> None:
    Person().post(f"{web}/manage", {"address": MEI})
    token = mailed_link(sql, bells)
    assert Person(Sec_Fetch_Site="cross-site").post(f"{web}/m/{token}").status == 403
    assert sql("SELECT used_at FROM links") == [(None,)]


def test_the_page_is_open_for_half_an_hour_and_says_until_when(web: str, enter: Enter, sql: Sql) -> None:
    person, page = enter()
    ((used,),) = sql("SELECT used_at FROM links")
    until = used.astimezone(UTC) + timedelta(minutes=30, hours=8)
    assert f"{until:%H:%M}" in page.said, "in the newsletter's time zone"
    assert MEI in page.said
    assert page.headers["Cache-Control"] == "no-store"
    sql("UPDATE links SET used_at = used_at - interval '31 minutes'")
    for answer in (person.get(f"{web}/preferences"), person.press(page, "/preferences", newsletter=None)):
        assert answer.status == 403
        assert "Your page is closed" in answer.said
    assert acts(sql) == []


def test_closing_the_page_ends_it_for_good(web: str, enter: Enter) -> None:
    person, page = enter()
    kept = list(person.cookies)
    assert "Your page is closed" in person.press(page, "/close").said
    for cookie in kept:
        person.cookies.set_cookie(cookie)
    assert person.get(f"{web}/preferences").status == 403, "whoever kept the cookie is not let in by it"


@pytest.mark.parametrize("path", ["/preferences", "/preferences/undo", "/preferences/close"])
def test_no_form_of_another_site_or_session_is_taken(web: str, enter: Enter, sql: Sql, path: str) -> None:
    person, page = enter()
    before = sql("SELECT * FROM subscriptions"), sql("SELECT used_at, ended_at FROM links")
    _, other = enter()
    foreign = other.form("/preferences")[1]["form"]
    for seal in ("", "x", foreign, foreign[:-1]):
        assert person.post(web + path, {"form": seal}).status == 403
        assert Person().post(web + path, {"form": page.form("/preferences")[1]["form"]}).status == 403
    assert sql("SELECT * FROM subscriptions") == before[0]
    assert sql("SELECT used_at, ended_at FROM links ORDER BY id LIMIT 1") == before[1]


def test_leaving_and_beginning_are_saved_with_the_words_that_were_shown(weekly: int, enter: Enter, sql: Sql) -> None:
    person, page = enter()
    assert "I would like to get The Weekly by email" in page.said
    saved = person.press(page, "/preferences", newsletter="weekly", tracking=None)
    assert saved.status == 200
    assert "You have left The Monthly" in saved.said
    assert "The Weekly is sent to you from the next issue on." in saved.said
    assert sql("SELECT newsletter_id = %s, state, tracking FROM subscriptions ORDER BY id", weekly) == [
        (False, "unsubscribed", "agreed"),
        (True, "active", "unasked"),
    ]
    assert acts(sql) == [
        ("newsletter", "withdrawn", "preferences"),
        ("newsletter", "given", "preferences"),
        ("newsletter", "confirmed", "preferences"),
    ]
    assert sql("SELECT count(*) FROM consent_details WHERE details::jsonb ->> 'network' = '127.0.0.0/24'") == [(3,)]
    words = sql(
        "SELECT DISTINCT w.wording FROM consent_records r JOIN consent_wordings w ON w.sha256 = r.wording_sha256"
    )
    assert [text[:41] for (text,) in words] == ["I would like to get The Weekly by email f"]
    assert words[0][0] in " ".join(page.said.split())


def test_what_was_left_by_a_saving_can_be_undone(enter: Enter, sql: Sql) -> None:
    person, page = enter()
    saved = person.press(page, "/preferences", newsletter=None)
    back = person.press(saved, "/undo")
    assert "The leaving was undone" in back.said
    assert sql("SELECT state FROM subscriptions") == [("active",)]
    assert acts(sql)[-2:] == [("newsletter", "given", "undo"), ("newsletter", "confirmed", "undo")]
    assert person.press(saved, "/undo").status == 409


def test_nothing_is_recorded_when_nothing_was_changed(enter: Enter, sql: Sql) -> None:
    person, page = enter()
    before = sql("SELECT * FROM subscriptions"), sql("SELECT * FROM subscribers")
    saved = person.press(page, "/preferences")
    assert "Nothing was changed" in saved.said
    assert (sql("SELECT * FROM subscriptions"), sql("SELECT * FROM subscribers")) == before
    assert acts(sql) == []


def test_an_old_page_begins_nothing_that_was_left_meanwhile(enter: Enter, reader: int, web: str, sql: Sql) -> None:
    person, page = enter()
    Person().post(f"{web}/u/{Signer(Purpose.LEAVE).sign(reader)}", {"List-Unsubscribe": "One-Click"})
    person.press(page, "/preferences", first_name="Mei Ling")
    assert sql("SELECT state FROM subscriptions") == [("unsubscribed",)]
    assert sql("SELECT first_name FROM subscribers") == [("Mei Ling",)]
    assert acts(sql) == [("newsletter", "withdrawn", "one-click")]


def test_words_that_changed_meanwhile_are_shown_before_anything_counts(weekly: int, enter: Enter, sql: Sql) -> None:
    person, page = enter()
    sql("INSERT INTO newsletter_wordings VALUES (%s, 'newsletter', 'en', 'Quite other words.')", weekly)
    target, fields = page.form("/preferences")
    page = person.post(target, {**fields, "newsletter": "weekly", "first_name": "Typed"})
    assert page.status == 422
    assert "Quite other words." in page.said
    assert "have changed in the meantime" in page.said
    assert page.form("/preferences")[1]["first_name"] == "Typed"
    assert acts(sql) == []
    assert sql("SELECT state FROM subscriptions") == [("active",)], "all or nothing"
    person.press(page, "/preferences", newsletter="weekly")
    assert sql(
        "SELECT DISTINCT w.wording FROM consent_records r JOIN consent_wordings w ON w.sha256 = r.wording_sha256"
    ) == [("Quite other words.",)]


def test_tracking_is_agreed_to_and_taken_back_by_its_own_box(enter: Enter, sql: Sql) -> None:
    person, page = enter()
    page = person.press(page, "/preferences", tracking=None)
    assert sql("SELECT state, tracking FROM subscriptions") == [("active", "objected")]
    page = person.press(page, "/preferences", tracking="monthly")
    assert sql("SELECT state, tracking FROM subscriptions") == [("active", "agreed")]
    assert acts(sql) == [
        ("tracking", "withdrawn", "preferences"),
        ("tracking", "given", "preferences"),
        ("tracking", "confirmed", "preferences"),
    ]
    assert sql("SELECT count(*) FROM consent_details WHERE details::jsonb ->> 'network' = '127.0.0.0/24'") == [(3,)]


def test_where_readers_are_tracked_unless_they_object_an_empty_box_objects(weekly: int, enter: Enter, sql: Sql) -> None:
    sql("UPDATE newsletters SET tracking_policy = 'not-objected'")
    sql("UPDATE subscriptions SET tracking = 'unasked'")
    person, page = enter()
    assert page.form("/preferences")[1]["tracking"] == "monthly", "silence is shown as what it means"
    target, fields = page.form("/preferences")
    fields.pop("tracking")
    person.post(target, {**fields, "newsletter": "weekly"})
    assert sql("SELECT tracking FROM subscriptions ORDER BY id") == [("agreed",), ("objected",)] or sql(
        "SELECT state, tracking FROM subscriptions ORDER BY id"
    ) == [("unsubscribed", "unasked"), ("active", "objected")]
    assert ("tracking", "withdrawn", "preferences") in acts(sql)


def test_a_newsletter_delivered_from_abroad_is_begun_with_the_agreement_to_it_only(
    weekly: int, enter: Enter, sql: Sql
) -> None:
    sql("UPDATE newsletters SET needs_export_consent = true WHERE id = %s", weekly)
    person, page = enter()
    refused = person.press(page, "/preferences", newsletter="weekly")
    assert refused.status == 422
    assert "Tick this box too" in refused.said
    assert acts(sql) == []
    saved = person.press(refused, "/preferences", newsletter="weekly", export="weekly", tracking=None)
    assert saved.status == 200
    assert [act for act in acts(sql) if act[0] == "export"] == [
        ("export", "given", "preferences"),
        ("export", "confirmed", "preferences"),
    ]
    saved = person.press(saved, "/preferences", export=None)
    assert "No issue is sent to you without it" in saved.said
    assert sql("SELECT export_consent FROM subscriptions WHERE newsletter_id = %s", weekly) == [("objected",)]


def test_a_pause_is_set_refused_and_taken_back_beside_its_newsletter(enter: Enter, sql: Sql) -> None:
    person, page = enter()
    later = (datetime.now(UTC) + timedelta(days=40)).date()
    target, fields = page.form("/preferences")
    wrong = person.post(target, {**fields, "pause-monthly": "2020-01-01"})
    assert wrong.status == 422
    assert "has passed or is today" in wrong.said
    assert wrong.form("/preferences")[1]["pause-monthly"] == "2020-01-01"
    saved = person.post(target, {**fields, "pause-monthly": later.isoformat()})
    assert f"from {later.day} {later:%B} {later.year} on" in saved.said
    assert sql("SELECT (paused_until AT TIME ZONE 'Asia/Shanghai')::text FROM subscriptions") == [
        (f"{later} 00:00:00",)
    ]
    target, fields = saved.form("/preferences")
    assert fields["pause-monthly"] == later.isoformat()
    person.post(target, {**fields, "pause-monthly": ""})
    assert sql("SELECT paused_until FROM subscriptions") == [(None,)]


def test_details_are_changed_tidied_and_emptied(monthly: int, enter: Enter, sql: Sql) -> None:
    sql(
        """UPDATE newsletters SET signup_fields = '[{"name": "organisation"}, {"name": "branch", "label": {"en": "Branch"}}]'"""
    )
    sql("""UPDATE subscribers SET attributes = '{"organisation": "Old & Sons", "internal": "kept"}'""")
    person, page = enter()
    target, fields = page.form("/preferences")
    assert fields["organisation"] == "Old & Sons"
    assert "internal" not in fields
    saved = person.post(
        target,
        {
            **fields,
            "first_name": " 李 ",
            "last_name": "<b>",
            "organisation": "",
            "own_branch": "Hafen",
            "language": "zh-Hans",
        },
    )
    assert saved.tree.get("lang") == "zh-Hans", "the page speaks the language that was chosen"
    assert sql("SELECT first_name, last_name, language, attributes FROM subscribers") == [
        ("李", "<b>", "zh-Hans", {"internal": "kept", "branch": "Hafen"})
    ]
    assert "&lt;b&gt;" in saved.text


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("first_name", "x" * 101, "at most 100 fit"),
        ("last_name", "a\nb", "line break"),
        ("first_name", "a\u202eb", "invisible character"),
        ("language", "tlh", "Choose one of the languages"),
    ],
)
def test_a_detail_that_cannot_be_kept_is_refused_and_nothing_else_is_saved(
    enter: Enter, sql: Sql, name: str, typed: str, sentence: str
) -> None:
    person, page = enter()
    target, fields = page.form("/preferences")
    fields.pop("newsletter")
    refused = person.post(target, {**fields, name: typed})
    assert refused.status == 422
    assert sentence in refused.said
    assert sql("SELECT state FROM subscriptions") == [("active",)]
    assert acts(sql) == []


def test_who_left_everything_is_written_to_again_after_beginning_one(
    enter: Enter, reader: int, web: str, sql: Sql
) -> None:
    person = Person()
    person.press(person.post(f"{web}/u/{Signer(Purpose.LEAVE).sign(reader)}"), "/all")
    person, page = enter()
    assert "I would like to get The Monthly" in page.said
    person.press(page, "/preferences", newsletter="monthly", tracking="monthly")
    assert sql("SELECT lifted_because FROM suppressions") == [("a newsletter was begun in the preferences",)]
    assert sql("SELECT state, tracking FROM subscriptions") == [("active", "agreed")]


def test_who_is_stopped_for_another_reason_is_told_so(enter: Enter, sql: Sql) -> None:
    sql("INSERT INTO suppressions (email_key, kind, source) SELECT email_key, 'complaint', 'test' FROM subscribers")
    _, page = enter()
    assert "Nothing is sent to you at present" in page.said


def test_a_newsletter_that_takes_nobody_is_not_offered(weekly: int, enter: Enter, sql: Sql) -> None:
    sql("UPDATE newsletters SET accepts_signups = false WHERE id = %s", weekly)
    _, page = enter()
    assert "The Weekly" not in page.said
