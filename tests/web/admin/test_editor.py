"""Writing an issue: nothing that anybody typed is lost, nothing that cannot be rendered is sent, and what is shown runs nothing."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from service.domain.merging import merge
from service.errors import Conflict, NotFound
from service.operations import editing, editing_files, editing_history, looking, scheduling
from service.rendering import front_matter
from tests.builders import LETTER, a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.rendering.word import png, word_letter
from tests.team import actor_of, an_operator, signed_in
from tests.web.browsing import Page, Person

Sql = Callable[..., list[Any]]


def write(web: str, person: Person, issue: int, **fields: str) -> Page:
    return person.press(person.get(f"{web}/admin/issues/{issue}/write"), f"/issues/{issue}/write", **fields)


def by_script(person: Person, web: str, issue: int, **fields: str) -> tuple[int, dict[str, Any]]:
    """As the page's script saves."""
    _, given = person.get(f"{web}/admin/issues/{issue}/write").form("/write")
    answer = person.post(f"{web}/admin/issues/{issue}/write", {**given, **fields}, Accept="application/json")
    return answer.status, json.loads(answer.text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "words",
        "---\n",
        "---\nsubject: A: b\n---\n\nText",
        '---\nsubject: ""x""\npreheader: y\nnotes: web\n---\nText\n',
        "---\nno head\n---\n",
        "---\n# said\nsubject: x\n---\n\n\nText",
    ],
)
def test_the_head_of_a_file_comes_apart_and_together_without_losing_anything(text: str) -> None:
    parts = front_matter.split(text)
    again = front_matter.split(front_matter.join(parts.subject, parts.preheader, parts.body, parts.others))
    assert (again.subject, again.preheader, again.others, again.body) == (
        parts.subject,
        parts.preheader,
        parts.others,
        parts.body,
    )
    assert [line for line in parts.body.split("\n") if line.strip()] == [
        line for line in text.split("\n")[parts.before :] if line.strip()
    ]


def test_two_peoples_changes_come_together_where_they_do_not_touch() -> None:
    base = "a\nb\nc\nd\ne"
    assert merge(base, "A\nb\nc\nd\ne", "a\nb\nc\nd\nE") == "A\nb\nc\nd\nE"
    assert merge(base, "A\nb\nc\nd\ne", "B\nb\nc\nd\ne") is None
    assert merge(base, "A\nb\nc\nd\ne", "A\nb\nc\nd\nE") == "A\nb\nc\nd\nE"
    assert merge(base, base, "x") == "x"
    assert merge(base, "a\nb\nc\nd\ne\nf", "a\nb\nc\nd\ne\ng") is None


def test_an_issue_is_begun_blank_written_and_saved(web: str, newsletter: int, sql: Sql) -> None:
    person = signed_in(an_operator("editor"))
    begun = person.press(
        person.get(f"{web}/admin/issues/new"), "/new", newsletter=str(newsletter), subject="News of May"
    )
    assert begun.url.endswith("/write")
    issue = sql("SELECT id FROM issues")[0][0]
    page = write(web, person, issue, subject="News: of June", preheader="What is new", body="# Title\n\nDear all,\n")
    assert "Saved." in page.said
    assert page.form("/write")[1]["subject"] == "News: of June"
    assert sql("SELECT subject, problems, version FROM issues") == [("News: of June", [], 2)]
    shown = person.get(f"{web}/admin/issues/{issue}/mail")
    assert "Dear all," in shown.text
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert "script-src" not in shown.headers["Content-Security-Policy"]


def test_a_text_with_problems_is_kept_and_cannot_be_sent(web: str, newsletter: int, sql: Sql) -> None:
    person, issue = signed_in(an_operator("editor")), an_issue(newsletter)
    readers(newsletter, ["mei@readers.example"])
    status, told = by_script(person, web, issue, subject="S", body="one\n\n{{ nothing_of_that_name }}\n")
    assert status == 200
    assert told["problems"]
    assert "line 3" in told["problems"][0], "lines are counted as the author sees them"
    assert "nothing_of_that_name" in sql("SELECT source FROM issues")[0][0]
    with pytest.raises(Conflict, match="problems that keep it"):
        scheduling.schedule(issue, actor="test", override="all the same")
    assert "cannot be rendered" not in person.get(f"{web}/admin/issues/{issue}/mail").text
    assert "Nothing was found" not in person.get(f"{web}/admin/issues/{issue}/preflight").said


