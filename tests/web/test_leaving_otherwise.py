"""What stands beside the leave button: pausing, no tracking, a link to the rest, and after leaving: undo, a reason, leaving all.
A mail may be forwarded, so nothing here shows a word of the reader or adds anything to what they get."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service import tokens
from service.db import transaction
from service.operations import proving
from service.settings import Settings
from service.tokens import Purpose, Signer, email_key
from service.web.sealed import seal
from tests.builders import a_newsletter, readers
from tests.web.browsing import Page, Person
from tests.web.signups import aged

Sql = Callable[..., list[Any]]
MEI = "mei.distinct@readers.example"


@pytest.fixture
def newsletter(database: Settings, sql: Sql) -> int:
    made = a_newsletter()
    sql("UPDATE newsletters SET time_zone = 'Asia/Shanghai'")
    return made


@pytest.fixture
def link(web: str, newsletter: int) -> str:
    """A reader's leave link; they have a name, and get another newsletter, too."""
    (subscription,) = readers(newsletter, [MEI], tracking="agreed", names={MEI: "Meiling-Distinct"})
    return f"{web}/u/{Signer(Purpose.LEAVE).sign(subscription)}"


def acts(sql: Sql, *purposes: str) -> list[Any]:
    return sql(
        "SELECT purpose, action, method FROM consent_records WHERE purpose = ANY (%s) ORDER BY id",
        list(purposes or ("newsletter", "tracking", "export")),
    )


def state(sql: Sql) -> str:
    return str(sql("SELECT state FROM subscriptions ORDER BY id LIMIT 1")[0][0])


def agreed_before(sql: Sql) -> bytes:
    """The consent that the reader gave to the newsletter, in words that are kept."""
    sql("INSERT INTO consent_wordings (sha256, wording) VALUES (sha256('Yes, monthly.'), 'Yes, monthly.')")
    sql("""INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, wording_sha256)
           SELECT s.email_key, n.newsletter_id, 'newsletter', a, 'form', sha256('Yes, monthly.')
           FROM subscribers s JOIN subscriptions n ON n.subscriber_id = s.id, unnest(ARRAY['given', 'confirmed']) a""")
    return bytes(sql("SELECT sha256 FROM consent_wordings")[0][0])


@pytest.mark.parametrize(
    ("path", "body", "method"),
    [
        ("", {"List-Unsubscribe": "One-Click"}, "one-click"),
        ("", {}, "page"),
        ("/tracking", {}, "page"),
        ("/all", {}, "leave-all"),
    ],
)
def test_a_withdrawal_says_where_it_came_from(
    link: str, sql: Sql, path: str, body: dict[str, str], method: str
) -> None:
    if path == "/all":
        body = {"ticket": seal("leaving", {"subscription": tokens.read(Purpose.LEAVE, link.rsplit("/", 1)[1])})}
    assert Person().post(link + path, body).status == 200
    with transaction() as tx:
        (act,) = proving.history(tx, email_key(MEI))
    assert (act.action, act.method) == ("withdrawn", method)
    assert act.origin is not None
    assert act.origin["network"] == "127.0.0.0/24"
    assert set(act.origin) == {"network", "user_agent"}


def test_leaving_can_be_undone_as_the_agreement_that_it_was(link: str, sql: Sql) -> None:
    words = agreed_before(sql)
    person = Person()
    left = person.press(person.get(link), link.rsplit("/", 1)[1])
    assert state(sql) == "unsubscribed"
    back = person.press(left, "/undo")
    assert (back.status, state(sql)) == (200, "active")
    assert "The Monthly is sent to you as before." in back.said
    assert acts(sql)[2:] == [
        ("newsletter", "withdrawn", "page"),
        ("newsletter", "given", "undo"),
        ("newsletter", "confirmed", "undo"),
    ]
    assert [bytes(row[0]) for row in sql("SELECT wording_sha256 FROM consent_records WHERE method = 'undo'")] == [
        words
    ] * 2
    (details,) = {
        row[0]
        for row in sql(
            "SELECT d.details FROM consent_details d JOIN consent_records r ON r.id = d.record_id WHERE r.method = 'undo'"
        )
    }
    assert '"undone":' in details


