"""Segments against the database: each comparison means what it says; what is counted is what is sent; an issue keeps the segment
that was approved; nobody learns of other newsletters by counting."""

from collections.abc import Callable
from typing import Any

import pytest

from service.domain.segments import KINDS, NO_VALUE
from service.errors import Conflict, Forbidden, Invalid, NotFound
from service.operations import (
    approving,
    editing,
    newsletter_settings,
    scheduling,
    segment_readers,
    segments,
    send_room,
    tagging,
)
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.team import actor_of, an_operator

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]


def a(what: str, how: str, value: object = "", name: str = "") -> dict[str, str]:
    return {"what": what, "how": how, "value": str(value), "name": name}


@pytest.fixture
def newsletter(web: str, sql: Sql) -> int:
    """Four readers: mei, bo, ute and tim, known for different things."""
    made = a_newsletter()
    readers(made, ["mei@firm.example", "bo@sub.firm.example", "ute@other.example", "tim@other.example"])
    for name, language, attributes, joined in (
        ("mei", "zh-Hans", '{"city": " Hamburg ", "age": "41", "since": "2020-05-01"}', 400),
        ("bo", "de", '{"city": "berlin", "age": "9.5"}', 40),
        ("ute", "de_AT", '{"city": "100% Bärlin_x", "age": "unknown", "since": "soon"}', 4),
        ("tim", "", "{}", 0),
    ):
        sql(
            "UPDATE subscribers SET first_name = initcap(%s), language = %s, attributes = %s WHERE address LIKE %s",
            name,
            language,
            attributes,
            f"{name}@%",
        )
        sql(
            "UPDATE subscriptions n SET created_at = now() - make_interval(days => %s) FROM subscribers s WHERE s.id = n.subscriber_id AND s.address LIKE %s",
            joined,
            f"{name}@%",
        )
    return made


def who(newsletter: int, *blocks: list[dict[str, str]]) -> str:
    found = segments.count(newsletter, list(blocks), actor="console")
    names = sorted(one["name"].lower() for one in found.sample)
    assert found.readers == len(names)
    assert found.active == 4
    return " ".join(names)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (a("first_name", "is", "mEI"), "mei"),
        (a("first_name", "is_not", "mei"), "bo tim ute"),
        (a("language", "is", "DE"), "bo"),
        (a("language", "begins", "de"), "bo ute"),
        (a("language", "is", "de-at"), "ute"),
        (a("language", "one_of", "de, zh_hans"), "bo mei"),
        (a("language", "unknown"), "tim"),
        (a("attribute", "is", "hamburg", "city"), "mei"),
        (a("attribute", "contains", "rl", "city"), "bo ute"),
        (a("attribute", "lacks", "rl", "city"), "mei tim"),
        (a("attribute", "contains", "%", "city"), "ute"),
        (a("attribute", "contains", "n_", "city"), "ute"),
        (a("attribute", "is", "' OR true --", "city"), ""),
        (a("attribute", "known", "", "city"), "bo mei ute"),
        (a("attribute", "known", "", "x' OR 'a'='a"), ""),
        (a("attribute", "above", "9.4", "age"), "bo mei"),
        (a("attribute", "below", "10", "age"), "bo"),
        (a("attribute", "since", "2020-05-01", "since"), "mei"),
        (a("attribute", "before", "2020-05-01", "since"), ""),
        (a("domain", "is", "firm.example"), "mei"),
        (a("domain", "is_not", "@FIRM.example"), "bo tim ute"),
        (a("domain", "one_of", "firm.example; other.example"), "mei tim ute"),
        (a("joined", "within", "30"), "tim ute"),
        (a("joined", "longer", "30"), "bo mei"),
        (a("joined", "before", "2026-01-01"), "mei"),
        (a("tracking", "is", "unasked"), "bo mei tim ute"),
        (a("tracking", "is_not", "unasked"), ""),
        (a("method", "is", "import"), ""),
        (a("method", "is_not", "import"), "bo mei tim ute"),
        (a("active", "within", "9"), ""),
        (a("sent", "not_within", "9"), "bo mei tim ute"),
    ],
)
def test_each_comparison_means_what_it_says(newsletter: int, condition: dict[str, str], expected: str) -> None:
    assert who(newsletter, [condition]) == expected


def test_lines_are_or_and_blocks_are_and(newsletter: int) -> None:
    german, young = a("language", "begins", "de"), a("joined", "within", 30)
    assert who(newsletter, [german, young]) == "bo tim ute"
    assert who(newsletter, [german], [young]) == "ute"


def test_every_comparison_there_is_can_be_asked(newsletter: int) -> None:
    given = {"method": "form", "answer": "agreed", "domain": "x.example", "text": "2"}
    for what, kind in KINDS.items():
        for how in kind.hows:
            value = (
                "" if how in NO_VALUE else "2026-01-31" if how in ("since", "before") else given.get(kind.given, "1")
            )
            who(newsletter, [a(what, how, value, "city" if what == "attribute" else "")])