def test_not_even_a_freeze_takes_a_text_with_problems(database: Any, sql: Sql, drain: Callable[..., int]) -> None:
    from service.operations import preparing  # noqa: PLC0415

    issue = an_issue(a_newsletter())
    scheduling.schedule(issue, actor="test")
    sql("UPDATE issues SET problems = '[\"x\"]'")
    assert preparing.prepare(issue) is False
    assert sql("SELECT state FROM issues") == [("scheduled",)]


def test_two_editors_at_once_lose_nothing(web: str, newsletter: int, sql: Sql) -> None:
    issue = an_issue(newsletter, "---\nsubject: S\n---\n\none\n\ntwo\n\nthree\n")
    ada, mei = signed_in(an_operator("editor", name="Ada")), signed_in(an_operator("editor", name="Mei"))
    first, second = (person.get(f"{web}/admin/issues/{issue}/write") for person in (ada, mei))
    ada.press(first, "/write", body="ONE\n\ntwo\n\nthree\n")
    both = mei.press(second, "/write", body="one\n\ntwo\n\nTHREE\n")
    assert "with what somebody else changed" in both.said
    assert sql("SELECT source FROM issues")[0][0].endswith("ONE\n\ntwo\n\nTHREE\n")
    collided = mei.press(second, "/write", body="mine\n\ntwo\n\nthree\n")
    assert "collided" in collided.said
    assert "mine" in collided.said
    assert sql("SELECT source FROM issues")[0][0].endswith("ONE\n\ntwo\n\nTHREE\n"), "the present text is as it was"
    taken = mei.press(collided, "/restore")
    assert taken.form("/write")[1]["body"].strip().startswith("mine")
    status, told = by_script(ada, web, issue, base="1", body="his\n\ntwo\n\nthree\n")
    assert status == 409
    assert "/versions/-2" in told["where"]


def test_they_are_told_of_each_other(web: str, newsletter: int) -> None:
    issue = an_issue(newsletter)
    ada, mei = signed_in(an_operator("editor", name="Ada")), signed_in(an_operator("editor", name="Mei"))
    seal = ada.get(f"{web}/admin/issues/{issue}/write").form("/write")[1]["form_seal"]
    ada.post(f"{web}/admin/issues/{issue}/presence", {"form_seal": seal})
    seal = mei.get(f"{web}/admin/issues/{issue}/write").form("/write")[1]["form_seal"]
    assert "Ada has this open too" in mei.post(f"{web}/admin/issues/{issue}/presence", {"form_seal": seal}).said


def test_autosavings_of_one_person_become_one_version_and_any_can_be_had_back(
    web: str, newsletter: int, sql: Sql
) -> None:
    person, issue = signed_in(an_operator("editor")), an_issue(newsletter)
    for number in range(4):
        by_script(person, web, issue, body=f"text {number}\n", subject="S", auto="yes")
    assert [row[0] for row in sql("SELECT why FROM issue_versions ORDER BY number")] == ["made", "autosaved"]
    history = person.get(f"{web}/admin/issues/{issue}/versions")
    assert "Present" in history.said
    compared = person.get(f"{web}/admin/issues/{issue}/versions/1")
    assert "text 3" in compared.said
    back = person.press(compared, "/restore")
    assert "That text is the present one again." in back.said
    assert sql("SELECT source FROM issues")[0][0] == LETTER
    undone = person.press(back, "/restore")
    assert undone.form("/write")[1]["body"].strip() == "text 3"


def test_an_issue_that_is_on_its_way_is_not_written_any_more(web: str, newsletter: int) -> None:
    issue, person = an_issue(newsletter), signed_in(an_operator("editor"))
    page = person.get(f"{web}/admin/issues/{issue}/write")
    scheduling.schedule(issue, actor="test")
    answer = person.press(page, "/write", body="x")
    assert answer.status == 409
    assert "Duplicate it" in answer.said


