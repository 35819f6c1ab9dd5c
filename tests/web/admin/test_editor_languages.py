"""An issue in several languages, written on the web: each text is saved, kept and found again by itself, and all are approved as one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from service.errors import Conflict, Invalid, NotFound
from service.operations import approving, editing, editing_history, editing_languages, scheduling
from service.web.admin.editor_lines import Open
from tests.builders import an_issue, readers
from tests.conftest import Sandbox
from tests.team import actor_of, an_operator, signed_in
from tests.web.browsing import Page, Person

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]
GERMAN = "# Neues vom Monat\n\nGuten Tag,\n\nlesen Sie [unseren Leitfaden](https://www.example.com/leitfaden).\n"


@pytest.fixture
def issue(newsletter: int) -> int:
    return an_issue(newsletter)


def page_of(web: str, person: Person, issue: int, language: str = "") -> Page:
    return person.get(f"{web}/admin/issues/{issue}/write" + (f"?language={language}" if language else ""))


def save(web: str, person: Person, issue: int, language: str, **fields: str) -> tuple[int, dict[str, Any]]:
    """As the page's script saves what is open in a language."""
    _, given = page_of(web, person, issue, language).form("/write")
    answer = person.post(f"{web}/admin/issues/{issue}/write", {**given, **fields}, Accept="application/json")
    return answer.status, json.loads(answer.text)


def texts(issue: int) -> dict[str, str]:
    return editing.texts_of(editing.find(issue, actor="test"))


def approve(issue: int, sql: Sql, approver: str) -> None:
    ((seen,),) = sql("SELECT encode(content_hash, 'hex') FROM issues WHERE id = %s", issue)
    approving.approve(issue, seen=seen, actor=approver)


def test_a_language_is_added_written_taken_away_and_put_back(web: str, editor: Person, issue: int, sql: Sql) -> None:
    main = texts(issue)[""]
    added = editor.press(page_of(web, editor, issue), "/languages", tag="DE")
    assert "German" in added.said
    assert texts(issue) == {"": main, "de": main}
    status, told = save(web, editor, issue, "de", subject="Neues", body="Guten Tag,\n\nWorte.\n")
    assert (status, told["problems"]) == (200, [])
    assert texts(issue)[""] == main, "the main text is as it was"
    assert "Worte." in texts(issue)["de"]
    assert sql("SELECT language FROM variants ORDER BY position") == [("en",), ("de",)]
    assert "Worte." in editor.get(f"{web}/admin/issues/{issue}/mail?variant=de").text
    assert "Worte." not in editor.get(f"{web}/admin/issues/{issue}/mail").text
    gone = editor.press(page_of(web, editor, issue, "de"), "/languages/remove")
    assert set(texts(issue)) == {""}
    assert page_of(web, editor, issue, "de").status == 404
    back = editor.press(gone, "/restore")
    assert "present one again" in back.said
    assert "Worte." in texts(issue)["de"]


@pytest.mark.parametrize(
    ("tag", "said"), [("EN", "main text is in this language"), ("de", "already"), ("<b>", "is no language")]
)
def test_what_is_no_other_language_is_refused(web: str, editor: Person, issue: int, tag: str, said: str) -> None:
    editing_languages.add(issue, "de", actor="test")
    refused = editor.press(page_of(web, editor, issue), "/languages", tag=tag)
    assert refused.status == 422
    assert said in refused.said
    assert set(texts(issue)) == {"", "de"}


def test_tags_are_kept_in_their_usual_spelling(issue: int) -> None:
    assert editing_languages.add(issue, "zh_hans", actor="test") == "zh-Hans"
    with pytest.raises(Invalid):
        editing_languages.add(issue, "ZH-hans", actor="test")
    with pytest.raises(NotFound):
        editing_languages.remove(issue, "fr", actor="test")


def test_two_languages_written_at_once_do_not_meet(web: str, editor: Person, issue: int) -> None:
    editing_languages.add(issue, "de", actor="test")
    # Each page goes on from the version that it saved last, though the other one saved since.
    bases = dict.fromkeys(("", "de"), str(editing.find(issue, actor="test")["version"]))
    for number in range(4):
        for language in ("", "", "de") if number == 2 else ("", "de"):
            words = {"body": f"Words {number} {language}\n", "auto": "yes", "base": bases[language]}
            status, told = save(web, editor, issue, language, **words)
            assert status == 200, told
            assert "body" not in told, "nothing was merged into it"
            bases[language] = str(told["number"])
    assert "Words 3 de" in texts(issue)["de"]
    assert "Words 3 \n" in texts(issue)[""]


