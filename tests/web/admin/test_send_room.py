"""Approval and the send room: what is sent is what was shown and approved, once, to whom was said; and it can be taken back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.db import transaction
from service.domain.permissions import Actor
from service.errors import Conflict, Forbidden, Invalid, NotFound
from service.operations import (
    approving,
    editing,
    keys,
    looking,
    newsletter_settings,
    preflighting,
    preparing,
    reporting,
    scheduling,
    send_room,
    suppressing,
)
from tests.builders import a_newsletter, an_issue, people, readers
from tests.conftest import Sandbox
from tests.team import actor_of, an_operator, signed_in
from tests.web.browsing import Page, Person

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]


@pytest.fixture
def issue(newsletter: int) -> int:
    readers(newsletter, people(3))
    return an_issue(newsletter)


def room(web: str, person: Person, issue: int) -> Page:
    return person.get(f"{web}/admin/issues/{issue}/send")


def fire(sql: Sql) -> None:
    """The time to take it back is over."""
    sql("UPDATE issues SET scheduled_at = now() - interval '1 second' WHERE state = 'scheduled'")


def test_an_issue_is_checked_sent_watched_and_the_numbers_agree(
    web: str, issue: int, drain: Drain, sql: Sql, sandbox: Sandbox
) -> None:
    person = signed_in(an_operator("editor"))
    checked = room(web, person, issue)
    assert "Send to 3 readers" in checked.said
    sent = person.press(checked, "/send")
    assert "About to be sent" in sent.said
    assert drain() >= 1
    assert sql("SELECT count(*) FROM attempts") == [(0,)], "nothing leaves while it can be taken back"
    fire(sql)
    preparing.prepare(issue)
    drain()
    done = room(web, person, issue)
    assert "accepted by SendGrid 3" in done.said
    assert sandbox.stats["recipients"] == 3
    assert sql("SELECT state FROM issues") == [("sent",)]


def test_taken_back_in_time_nothing_leaves_and_it_can_be_written_again(
    web: str, issue: int, drain: Drain, sql: Sql
) -> None:
    person = signed_in(an_operator("editor"))
    waiting = person.press(room(web, person, issue), "/send")
    back = person.press(waiting, "/send/undo")
    assert "Taken back. Nothing was sent." in back.said
    drain()
    fire(sql)
    assert preparing.prepare(issue) is False
    assert sql("SELECT state, scheduled_at FROM issues") == [("draft", None)]
    assert editing.save(issue, "# New words\n\nText\n", base=1, actor="test").number == 2


def test_too_late_is_said_and_changes_nothing(web: str, issue: int, drain: Drain, sql: Sql, sandbox: Sandbox) -> None:
    person = signed_in(an_operator("editor"))
    waiting = person.press(room(web, person, issue), "/send")
    fire(sql)
    preparing.prepare(issue)
    late = person.press(waiting, "/send/undo")
    assert late.status == 409
    assert "It is too late to take this back" in late.said
    drain()
    assert sql("SELECT state FROM issues") == [("sent",)]


def test_pressed_twice_it_is_sent_once(web: str, issue: int, drain: Drain, sql: Sql, sandbox: Sandbox) -> None:
    person = signed_in(an_operator("editor"))
    page = room(web, person, issue)
    person.press(page, "/send")
    again = person.press(page, "/send")
    assert again.status == 200
    fire(sql)
    preparing.prepare(issue)
    drain()
    assert sql("SELECT count(*), count(DISTINCT subscriber_id) FROM deliveries") == [(3, 3)]
    assert sql("SELECT count(*) FROM audit_entries WHERE action = 'schedule'") == [(1,)]


def test_what_changed_since_it_was_shown_is_not_sent(web: str, newsletter: int, issue: int, sql: Sql) -> None:
    person = signed_in(an_operator("editor"))
    page = room(web, person, issue)
    readers(newsletter, ["late@readers.example"])
    more = person.press(page, "/send")
    assert more.status == 422
    assert "4 readers now, not to 3" in more.said
    page = room(web, person, issue)
    editing.save(issue, "# Other words\n\nText\n", base=1, actor="test")
    assert "changed since you looked at it" in person.press(page, "/send").said
    assert sql("SELECT state FROM issues") == [("draft",)]


def test_above_a_number_it_is_typed(web: str, issue: int, sql: Sql) -> None:
    newsletter_settings.change("monthly", actor="test", typed_above=2)
    person = signed_in(an_operator("editor"))
    refused = person.press(room(web, person, issue), "/send", typed="4")
    assert refused.status == 422
    assert "Type how many readers get it, 3" in refused.said
    person.press(refused, "/send", typed="3")
    assert sql("SELECT state FROM issues") == [("scheduled",)]


def test_what_preflight_stops_goes_only_with_a_reason_that_is_kept(web: str, newsletter: int, sql: Sql) -> None:
    readers(newsletter, people(2))
    issue = an_issue(newsletter)
    sql("UPDATE variants SET text = 'No way out.'")
    assert preflighting.blocking(issue), "it must be one that preflight stops"
    person = signed_in(an_operator("editor"))
    stopped = person.press(room(web, person, issue), "/send")
    assert stopped.status == 409
    assert "Preflight stops it" in stopped.said
    assert sql("SELECT state FROM issues") == [("draft",)]
    person.press(stopped, "/send", override="Checked by telephone")
    assert sql("SELECT state FROM issues") == [("scheduled",)]
    assert sql("SELECT details->>'reason' FROM audit_entries WHERE action = 'schedule'") == [("Checked by telephone",)]


def test_paused_resumed_and_cancelled_with_numbers(
    web: str, newsletter: int, drain: Drain, sql: Sql, sandbox: Sandbox, other_settings: Any
) -> None:
    other_settings(batch_size=10)
    readers(newsletter, people(30))
    issue = an_issue(newsletter)
    person = signed_in(an_operator("editor"))
    scheduling.schedule(issue, actor="test")
    drain(at_most=2)
    paused = person.press(room(web, person, issue), "/send/pause")
    assert "Paused" in paused.said
    before = sql("SELECT count(*) FROM attempts WHERE state = 'accepted'")
    drain()
    assert sql("SELECT count(*) FROM attempts WHERE state = 'accepted'") == before, "a paused issue sends nothing"
    assert "will not get it" in paused.said
    person.press(paused, "/send/resume")
    drain(at_most=1)
    cancelled = person.press(room(web, person, issue), "/send/cancel")
    assert "readers will not get it" in cancelled.said
    with transaction() as tx:
        found = reporting.ledger(tx, issue)
        assert reporting.check_ledger(tx, issue) == []
    assert found["candidates"] == 30
    assert found["accepted"] + sum(found["excluded"].values()) == 30


def test_a_moment_is_meant_in_the_newsletters_zone_and_clock_changes_are_told() -> None:
    assert send_room.moment_of("2031-05-31T09:00", "Europe/Berlin").astimezone(UTC) == datetime(
        2031, 5, 31, 7, tzinfo=UTC
    )
    assert send_room.moment_of("2031-10-26T02:30", "Europe/Berlin").astimezone(UTC) == datetime(
        2031, 10, 26, 0, 30, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Write the day"),
        ("x", "Write the day"),
        ("2001-01-01T09:00", "has passed"),
        ("2031-03-30T02:30", "go forward"),
        ("2031-05-31T09:00+02:00", "without a zone"),
    ],
)
def test_a_moment_that_cannot_be_meant_is_refused(database: Any, text: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        send_room.moment_of(text, "Europe/Berlin")


def test_scheduled_for_later_waits_and_can_be_unscheduled(web: str, issue: int, drain: Drain, sql: Sql) -> None:
    person = signed_in(an_operator("editor"))
    page = person.press(room(web, person, issue), "/send", when="later", at="2031-05-31T09:00")
    assert "31 May 2031" in page.said
    assert "Unschedule" in page.said
    drain()
    assert sql("SELECT count(*) FROM deliveries") == [(0,)]
    person.press(page, "/send/undo")
    assert sql("SELECT state FROM issues") == [("draft",)]


# Approval


@pytest.fixture
def needs_approval(newsletter: int) -> None:
    newsletter_settings.change("monthly", actor="test", needs_approval=True)


@pytest.mark.usefixtures("needs_approval")
def test_without_a_second_persons_yes_nothing_is_sent(web: str, issue: int, sql: Sql) -> None:
    editor, approver = signed_in(an_operator("editor")), signed_in(an_operator("approver"))
    refused = editor.press(room(web, editor, issue), "/send")
    assert refused.status == 422
    assert "second person's approval" in refused.said
    asked = editor.press(
        editor.get(f"{web}/admin/issues/{issue}/approval"), "/approval/ask", words="Please read the second item."
    )
    assert "Asked." in asked.said
    page = approver.get(f"{web}/admin/issues/{issue}/approval")
    assert "Please read the second item." in page.said
    said = approver.press(page, "/approval/approve")
    assert "Approved" in said.said
    editor.press(room(web, editor, issue), "/send")
    assert sql("SELECT state FROM issues") == [("scheduled",)]


@pytest.mark.usefixtures("needs_approval")
def test_nobody_approves_what_they_wrote_or_asked_for(database: Any, issue: int, sql: Sql) -> None:
    owner = actor_of(an_operator("owner"))
    editing.save(issue, "# Mine\n\nText\n", base=1, actor=owner)
    seen = bytes(sql("SELECT content_hash FROM issues")[0][0]).hex()
    with pytest.raises(Conflict, match="Another person"):
        approving.approve(issue, seen=seen, actor=owner)
    other = actor_of(an_operator("owner"))
    approving.ask(issue, actor=other)
    with pytest.raises(Conflict, match="Another person"):
        approving.approve(issue, seen=seen, actor=other)
    with pytest.raises(Forbidden):
        approving.approve(issue, seen=seen, actor=actor_of(an_operator("editor")))
    with pytest.raises(Conflict, match="changed while you read"):
        approving.approve(issue, seen="00", actor=actor_of(an_operator("approver")))
    with pytest.raises(Invalid, match="Say what is to be changed"):
        approving.refuse(issue, " ", actor=actor_of(an_operator("approver")))


@pytest.mark.usefixtures("needs_approval")
@pytest.mark.parametrize("way", ["a key of theirs", "the audience", "a comma of somebody else's"])
def test_nobody_approves_their_own_work_by_a_way_round(database: Any, issue: int, sql: Sql, way: str) -> None:
    number = an_operator("owner")
    owner, other = actor_of(number), actor_of(an_operator("owner"))
    if way == "a key of theirs":
        made, _ = keys.make("x", role="editor", newsletter_id=None, days=None, actor=owner)
        editing.save(issue, "# Mine\n\nText\n", base=1, actor=Actor(f"key {made}", {None: {"editor"}}))
    elif way == "the audience":
        editing.set_audience(issue, {"without_issues": [1]}, actor=owner)
    else:
        editing.save(issue, "# Mine\n\nText\n", base=1, actor=owner)
        editing.save(issue, "# Mine\n\nText,\n", base=2, actor=other)
    seen = bytes(sql("SELECT content_hash FROM issues")[0][0]).hex()
    with pytest.raises(Conflict, match="Another person"):
        approving.approve(issue, seen=seen, actor=owner)
    third = actor_of(an_operator("owner"))
    approving.approve(issue, seen=seen, actor=third)
    # What was read by another person is nobody's own any more.
    editing.save(issue, "# Mine\n\nText;\n", base=sql("SELECT version FROM issues")[0][0], actor=other)
    seen = bytes(sql("SELECT content_hash FROM issues")[0][0]).hex()
    approving.approve(issue, seen=seen, actor=owner)


CHANGES: dict[str, Callable[[int], object]] = {
    "text": lambda issue: editing.save(issue, "# Other\n\nText\n", base=1, actor="test"),
    "audience": lambda issue: editing.set_audience(issue, {"without_issues": [1]}, actor="test"),
}


@pytest.mark.usefixtures("needs_approval")
@pytest.mark.parametrize("what", [*CHANGES, "sender"])
def test_any_change_ends_an_approval(database: Any, issue: int, sql: Sql, what: str) -> None:
    approving.approve(
        issue, seen=bytes(sql("SELECT content_hash FROM issues")[0][0]).hex(), actor=actor_of(an_operator("approver"))
    )
    if what == "sender":
        sql("UPDATE issues SET sender_address = 'other@sender.example'")
    else:
        CHANGES[what](issue)
        assert sql("SELECT state FROM issues") == [("draft",)]
    with pytest.raises(Conflict, match="second person's approval"):
        scheduling.schedule(issue, actor="test")


@pytest.mark.usefixtures("needs_approval")
@pytest.mark.parametrize("what", ["content_hash = '\\x00'", "audience_hash = '\\x00'", "reply_to = 'x@sender.example'"])
def test_not_even_the_freeze_takes_what_was_not_approved(database: Any, issue: int, sql: Sql, what: str) -> None:
    approving.approve(
        issue, seen=bytes(sql("SELECT content_hash FROM issues")[0][0]).hex(), actor=actor_of(an_operator("approver"))
    )
    scheduling.schedule(issue, actor="test")
    sql(f"UPDATE issues SET {what}")
    assert preparing.prepare(issue) is False
    assert sql("SELECT state FROM issues") == [("held",)]
    assert sql("SELECT count(*) FROM deliveries") == [(0,)]


@pytest.mark.usefixtures("needs_approval")
def test_an_approval_outlives_taking_back(database: Any, issue: int, sql: Sql) -> None:
    approving.approve(
        issue, seen=bytes(sql("SELECT content_hash FROM issues")[0][0]).hex(), actor=actor_of(an_operator("approver"))
    )
    scheduling.schedule(issue, actor="test", at=datetime(2031, 1, 1, tzinfo=UTC))
    scheduling.unschedule(issue, actor="test")
    assert sql("SELECT state FROM issues") == [("approved",)]


# Audience and follow-ups


def test_the_number_that_is_shown_is_the_number_that_is_frozen(
    web: str, newsletter: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    other = a_newsletter("other")
    subscriptions = readers(newsletter, people(10))
    sql(
        "INSERT INTO subscriptions (subscriber_id, newsletter_id, state) SELECT subscriber_id, %s, 'active' FROM subscriptions WHERE id = ANY(%s)",
        other,
        subscriptions[:2],
    )
    sql("UPDATE subscriptions SET paused_until = now() + interval '1 day' WHERE id = %s", subscriptions[5])
    issue = an_issue(newsletter)
    person = signed_in(an_operator("editor"))
    page = person.get(f"{web}/admin/issues/{issue}/audience")
    assert "readers will get it 9" in page.said
    page = person.press(page, "/audience", without_newsletters=str(other))
    assert "readers will get it 7" in page.said
    assert "are not meant 2" in page.said
    assert "paused the newsletter" in page.said
    scheduling.schedule(issue, actor="test")
    drain()
    with transaction() as tx:
        found = reporting.ledger(tx, issue)
    assert (found["candidates"], found["accepted"], found["excluded"]) == (8, 7, {"paused": 1})


def test_who_missed_an_issue_gets_it_and_nobody_else_twice(
    web: str, newsletter: int, issue: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    scheduling.schedule(issue, actor="test")
    drain()
    readers(newsletter, ["late@readers.example"])
    person = signed_in(an_operator("editor"))
    draft = person.press(room(web, person, issue), "/follow-up")
    assert "readers will get it 1" in draft.said
    made = sql("SELECT max(id) FROM issues")[0][0]
    assert editing.find(made, actor="test")["audience"] == {"without_issues": [issue]}
    # Neither a mended letter nor a changed address makes somebody get it again who had it.
    sql(
        "UPDATE subscribers SET email_key = decode('00112233445566778899aabbccddeeff', 'hex') WHERE address = %s",
        people(1)[0],
    )
    editing.set_audience(made, {}, actor="test")
    assert send_room.expected(made, actor="test").readers == 1
    editing.set_audience(made, {"without_issues": [issue]}, actor="test")
    editing.save(
        made, "# News of the month\n\nMended.\n", base=editing.find(made, actor="test")["version"], actor="test"
    )
    assert send_room.expected(made, actor="test").readers == 1
    scheduling.schedule(made, actor="test")
    drain()
    assert len(sandbox.messages("late@readers.example")) == 1
    assert len(sandbox.messages(people(1)[0])) == 1


def test_a_correction_goes_to_exactly_those_who_got_it_or_followed_the_link(
    database: Any, newsletter: int, issue: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    scheduling.schedule(issue, actor="test")
    drain()
    readers(newsletter, ["late@readers.example"])
    assert send_room.expected(corrected(issue, "got", sql), actor="test").readers == 3
    (delivery,) = sql("SELECT id FROM deliveries WHERE issue_id = %s ORDER BY id LIMIT 1", issue)[0]
    sql(
        "INSERT INTO events (issue_id, key, delivery_id, type, at, url) VALUES (%s, 1, %s, 'clicked', now(), 'https://wrong.example/')",
        issue,
        delivery,
    )
    assert send_room.expected(corrected(issue, "clicked", sql, "https://wrong.example/"), actor="test").readers == 1
    with pytest.raises(Invalid):
        send_room.follow_up(issue, "clicked", actor="test")


def corrected(issue: int, kind: str, sql: Sql, link: str = "") -> int:
    made = send_room.follow_up(issue, kind, link=link, actor="test")
    editing.save(made, "# Correction\n\nThe link was wrong.\n", base=1, actor="test")
    return made


def test_roles_in_the_send_room(web: str, newsletter: int, issue: int, sql: Sql) -> None:
    for role in ("approver", "analyst"):
        person = signed_in(an_operator(None, newsletters={newsletter: role}))
        page = room(web, person, issue)
        assert "does not let you send" in page.said
        seal = page.form("/sign-out")[1]["form_seal"]
        assert person.post(f"{web}/admin/issues/{issue}/send", {"form_seal": seal, "readers": "3"}).status == 403
        for action in ("undo", "pause", "resume", "cancel"):
            assert person.post(f"{web}/admin/issues/{issue}/send/{action}", {"form_seal": seal}).status == 403
    stranger = signed_in(an_operator(None, newsletters={a_newsletter("other"): "owner"}))
    for place in ("send", "audience", "approval", "send/progress"):
        assert stranger.get(f"{web}/admin/issues/{issue}/{place}").status == 404
    assert sql("SELECT state FROM issues") == [("draft",)]


def test_an_audience_tells_nothing_of_another_newsletter(database: Any, issue: int, newsletter: int, sql: Sql) -> None:
    other = a_newsletter("other")
    foreign = an_issue(other)
    editor = actor_of(an_operator(None, newsletters={newsletter: "editor"}))
    for audience in (
        {"without_newsletters": [other]},
        {"without_issues": [foreign]},
        {"got": {"issue": foreign, "link": None}},
    ):
        with pytest.raises(NotFound):
            editing.set_audience(issue, audience, actor=editor)
    assert sql("SELECT audience FROM issues WHERE id = %s", issue) == [({},)]


def test_an_issue_that_was_paused_before_its_time_keeps_its_time(web: str, issue: int, sql: Sql) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    scheduling.schedule(issue, at=later, actor="test")
    scheduling.pause(issue, actor="test")
    scheduling.resume(issue, actor="test")
    assert sql("SELECT state, scheduled_at FROM issues WHERE id = %s", issue) == [("scheduled", later)]
    scheduling.unschedule(issue, actor="test")
    assert sql("SELECT state FROM issues WHERE id = %s", issue) == [("draft",)]


def test_no_test_mail_goes_to_who_asked_for_none_nor_while_all_is_stopped(
    web: str, issue: int, sql: Sql, sandbox: Sandbox
) -> None:
    suppressing.suppress_addresses(["gone@firm.example"], reason="asked", actor="test")
    with pytest.raises(Invalid, match="is not written to"):
        looking.send_test(issue, ["ann@firm.example", "gone@firm.example"], actor="test")
    sql("UPDATE installation SET stopped_at = now()")
    with pytest.raises(Conflict, match="stopped"):
        looking.send_test(issue, ["ann@firm.example"], actor="test")
    sql("UPDATE installation SET stopped_at = NULL")
    assert looking.send_test(issue, ["ann@firm.example"], actor="test") == 1
    assert sandbox.stats["recipients"] == 1