def test_a_word_file_becomes_an_issue_with_its_pictures(web: str, newsletter: int, sql: Sql, tmp_path: Any) -> None:
    readers(newsletter, ["mei@readers.example"])
    sql('UPDATE subscribers SET attributes = \'{"office": "Berlin"}\'')
    path = tmp_path / "letter.docx"
    path.write_bytes(word_letter())
    source, _ = editing_files.read(path, "letter.docx")
    actor = actor_of(an_operator("editor"))
    issue = editing.begin(newsletter, actor=actor, source=source)
    assert sql("SELECT problems FROM issues WHERE id = %s", issue) == [([],)]
    assert looking.look(issue, actor=actor).html


def test_a_file_that_is_none_is_refused_with_its_name(web: str, newsletter: int) -> None:
    person = signed_in(an_operator("editor"))
    page = person.get(f"{web}/admin/issues/new")
    answer = upload(
        person,
        f"{web}/admin/issues/new",
        page.form("/new")[1] | {"newsletter": str(newsletter)},
        "file",
        "old letter.doc",
        b"\xd0\xcf\x11\xe0",
    )
    assert answer.status == 422
    assert "old letter.doc" in answer.said
    assert ".docx" in answer.said


def upload(person: Person, url: str, fields: dict[str, str], name: str, file: str, content: bytes) -> Page:
    border = "----border"
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    parts.append(
        f'--{border}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode()
        + content
        + b"\r\n"
    )
    request = urllib.request.Request(
        url,
        b"".join(parts) + f"--{border}--\r\n".encode(),
        {"Content-Type": f"multipart/form-data; boundary={border}", "Accept": "text/html"},
    )
    try:
        with person._opener.open(request, timeout=20) as answer:
            return Page(answer.status, answer.read().decode(), answer.headers, answer.url)
    except urllib.error.HTTPError as error:
        return Page(error.code, error.read().decode(), error.headers, error.geturl())


def test_a_picture_is_added_and_shown_and_what_is_none_is_refused(web: str, newsletter: int) -> None:
    person, issue = signed_in(an_operator("editor")), an_issue(newsletter)
    fields = {"form_seal": person.get(f"{web}/admin/issues/{issue}/write").form("/write")[1]["form_seal"]}
    to = f"{web}/admin/issues/{issue}/pictures"
    assert json.loads(upload(person, to, fields, "picture", "our harbour (2).PNG", png(60, 40)).text) == {
        "name": "our-harbour-2.png"
    }
    assert upload(person, to, fields, "picture", "x.png", b"<svg onload=alert(1)>").status == 422
    status, told = by_script(person, web, issue, subject="S", body="![the harbour](our-harbour-2.png)\n")
    assert (status, told["problems"]) == (200, [])
    assert "/media/" in person.get(f"{web}/admin/issues/{issue}/mail").text
    _, told = by_script(person, web, issue, subject="S", body="![x](another.png)\n")
    assert "not among the issue's pictures" in told["problems"][0]


def test_a_test_is_marked_untracked_and_leads_nobody_out(web: str, newsletter: int, sandbox: Sandbox, sql: Sql) -> None:
    person, issue = signed_in(an_operator("editor")), an_issue(newsletter)
    (subscription,) = readers(newsletter, ["mei@readers.example"])
    page = person.get(f"{web}/admin/issues/{issue}/write")
    refused = person.press(
        page, "/test", addresses="a@x.example, b, c@x.example d@x.example e@x.example f@x.example g@x.example"
    )
    assert refused.status == 422
    assert "at most 5" in refused.said
    sent = person.press(page, "/test", addresses="ada@team.example; bo@team.example")
    assert "Sent to 2 addresses" in sent.said
    (copy,) = sandbox.messages("ada@team.example")
    assert copy["subject"] == "[Test] News of the month"
    assert sql("SELECT details FROM audit_entries WHERE action = 'send a test'") == [({"mails": 2},)]
    assert "/u/preview" in copy["html"]
    assert Person().get(f"{web}/u/preview").status == 404
    assert sql("SELECT state FROM subscriptions WHERE id = %s", subscription) == [("active",)]