def test_a_leaving_is_undone_once_and_only_while_it_is_the_last_word(link: str, sql: Sql) -> None:
    person = Person()
    left = person.post(link)
    assert person.press(left, "/undo").status == 200
    again = person.press(left, "/undo")
    assert (again.status, state(sql)) == (409, "active")
    assert "half an hour" in again.said
    person.post(link)
    assert person.press(left, "/undo").status == 409, "an older page brings no later leaving back"
    assert state(sql) == "unsubscribed"


def test_a_leaving_of_more_than_half_an_hour_ago_stands(link: str, sql: Sql) -> None:
    person = Person()
    left = person.post(link)
    sql("ALTER TABLE consent_records DISABLE TRIGGER USER")
    sql("UPDATE consent_records SET at = at - interval '31 minutes'")
    sql("ALTER TABLE consent_records ENABLE TRIGGER USER")
    assert person.press(left, "/undo").status == 409
    assert state(sql) == "unsubscribed"


def test_nobody_who_comes_later_can_undo_a_leaving(link: str, sql: Sql) -> None:
    Person().post(link, {"List-Unsubscribe": "One-Click"})
    page = Person().post(link)
    assert "/undo" not in page.text, "it was not this page's button that left"
    _, fields = page.form("/reason")
    assert Person().post(f"{link}/undo", fields).status == 409
    assert state(sql) == "unsubscribed"


def test_a_forwarded_mail_undoes_no_leaving_that_its_reader_meant(link: str, sql: Sql) -> None:
    Person().post(link)
    sql("ALTER TABLE consent_records DISABLE TRIGGER USER")
    sql("UPDATE consent_records SET at = at - interval '2 minutes'")
    sql("ALTER TABLE consent_records ENABLE TRIGGER USER")
    assert "/undo" not in Person().post(link).text


def test_a_button_pressed_twice_can_still_be_undone(link: str, sql: Sql) -> None:
    person = Person()
    person.post(link)
    assert person.press(person.post(link), "/undo").status == 200
    assert state(sql) == "active"


def test_undoing_begins_nothing_that_was_never_confirmed(web: str, newsletter: int, sql: Sql) -> None:
    (subscription,) = readers(newsletter, [MEI], state="pending")
    page = Person().post(f"{web}/u/{Signer(Purpose.LEAVE).sign(subscription)}")
    assert "/undo" not in page.text


@pytest.mark.parametrize("action", ["undo", "reason", "all"])
def test_a_mail_alone_allows_nothing_that_follows_leaving(link: str, sql: Sql, action: str) -> None:
    foreign = seal("leaving", {"subscription": 10**6, "withdrawn": 1})
    own = {"subscription": tokens.read(Purpose.LEAVE, link.rsplit("/", 1)[1]), "withdrawn": 1}
    old = aged("leaving", own, timedelta(minutes=31))
    for ticket in ("", "x", foreign, seal("preferences", own), old):
        page = Person().post(f"{link}/{action}", {"ticket": ticket, "reason": "other"})
        assert page.status == 409
        assert "Open the link in your mail again" in page.said
    assert state(sql) == "active"
    assert acts(sql) == []
    assert sql("SELECT count(*) FROM leave_reasons") == [(0,)]


def test_a_reason_is_kept_once_and_corrected(link: str, sql: Sql) -> None:
    person = Person()
    left = person.post(link)
    nothing = person.press(left, "/reason")
    assert nothing.status == 422
    assert "Choose one of the reasons" in nothing.said
    long = person.press(left, "/reason", reason="other", words="x" * 501)
    assert long.status == 422
    assert "x" * 501 in long.text, "what was typed stays"
    assert person.press(long, "/reason", words="Too\x00 many 脚注\n& <b>").status == 200
    assert person.press(left, "/reason", reason="too-often").status == 200
    person.press(left, "/reason", reason="other", words="Too\x00 many 脚注\r\n& <b>")
    assert sql("SELECT reason, words FROM leave_reasons") == [("other", "Too many 脚注\n& <b>")]
    person.press(left, "/undo")
    assert sql("SELECT count(*) FROM leave_reasons") == [(0,)], "who stays has no reason to have left"


