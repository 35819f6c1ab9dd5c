"""A reader of two newsletters is one person: whoever works for one of them alone neither sees nor overwrites what the other knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.errors import Forbidden
from service.operations import finding, importing, looking, operators, reader_pages, segment_readers, segments
from tests.builders import a_newsletter, an_issue, readers
from tests.team import actor_of, an_operator, signed_in

Sql = Callable[..., list[Any]]
MEI = "mei.lin@firm.example"
BO = "bo@firm.example"
SECRET = ("Mei", "Lín", "zh-Hans", {"organisation": "Grain & Co", "matter": "M-4711"})
ROWS = f"email,first_name,language,matter,city\nMEI.lin@firm.example,Fool,de,none,Oslo\n{BO},Bob,de,none,Oslo\n"
IN_OSLO = [[{"what": "attribute", "how": "is", "value": "Oslo", "name": "city"}]]


@pytest.fixture
def other(web: str, sql: Sql) -> int:
    """Mei's newsletter; Bo is in mine."""
    made = a_newsletter("other", name="The Other")
    readers(made, [MEI], names={MEI: "Mei"})
    sql(
        """UPDATE subscribers SET last_name = 'Lín', language = 'zh-Hans', attributes = '{"organisation": "Grain & Co", "matter": "M-4711"}'"""
    )
    return made


@pytest.fixture
def mine(other: int, sql: Sql) -> int:
    made = a_newsletter("mine", name="Mine")
    readers(made, [BO], names={BO: "Bo"})
    return made


@pytest.fixture
def editor(mine: int) -> int:
    return an_operator(None, newsletters={mine: "editor"})


@pytest.fixture
def take(mine: int, editor: int, tmp_path: Path) -> Callable[..., importing.ImportReport]:
    """Import the rows into mine, over what is known."""

    def taken(actor: str = f"operator {editor}", rows: str = ROWS) -> importing.ImportReport:
        path = tmp_path / "rows.csv"
        path.write_text(rows)
        return importing.import_subscribers(
            path, newsletter_id=mine, consent="at the fair", update_existing=True, actor=actor
        )

    return taken


Take = Callable[..., importing.ImportReport]


def details(sql: Sql, address: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] = sql(
        "SELECT first_name, last_name, language, attributes FROM subscribers WHERE normalised_address = %s", address
    )[0]
    return found


def number(sql: Sql) -> int:
    return int(sql("SELECT id FROM subscribers WHERE normalised_address = %s", MEI)[0][0])


def test_an_import_overwrites_nothing_that_another_newsletter_knows(take: Take, sql: Sql) -> None:
    report = take()
    first, last, language, attributes = SECRET
    assert details(sql, MEI) == (first, last, language, {**attributes, "city": "Oslo"}), "what was empty is filled in"
    assert sql("SELECT address FROM subscribers WHERE normalised_address = %s", MEI) == [(MEI,)]
    assert details(sql, BO) == ("Bob", "", "de", {"matter": "none", "city": "Oslo"})
    assert [one for one in report.notes if "1 reader is also in newsletters" in one]
    assert (report.added, report.updated) == (1, 1)


def test_the_report_says_the_same_whether_one_has_guessed_right_or_not(take: Take, sql: Sql) -> None:
    take()
    wrong, right = (
        take(rows=f"email,first_name,matter\n{MEI},{one},{two}\n") for one, two in (("A", "B"), ("Mei", "M-4711"))
    )
    assert wrong.notes == right.notes
    assert (wrong.updated, wrong.unchanged) == (right.updated, right.unchanged) == (0, 1)


@pytest.mark.parametrize("who", ["console", "an owner", "an editor of both"])
def test_who_may_change_readers_in_all_their_newsletters_overwrites_as_before(
    take: Take, mine: int, other: int, sql: Sql, who: str
) -> None:
    actor = who
    if who != "console":
        made = an_operator() if who == "an owner" else an_operator(None, newsletters={mine: "editor", other: "editor"})
        actor = f"operator {made}"
    assert take(actor).notes == ()
    assert details(sql, MEI)[0] == "Fool"