def test_whoever_may_not_write_reads_and_strangers_see_nothing(web: str, newsletter: int) -> None:
    issue = an_issue(newsletter)
    analyst = signed_in(an_operator(None, newsletters={newsletter: "analyst"}))
    page = analyst.get(f"{web}/admin/issues/{issue}/write")
    assert "Your role lets you read" in page.said
    seal = page.form("/sign-out")[1]["form_seal"]
    assert analyst.post(f"{web}/admin/issues/{issue}/write", {"form_seal": seal, "body": "x"}).status == 403
    refused = analyst.post(f"{web}/admin/issues/{issue}/mail", {"form_seal": seal, "reader": "mei@readers.example"})
    assert refused.status == 200
    assert "Your role does not let you see who the readers are" in refused.said
    readers(newsletter, ["mei@readers.example"], names={"mei@readers.example": "Mei"})
    editor = signed_in(an_operator(None, newsletters={newsletter: "editor"}))
    target, fields = editor.get(f"{web}/admin/issues/{issue}/write").form(f"/{issue}/mail")
    assert "no reader of that address" in editor.post(target, fields | {"reader": "bo@readers.example"}).said
    assert editor.post(target, fields | {"reader": "mei@readers.example"}).url == target
    assert "no reader of that address" not in editor.get(f"{target}?reader=bo@readers.example").text
    stranger = signed_in(an_operator(None, newsletters={a_newsletter("other"): "owner"}))
    for place in ("write", "mail", "versions", "preflight"):
        assert stranger.get(f"{web}/admin/issues/{issue}/{place}").status == (200 if place == "mail" else 404)
    assert "News of the month" not in stranger.get(f"{web}/admin/issues/{issue}/mail").text
    assert "News of the month" not in stranger.get(f"{web}/admin/issues").said
    with pytest.raises(NotFound):
        editing.find(issue, actor=actor_of(an_operator(None)))


def test_an_issue_is_put_away_brought_back_and_copied(web: str, newsletter: int, sql: Sql) -> None:
    person, issue = signed_in(an_operator("editor")), an_issue(newsletter)
    away = person.press(person.get(f"{web}/admin/issues"), "/archive")
    assert "There is no issue yet" in away.said
    back = person.press(away, "/unarchive")
    assert "News of the month" in back.said
    copy = editing_history.duplicate(issue, actor="test")
    assert sql(
        "SELECT a.source = b.source AND a.content_hash = b.content_hash FROM issues a, issues b WHERE a.id = %s AND b.id = %s",
        issue,
        copy,
    ) == [(True,)]


def test_a_long_text_is_saved_and_a_large_file_is_looked_at(web: str, newsletter: int) -> None:
    person, issue = signed_in(an_operator("editor")), an_issue(newsletter)
    long = "# Title\n\n" + "数据保护 " * 25_000
    assert write(web, person, issue, body=long).status == 200
    fields = person.get(f"{web}/admin/issues/new").form("/new")[1] | {"newsletter": str(newsletter)}
    answer = upload(person, f"{web}/admin/issues/new", fields, "file", "large.docx", b"PK" + b"x" * 3_000_000)
    assert answer.status == 422, "it is refused for what it is, not for its size"
    assert "large.docx" in answer.said


def test_elsewhere_no_more_is_taken_than_before(web: str) -> None:
    person = signed_in(an_operator())
    seal = person.get(f"{web}/admin/account").form("/details")[1]["form_seal"]
    assert person.post(f"{web}/admin/account/details", {"form_seal": seal, "name": "x" * 3_000_000}).status == 413


def test_where_large_files_are_taken_large_fields_are_not(web: str, newsletter: int) -> None:
    """They lie in memory, and are read before anybody's right is known."""
    person = signed_in(an_operator("editor"))
    seal = person.get(f"{web}/admin/imports/new").form("/new")[1]["form_seal"]
    fields = {"form_seal": seal, "rows": "x" * 9_000_000}
    assert person.post(f"{web}/admin/imports/new", fields).status == 413
    assert upload(person, f"{web}/admin/imports/new", fields, "file", "people.csv", b"email\n").status == 413