def test_leaving_all_ends_every_newsletter_and_is_kept(link: str, sql: Sql, newsletter: int) -> None:
    other = a_newsletter("weekly", name="Weekly-Distinct")
    sql(
        "INSERT INTO subscriptions (subscriber_id, newsletter_id, state) SELECT id, %s, 'active' FROM subscribers",
        other,
    )
    person = Person()
    left = person.post(link)
    assert "Weekly-Distinct" not in left.text
    gone = person.press(left, "/all")
    assert gone.status == 200
    assert "Weekly-Distinct" not in gone.text
    assert sql("SELECT DISTINCT state FROM subscriptions") == [("unsubscribed",)]
    assert sql("SELECT kind, source FROM suppressions WHERE lifted_at IS NULL") == [("left-all", "reader")]
    assert acts(sql)[-1] == ("newsletter", "withdrawn", "leave-all")
    assert person.press(left, "/undo").status == 409, "leaving all is the later word"


@pytest.mark.parametrize(("span", "days"), [("1-month", (28, 31)), ("3-months", (89, 92))])
def test_a_pause_lasts_until_the_morning_of_a_day_there(link: str, sql: Sql, span: str, days: tuple[int, int]) -> None:
    person = Person()
    page = person.press(person.get(link), "/pause", span=span)
    ((until,),) = sql("SELECT paused_until FROM subscriptions")
    there = until.astimezone(ZoneInfo("Asia/Shanghai"))
    assert (there.hour, there.minute) == (0, 0)
    assert days[0] <= (there.date() - datetime.now(ZoneInfo("Asia/Shanghai")).date()).days <= days[1]
    assert f"{there.day} {there:%B} {there.year}" in page.said
    assert "Asia/Shanghai" in page.said
    assert f"{there.day} {there:%B} {there.year}" in person.get(link).said
    assert state(sql) == "active"


def test_a_pause_can_be_undone_to_what_was_before(link: str, sql: Sql) -> None:
    person = Person()
    first = person.press(person.get(link), "/pause", span="1-month")
    before = sql("SELECT paused_until FROM subscriptions")
    second = person.press(person.get(link), "/pause", span="3-months")
    assert person.press(first, "/undo").status == 409, "it is not this pause any more"
    assert person.press(second, "/undo").status == 200
    assert sql("SELECT paused_until FROM subscriptions") == before
    assert person.press(first, "/undo").status == 200
    assert sql("SELECT paused_until FROM subscriptions") == [(None,)]


