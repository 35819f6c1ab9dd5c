"""Newsletters on the team's side: made, set, refused with sentences, and only by whoever may."""

from collections.abc import Callable
from typing import Any

import pytest

from service.domain.permissions import ROLES
from service.errors import NotFound
from service.operations import wording_history
from tests.builders import a_newsletter
from tests.team import actor_of, an_operator, signed_in
from tests.web.browsing import Person

Sql = Callable[..., list[Any]]
FIRST: dict[str, str | None] = {
    "name": "Data Letter",
    "sender_address": "news@sender.example",
    "postal_address": "1 Quay\nHarbourton",
}


@pytest.fixture
def owner(web: str) -> Person:
    return signed_in(an_operator())


def test_the_first_newsletter_is_made_with_four_answers(web: str, owner: Person) -> None:
    empty = owner.get(f"{web}/admin/newsletters")
    assert "There is no newsletter yet" in empty.said
    made = owner.press(owner.get(f"{web}/admin/newsletters/new"), "/new", **FIRST)
    assert made.url == f"{web}/admin/newsletters/data-letter"
    assert "Data Letter is made." in made.said
    again = owner.press(owner.get(f"{web}/admin/newsletters/new"), "/new", **FIRST)
    assert again.status == 422
    assert "There is a newsletter of this name already." in again.said


def test_what_is_wrong_is_said_all_at_once_and_what_was_typed_stays(web: str, owner: Person) -> None:
    answer = owner.press(
        owner.get(f"{web}/admin/newsletters/new"), "/new", name="Ünïcode", sender_address="nobody", postal_address=" "
    )
    assert answer.status == 422
    assert "The postal address is empty." in answer.said
    assert "The sender address:" in answer.said
    assert answer.form("/new")[1]["name"] == "Ünïcode"


@pytest.mark.parametrize(
    ("section", "field", "value", "said"),
    [
        ("sender", "sender_name", "Kanzlei Müller", "SendGrid does not send as it is"),
        ("sender", "sender_name", "A; B", "cannot hold"),
        ("sender", "sender_address", "x", "The sender address:"),
        ("sender", "reply_to", "x@", "The reply-to address:"),
        ("sender", "privacy_url", "http://firm.example", "must be a whole one"),
        ("sending", "undo_seconds", "5", "from 10 to 60"),
        ("sending", "undo_seconds", "x", "from 10 to 60"),
        ("sending", "typed_above", "-1", "must be a number"),
        ("sending", "maximum_audience", "0", "must be a number from 1"),
        ("sending", "time_zone", "Mars/Base", "There is no time zone"),
        ("sending", "subject_prefix", "x" * 21, "it may have 20"),
        ("looks", "brand_colour", "red", "#1f3a5f"),
        ("looks", "design", "../x", "esign"),
        ("signups", "signup_fields", "1x", "cannot be its name"),
        ("signups", "allowed_origins", "ftp://x", "must be a site|must begin with https"),
    ],
)
def test_a_setting_that_will_not_do_is_refused_with_a_sentence(
    web: str, owner: Person, sql: Sql, section: str, field: str, value: str, said: str
) -> None:
    a_newsletter()
    before = sql("SELECT * FROM newsletters")
    answer = owner.press(owner.get(f"{web}/admin/newsletters/monthly"), f"/settings/{section}", **{field: value})
    assert answer.status == 422
    assert any(one in answer.said for one in said.split("|")), answer.said
    assert answer.form(f"/settings/{section}")[1][field].strip() == value or field == "design"
    assert sql("SELECT * FROM newsletters") == before


def test_settings_are_saved_section_by_section_and_written_down(web: str, owner: Person, sql: Sql) -> None:
    a_newsletter()
    page = owner.get(f"{web}/admin/newsletters/monthly")
    page = owner.press(
        page,
        "/settings/sending",
        subject_prefix="[AD]",
        needs_approval="yes",
        maximum_audience="5,000",
        undo_seconds="30",
    )
    assert "Saved." in page.said
    page = owner.press(page, "/settings/sender", sender_address="letter@sender.example")
    kept = sql(
        "SELECT subject_prefix, needs_approval, maximum_audience, undo_seconds, sender_address, name FROM newsletters"
    )
    assert kept == [("[AD]", True, 5000, 30, "letter@sender.example", "The Monthly")]
    owner.press(page, "/settings/sending", needs_approval=None)
    assert sql("SELECT needs_approval, subject_prefix FROM newsletters") == [(False, "[AD]")]
    told = str(sql("SELECT details FROM audit_entries WHERE action = 'change'"))
    assert "[AD]" in told
    assert "letter@sender.example" not in told


def test_words_of_ones_own_and_back_to_ours(web: str, owner: Person, sql: Sql) -> None:
    a_newsletter()
    page = owner.get(f"{web}/admin/newsletters/monthly")
    page = owner.press(page, "/words", text="Yes, send me the letter.")
    assert "Yes, send me the letter." in page.text
    assert sql("SELECT purpose, language, wording FROM newsletter_wordings") == [
        ("newsletter", "en", "Yes, send me the letter.")
    ]
    owner.press(page, "/words", text="")
    assert sql("SELECT count(*) FROM newsletter_wordings") == [(0,)]


def test_a_newsletter_is_changed_by_its_owner_seen_by_its_people_and_not_there_for_others(web: str, sql: Sql) -> None:
    mine = a_newsletter("mine")
    a_newsletter("other")
    people = {
        role: signed_in(an_operator(None, newsletters={mine: role}))
        for role in ("owner", "editor", "approver", "analyst")
    }
    for role, person in people.items():
        page = person.get(f"{web}/admin/newsletters/mine")
        assert page.status == 200
        answer = person.post(
            f"{web}/admin/newsletters/mine/settings/sender", page.form("/sign-out")[1] | {"name": role}
        )
        assert answer.status == (422 if role == "owner" else 403)
        assert person.get(f"{web}/admin/newsletters/other").status == 404
        assert "other" not in person.get(f"{web}/admin/newsletters").said
    assert sql("SELECT name FROM newsletters ORDER BY id") == [("The Monthly",)] * 2


@pytest.mark.parametrize("role", list(ROLES))
def test_a_newsletter_of_others_is_answered_like_none_at_all_and_none_of_them_is_named(web: str, role: str) -> None:
    mine = a_newsletter("mine")
    a_newsletter("strangers")
    who = an_operator(None, newsletters={mine: role})
    person = signed_in(who)
    fields = person.get(f"{web}/admin/newsletters/mine").form("/sign-out")[1]
    for place in ("", "/wordings", "/settings/sender", "/logo", "/words"):
        said = []
        for slug in ("strangers", "nowhere00"):
            address = f"{web}/admin/newsletters/{slug}{place}"
            page = person.get(address) if place in ("", "/wordings") else person.post(address, fields)
            assert page.status == 404
            said.append(page.said.replace(slug, "-"))
        assert said[0] == said[1], place
        assert "strangers" not in said[0]
        assert "There are: mine." in said[0]
    with pytest.raises(NotFound, match="There are: mine"):
        wording_history.history("strangers", actor=actor_of(who))


def test_a_prefix_stands_before_every_subject(database: object) -> None:
    from service.operations import newsletter_settings, previewing  # noqa: PLC0415
    from tests.builders import an_issue  # noqa: PLC0415

    newsletter = a_newsletter()
    newsletter_settings.change("monthly", actor="test", subject_prefix="广告")
    issue = an_issue(newsletter)
    assert previewing.preview_issue(issue).mail.subject.startswith("广告 News of the month")