def test_each_language_has_its_own_history(web: str, editor: Person, issue: int) -> None:
    editing_languages.add(issue, "de", actor="test")
    save(web, editor, issue, "de", body="Eins\n")
    save(web, editor, issue, "", body="One\n")
    save(web, editor, issue, "de", body="Zwei\n")
    german = editing_history.versions(issue, actor="test", language="de")
    assert [one["why"] for one in german] == ["saved", "saved", "added"]
    listed = editor.get(f"{web}/admin/issues/{issue}/versions?language=de")
    assert "Versions in German" in listed.said
    former = editor.get(f"{web}/admin/issues/{issue}/versions/{german[1]['number']}?language=de")
    assert "Eins" in former.said
    assert "Zwei" in former.said
    editor.press(former, "/restore")
    assert "Eins" in texts(issue)["de"]
    assert "One" in texts(issue)[""], "the other language stays"


def test_two_people_in_one_language_collide_there(web: str, editor: Person, issue: int) -> None:
    editing_languages.add(issue, "de", actor="test")
    base = str(editing.find(issue, actor="test")["version"])
    save(web, editor, issue, "de", body="Hier steht eins\n", base=base)
    other = signed_in(an_operator("editor"))
    status, told = save(web, other, issue, "de", body="Hier steht zwei\n", base=base)
    assert status == 409
    assert "language=de" in told["where"]
    assert "Hier steht zwei" in other.get(web + told["where"].removeprefix(web)).said
    assert "eins" in texts(issue)["de"]


def test_a_problem_is_told_with_its_language_and_stops_the_sending(
    web: str, editor: Person, issue: int, newsletter: int
) -> None:
    readers(newsletter, ["mei@readers.example"])
    editing_languages.add(issue, "de", actor="test")
    _, told = save(web, editor, issue, "de", subject="Neues", body="Eins\n\n{{ nobody }}\n")
    assert told["problems"]
    assert not told["problems"][0].startswith("de:"), "it is about the text that is open"
    assert "line 3" in told["problems"][0]
    elsewhere = editor.get(f"{web}/admin/issues/{issue}/preflight")
    assert "de: line 3" in elsewhere.said
    with pytest.raises((Conflict, Invalid)):
        scheduling.schedule(issue, actor="test")


def test_an_edit_of_any_language_ends_the_approval_and_what_is_approved_is_sent(
    web: str, editor: Person, newsletter: int, issue: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    sql("UPDATE newsletters SET needs_approval = true")
    readers(newsletter, ["mei@readers.example", "bo@readers.example"])
    sql("UPDATE subscribers SET language = 'de' WHERE address = 'bo@readers.example'")
    approver = actor_of(an_operator("approver"))
    state = "SELECT state FROM issues"
    editing_languages.add(issue, "de", actor="test")
    approve(issue, sql, approver)
    assert sql(state) == [("approved",)]
    save(web, editor, issue, "de", subject="Neues", body="Andere Worte\n")
    assert sql(state) == [("draft",)]
    with pytest.raises((Conflict, Invalid)):
        scheduling.schedule(issue, actor="test")
    page = signed_in(an_operator("approver")).get(f"{web}/admin/issues/{issue}/approval")
    assert "2 versions are approved together" in page.said
    assert "Andere Worte" in page.said, "what changed in another language is shown too"
    approve(issue, sql, approver)
    editing_languages.add(issue, "fr", actor="test")
    assert sql(state) == [("draft",)], "a language more"
    approve(issue, sql, approver)
    editing_languages.remove(issue, "fr", actor="test")
    assert sql(state) == [("draft",)], "a language less"
    approve(issue, sql, approver)
    scheduling.schedule(issue, actor="test")
    drain()
    with pytest.raises(Conflict):
        editing_languages.add(issue, "fr", actor="test")
    with pytest.raises(Conflict):
        editing_languages.remove(issue, "de", actor="test")
    (german,), (english,) = (sandbox.messages(f"{name}@readers.example") for name in ("bo", "mei"))
    assert "Andere Worte" in german["text"]
    assert "Andere Worte" not in english["text"]


def test_lines_are_those_of_the_text_that_is_open() -> None:
    lines = Open({"en": "---\nsubject: x\n---\nBody", "de": "Body"}, "en")
    assert lines.problem("en: line 5: no") == ("line 2: no", 2)
    assert lines.problem("line 5: no") == ("line 2: no", 2)
    assert lines.problem("de: line 5: no") == ("de: line 5: no", None)
    assert lines.finding("line 5 (de only)") == ("line 5 (de only)", None)
    assert lines.finding("line 5 (en, en/office only)") == ("line 2 (en, en/office only)", 2)
    assert lines.finding("line 5") == ("line 2", 2)
    assert lines.finding("the whole mail") == ("the whole mail", None)