def test_other_newsletters_tags_and_imports(newsletter: int, sql: Sql) -> None:
    other = a_newsletter("other")
    sql(
        "INSERT INTO subscriptions (subscriber_id, newsletter_id, state) SELECT id, %s, CASE WHEN address LIKE 'bo%%' THEN 'active' ELSE 'unsubscribed' END FROM subscribers WHERE address LIKE 'bo%%' OR address LIKE 'ute%%'",
        other,
    )
    mei = sql("SELECT id FROM subscribers WHERE address LIKE 'mei%%'")[0][0]
    tag = tagging.add(mei, " Board  member ", actor="test")
    assert who(newsletter, [a("newsletter", "gets", other)]) == "bo"
    assert who(newsletter, [a("newsletter", "not", other)]) == "mei tim ute"
    assert who(newsletter, [a("newsletter", "left", other)]) == "ute"
    assert who(newsletter, [a("tag", "is", tag)]) == "mei"
    assert who(newsletter, [a("tag", "is_not", tag)]) == "bo tim ute"


def test_what_somebody_did_counts_only_where_it_is_recorded(
    newsletter: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    sql(
        "UPDATE subscriptions n SET tracking = 'agreed' FROM subscribers s WHERE s.id = n.subscriber_id AND s.address NOT LIKE 'tim%%'"
    )
    sql("UPDATE newsletters SET tracking_policy = 'agreed'")
    issue = an_issue(newsletter)
    only_three = segments.save(newsletter, "Not Ute", [[a("first_name", "is_not", "ute")]], actor="test")[0]
    editing.set_audience(issue, {"segments": [only_three]}, actor="test")
    scheduling.schedule(issue, actor="test")
    drain()
    sql(
        "UPDATE deliveries d SET opened_at = now() - interval '3 days' FROM subscribers s WHERE s.id = d.subscriber_id AND s.address LIKE 'mei%%'"
    )
    assert who(newsletter, [a("issue", "got", issue)]) == "bo mei tim"
    assert who(newsletter, [a("issue", "not_got", issue)]) == "ute"
    assert who(newsletter, [a("issue", "opened", issue)]) == "mei"
    # Tim may not be counted, and is never said to have opened nothing.
    assert who(newsletter, [a("issue", "not_opened", issue)]) == "bo"
    assert who(newsletter, [a("active", "within", 4)]) == "mei"
    assert who(newsletter, [a("active", "within", 2)]) == ""
    assert who(newsletter, [a("active", "not_within", 2)]) == "bo mei"
    assert who(newsletter, [a("sent", "within", 2)]) == "bo mei tim"


def test_what_is_counted_is_what_is_sent(newsletter: int, sql: Sql, drain: Drain, sandbox: Sandbox) -> None:
    german = segments.save(newsletter, "German", [[a("language", "begins", "de")]], actor="test")[0]
    austrian = segments.save(newsletter, "Austrian", [[a("language", "is", "de-at")]], actor="test")[0]
    issue = an_issue(newsletter)
    editing.set_audience(issue, {"segments": [german], "without_segments": [austrian]}, actor="test")
    assert send_room.expected(issue, actor="console").readers == 1
    assert send_room.expected(issue, actor="console").outside == 3
    sql("UPDATE newsletters SET maximum_audience = 1")
    scheduling.schedule(issue, actor="test")
    drain()
    sent = sql(
        "SELECT s.address FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE d.issue_id = %s", issue
    )
    assert sent == [("bo@sub.firm.example",)]


def test_a_changed_segment_reaches_drafts_and_ends_their_approval(newsletter: int, sql: Sql) -> None:
    newsletter_settings.change("monthly", needs_approval=True, actor="test")
    german = segments.save(newsletter, "German", [[a("language", "begins", "de")]], actor="test")[0]
    draft, scheduled = an_issue(newsletter), an_issue(newsletter, "# Other\n\nText\n")
    for issue in (draft, scheduled):
        editing.set_audience(issue, {"segments": [german]}, actor="test")
        seen = bytes(editing.find(issue, actor="console")["content_hash"]).hex()
        approving.approve(issue, seen=seen, actor=actor_of(an_operator("approver")))
    scheduling.schedule(scheduled, actor="test")
    assert segments.save(newsletter, "German", [[a("language", "is", "de")]], actor="test", segment_id=german)[1] == [
        draft
    ]
    assert sql("SELECT state FROM issues WHERE id = %s", draft) == [("draft",)]
    assert send_room.expected(draft, actor="console").readers == 1
    kept = sql(
        "SELECT audience -> 'segments' -> 0 -> 'blocks' -> 0 -> 0 ->> 'how' FROM issues WHERE id = %s", scheduled
    )
    assert kept == [("begins",)]
    # Saved again as it is, nothing is changed by it.
    assert segments.save(newsletter, "German", [[a("language", "is", "de")]], actor="test", segment_id=german)[1] == []


def test_a_segment_in_use_stays_and_one_that_is_gone_is_not_chosen(newsletter: int) -> None:
    german = segments.save(newsletter, "German", [[a("language", "begins", "de")]], actor="test")[0]
    issue = an_issue(newsletter)
    editing.set_audience(issue, {"segments": [german]}, actor="test")
    with pytest.raises(Conflict, match="News of the month"):
        segments.archive(german, actor="test")
    editing.set_audience(issue, {}, actor="test")
    segments.archive(german, actor="test")
    with pytest.raises(Invalid, match="no more"):
        editing.set_audience(issue, {"segments": [german]}, actor="test")
    again = segments.save(newsletter, "german", [[a("language", "is", "de")]], actor="test")[0]
    with pytest.raises(Conflict, match="Rename"):
        segments.restore(german, actor="test")
    segments.archive(again, actor="test")
    segments.restore(german, actor="test")
    with pytest.raises(Conflict, match="already"):
        segments.save(newsletter, "GERMAN", [[a("language", "is", "de")]], actor="test")


def test_nobody_learns_of_other_newsletters_by_counting(newsletter: int) -> None:
    other = a_newsletter("other")
    secret, stranger = an_issue(other), a("newsletter", "gets", other)
    editor = actor_of(an_operator(None, newsletters={newsletter: "editor"}))
    for blocks in ([[stranger]], [[a("issue", "opened", secret)]]):
        with pytest.raises(NotFound):
            segments.count(newsletter, blocks, actor=editor)
        with pytest.raises(NotFound):
            segments.save(newsletter, "Theirs", blocks, actor=editor)
    with pytest.raises(NotFound):
        segments.count(other, [[a("language", "known")]], actor=editor)
    theirs = segments.save(other, "Theirs", [[a("language", "known")]], actor="test")[0]
    with pytest.raises(Invalid, match="no more"):
        editing.set_audience(an_issue(newsletter), {"segments": [theirs]}, actor=editor)
    saved = segments.save(newsletter, "Gets the other", [[stranger]], actor="test")[0]
    with pytest.raises(NotFound):
        segment_readers.export(saved, actor=editor)
    with pytest.raises(NotFound):
        segment_readers.tag(saved, "theirs", actor=editor)
    analyst = actor_of(an_operator(None, newsletters={newsletter: "analyst"}))
    with pytest.raises(Forbidden):
        segments.count(newsletter, [[a("language", "known")]], actor=analyst)


def test_everybody_in_it_is_tagged_or_written_into_a_table(newsletter: int, sql: Sql) -> None:
    german = segments.save(newsletter, "German", [[a("language", "begins", "de")]], actor="test")[0]
    assert segment_readers.tag(german, "Deutsch", actor="test") == 2
    assert segment_readers.tag(german, "deutsch", actor="test") == 0
    columns, rows = segment_readers.export(german, actor="test")
    assert columns == ["email", "first_name", "last_name", "language", "subscribed_at", "age", "city", "since"]
    assert [row[0] for row in rows] == ["bo@sub.firm.example", "ute@other.example"]
    assert sql("SELECT count(*) FROM audit_entries WHERE action = 'export'") == [(1,)]


def test_tags_are_one_word_for_all(newsletter: int, sql: Sql) -> None:
    mei, bo = (sql("SELECT id FROM subscribers WHERE address LIKE %s", f"{name}@%")[0][0] for name in ("mei", "bo"))
    tag = tagging.add(mei, "Client", actor="test")
    assert tagging.add(bo, "CLIENT", actor="test") == tag
    assert [(one["name"], one["readers"]) for one in tagging.listed(actor="console")] == [("Client", 2)]
    for wrong in ("", "  ", "a,b", "x" * 61, "a\x01b"):
        with pytest.raises(Invalid):
            tagging.add(mei, wrong, actor="test")
    segments.save(newsletter, "Clients", [[a("tag", "is", tag)]], actor="test")
    with pytest.raises(Conflict, match="Clients"):
        tagging.delete(tag, actor="test")
    other = tagging.add(mei, "Friend", actor="test")
    with pytest.raises(Conflict, match="already"):
        tagging.rename(other, "client", actor="test")
    assert tagging.remove(mei, other, actor="test") == "Friend"
    assert tagging.delete(other, actor="test") == 0
    stranger = actor_of(an_operator(None, newsletters={a_newsletter("other"): "editor"}))
    with pytest.raises(NotFound):
        tagging.add(mei, "Seen", actor=stranger)
    with pytest.raises(Forbidden, match="all"):
        tagging.rename(tag, "Seen", actor=stranger)