def day(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


@pytest.mark.parametrize(
    ("span", "typed", "sentence"),
    [
        ("date", "", "Write the day as year, month and day"),
        ("date", "3 May", "Write the day as year, month and day"),
        ("date", "2030-02-30", "Write the day as year, month and day"),
        ("date", "２０３０-０５-３１", "Write the day as year, month and day"),
        ("date", "9999-12-31", "two years at most"),
        ("date", day(-1), "has passed or is today"),
        ("date", day(740), "two years at most"),
        ("for ever", "", "Choose how long"),
        ("", "", "Choose how long"),
    ],
)
def test_a_day_that_cannot_be_is_refused_and_kept_to_be_corrected(
    link: str, sql: Sql, span: str, typed: str, sentence: str
) -> None:
    person = Person()
    page = person.press(person.get(link), "/pause", span=span, day=typed)
    assert page.status == 422
    assert sentence in page.said
    assert page.form("/pause")[1]["day"] == typed
    assert sql("SELECT paused_until FROM subscriptions") == [(None,)]


def test_a_chosen_day_is_taken_in_the_newsletters_time_zone(link: str, sql: Sql) -> None:
    person = Person()
    assert person.press(person.get(link), "/pause", span="date", day=day(100)).status == 200
    ((until,),) = sql("SELECT paused_until FROM subscriptions")
    assert until.astimezone(ZoneInfo("Asia/Shanghai")).isoformat().startswith(f"{day(100)}T00:00")


def test_nothing_is_paused_after_leaving(link: str, sql: Sql) -> None:
    person = Person()
    page = person.get(link)
    person.post(link)
    assert person.press(page, "/pause", span="1-month").status == 409
    assert sql("SELECT paused_until FROM subscriptions") == [(None,)]


def test_tracking_is_turned_off_without_leaving(link: str, sql: Sql) -> None:
    person = Person()
    page = person.get(link)
    for _ in range(2):
        assert "Tracking is off" in person.press(page, "/tracking").said
    assert sql("SELECT state, tracking FROM subscriptions") == [("active", "objected")]
    assert acts(sql) == [("tracking", "withdrawn", "page")]
    assert person.get(link).form("/tracking"), "the offer tells nobody what the reader had chosen"


def test_a_newsletter_that_never_tracks_offers_nothing_to_turn_off(link: str, sql: Sql) -> None:
    sql("UPDATE newsletters SET tracking_policy = 'none'")
    assert "/tracking" not in Person().get(link).text


def test_a_link_to_everything_else_is_asked_for_and_shows_nothing(link: str, sql: Sql) -> None:
    person = Person()
    page = person.press(person.get(link), "/link")
    assert "Look into your mailbox" in page.said
    assert sql("SELECT r.email_key = s.email_key, r.network FROM link_requests r, subscribers s") == [
        (True, "127.0.0.0/24")
    ]


def test_a_network_that_asks_for_too_many_links_is_told_when_to_come_back(link: str, sql: Sql) -> None:
    sql(
        "INSERT INTO link_requests (email_key, language, network) SELECT 'x', 'en', '127.0.0.0/24' FROM generate_series(1, 30)"
    )
    assert Person().post(f"{link}/link").status == 429
    assert Person().post(link, {"List-Unsubscribe": "One-Click"}).status == 200, "leaving has no limit"


def test_a_forwarded_mail_shows_nothing_of_its_reader_and_adds_nothing(link: str, sql: Sql) -> None:
    """Everything that a leave token opens, searched for whatever is theirs."""
    other = a_newsletter("weekly", name="Weekly-Distinct")
    sql(
        "INSERT INTO subscriptions (subscriber_id, newsletter_id, state) SELECT id, %s, 'active' FROM subscribers",
        other,
    )
    sql("UPDATE subscribers SET last_name = 'Surname-Distinct', attributes = '{\"firm\": \"Firm-Distinct\"}'")
    stranger = Person()
    pages: list[Page] = [stranger.get(link)]
    pages += [stranger.press(pages[0], f"/{action}") for action in ("pause", "tracking", "link")]
    pages += [stranger.press(pages[1], "/undo")]
    pages += [stranger.post(link)]
    pages += [stranger.press(pages[-1], f"/{action}", reason="other") for action in ("undo", "reason", "all")]
    pages += [stranger.get(link)]
    assert [page.status for page in pages] == [200] * len(pages)
    for page in pages:
        for theirs in ("istinct", MEI, "readers.example"):
            assert theirs not in page.text, page.url
            assert theirs not in str(page.headers)


def test_a_forwarded_mail_opens_no_other_door(web: str, link: str) -> None:
    token = link.rsplit("/", 1)[1]
    for path in (f"/m/{token}", f"/a/{token}", f"/c/{token}"):
        for page in (Person().get(web + path), Person().post(web + path)):
            assert page.status != 500
            assert MEI not in page.text
    assert Person().get(f"{web}/preferences").status in (403, 404)