@pytest.mark.parametrize("change", ["disabled", "role"])
def test_the_roles_of_the_moment_count_not_those_of_when_it_was_asked_for(
    take: Take, mine: int, other: int, sql: Sql, change: str
) -> None:
    an_operator()
    who = an_operator(None, newsletters={mine: "editor", other: "editor"})
    if change == "disabled":
        operators.disable(who, actor="test")
    else:
        operators.give_roles(who, role=None, memberships={mine: "editor", other: "analyst"}, actor="test")
    take(f"operator {who}")
    assert details(sql, MEI)[0] == "Mei"


def test_a_key_for_one_newsletter_is_held_to_the_same(take: Take, mine: int, sql: Sql) -> None:
    sql(
        "INSERT INTO api_keys (name, token_sha256, last_four, role, newsletter_id) VALUES ('x', 'x', 'abcd', 'editor', %s)",
        mine,
    )
    ((key,),) = sql("SELECT id FROM api_keys")
    take(f"key {key}")
    assert details(sql, MEI)[0] == "Mei"
    sql("UPDATE api_keys SET newsletter_id = NULL")
    take(f"key {key}")
    assert details(sql, MEI)[0] == "Fool"


def test_pages_show_the_address_and_nothing_else_of_them(take: Take, editor: int, web: str, sql: Sql) -> None:
    take()
    reader, person = number(sql), signed_in(editor)
    for place in (f"/admin/readers/{reader}", "/admin/readers?words=mei"):
        page = person.get(web + place)
        assert page.status == 200
        assert MEI in page.text
        assert not [word for word in ("Lín", "Grain", "M-4711", "zh-Hans", "Fool") if word in page.text], place
    assert "newsletters that you have no role in" in person.get(f"{web}/admin/readers/{reader}").said
    assert "M-4711" in signed_in(an_operator()).get(f"{web}/admin/readers/{reader}").text


@pytest.mark.parametrize("words", ["Lín", "mei l", "grain", "M-4711"])
@pytest.mark.parametrize("anywhere", [False, True])
def test_nobody_is_found_by_what_one_may_not_see(take: Take, editor: int, sql: Sql, words: str, anywhere: bool) -> None:
    take()
    assert finding.find(words, actor=actor_of(editor), anywhere=anywhere) == []
    (found,) = finding.find("mei.lin", actor=actor_of(editor), anywhere=anywhere)
    assert (found["address"], found["first_name"], found["last_name"], found["organisation"]) == (MEI, "", "", None)


def test_their_details_are_not_changed_by_hand_either(take: Take, editor: int, sql: Sql) -> None:
    take()
    with pytest.raises(Forbidden, match="no role in"):
        reader_pages.change(number(sql), first_name="Fool", last_name="", language="", actor=actor_of(editor))
    assert details(sql, MEI)[0] == "Mei"


def test_no_list_of_a_segment_and_no_preview_tells_them(take: Take, mine: int, editor: int, sql: Sql) -> None:
    take()
    actor = actor_of(editor)
    sample = {one["address"]: one["name"] for one in segments.count(mine, IN_OSLO, actor=actor).sample}
    assert sample == {MEI: "", BO: "Bob"}
    segment, _ = segments.save(mine, "In Oslo", IN_OSLO, actor=actor)
    columns, rows = segment_readers.export(segment, actor=actor)
    kept = {str(row[0]): dict(zip(columns, row, strict=True)) for row in rows}
    assert "organisation" not in columns
    assert {name for name, value in kept[MEI].items() if value} == {"email", "subscribed_at"}
    assert kept[BO]["matter"] == "none"
    issue = an_issue(mine, '# News\n\nDear {{ first_name | default: "reader" }},\n\nread on.\n')
    with pytest.raises(Forbidden, match="no role in"):
        looking.look(issue, actor=actor, reader=MEI)
    assert "Dear Bob" in looking.look(issue, actor=actor, reader=BO).html
    assert "Dear Mei" in looking.look(issue, actor="console", reader=MEI).html
