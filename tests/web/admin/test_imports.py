"""Importing on the web: nothing is taken that was not looked at, nothing twice, and all of it can be taken back."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service import queue
from service.errors import Conflict, Invalid, NotFound
from service.operations import importing_undo, uploading
from service.settings import current
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.team import actor_of, an_operator, signed_in
from tests.web.admin.test_editor import upload
from tests.web.browsing import Page, Person

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]
CONSENT = "Ticked the box on the seminar form, March 2026"
ROWS = "E-Mail;Vorname;office;secret note\nmei@readers.example;Mei;Berlin;x\nnobody;Bo;Paris;y\nMEI@readers.example;Mei;Berlin;z\n=cmd@x;;;\n"


def paste(web: str, person: Person, newsletter: int, rows: str = ROWS) -> Page:
    return person.press(
        person.get(f"{web}/admin/imports/new"), "/new", newsletter=str(newsletter), rows=rows, file=None
    )


def reviewed(web: str, person: Person, newsletter: int, drain: Drain, rows: str = ROWS, **changes: str | None) -> Page:
    asked = person.press(paste(web, person, newsletter, rows), "/columns", consent=CONSENT, **changes)
    drain()
    return person.get(asked.url)


def test_step_by_step_from_pasted_rows_to_readers(
    web: str, newsletter: int, editor: Person, drain: Drain, sql: Sql
) -> None:
    columns = paste(web, editor, newsletter)
    _, fields = columns.form("/columns")
    assert [fields[f"column-{n}"] for n in range(4)] == ["email", "first_name", "office", "secret_note"]
    assert "mei@readers.example" in columns.said
    looking = editor.press(columns, "/columns", consent=CONSENT, **{"column-3": "ignore"})
    assert "Looking at every row" in looking.said
    drain()
    review = editor.get(looking.url)
    assert "This is what would become of the rows" in review.said
    assert "added 1" in review.said
    assert "to be mended 2" in review.said
    assert sql("SELECT count(*) FROM subscribers") == [(0,)], "nothing is taken before somebody says so"
    assert sql("SELECT count(*) FROM imports") == [(0,)]
    editor.press(review, "/start")
    drain()
    done = editor.get(looking.url)
    assert "1 readers of the file get the next issue" in done.said
    assert sql("SELECT address, first_name, attributes FROM subscribers") == [
        ("mei@readers.example", "Mei", {"office": "Berlin"})
    ]
    assert sql("SELECT w.wording FROM consent_records r JOIN consent_wordings w ON w.sha256 = r.wording_sha256") == [
        (CONSENT,)
    ]
    rejected = editor.get(f"{looking.url}/rejected.csv")
    assert rejected.headers["Content-Type"].startswith("text/csv")
    assert [line.split(",")[0] for line in rejected.text.splitlines()] == ["\ufeffline", "3", "4", "5"]
    assert "\n=" not in rejected.text


def test_a_double_click_imports_once_and_so_does_a_bell_that_rings_twice(
    web: str, newsletter: int, editor: Person, drain: Drain, sql: Sql, bells: Any
) -> None:
    review = reviewed(web, editor, newsletter, drain)
    editor.press(review, "/start")
    editor.press(review, "/start")
    assert [bell[0] for bell in bells].count(queue.LOOK_AT_UPLOAD) == 1
    bells.append(bells[-1])
    drain()
    assert sql("SELECT count(*) FROM imports") == [(1,)]


def test_a_worker_that_died_after_the_import_does_not_import_again(
    web: str, newsletter: int, editor: Person, drain: Drain, sql: Sql
) -> None:
    review = reviewed(web, editor, newsletter, drain)
    editor.press(review, "/start")
    drain()
    sql("UPDATE uploads SET state = 'running', import_id = NULL, lease_until = now() - interval '1 second'")
    uploading.work(sql("SELECT id FROM uploads")[0][0])
    assert sql("SELECT count(*) FROM imports") == [(1,)]
    assert sql("SELECT state FROM uploads") == [("done",)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "The file is empty"),
        ("a@x.example\n", "holds an address, not the names"),
        ("name,city\nx,y\n", "exactly one column"),
        ('email\n"open', "not closed"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_taken(
    web: str, newsletter: int, editor: Person, drain: Drain, sql: Sql, rows: str, said: str
) -> None:
    page = paste(web, editor, newsletter, rows)
    if page.status == 200:
        page = editor.press(page, "/columns", consent=CONSENT)
        drain()
        page = editor.get(page.url) if page.status == 200 else page
    assert said in page.said
    assert sql("SELECT count(*) FROM subscribers") == [(0,)]


def test_consent_must_be_stated(web: str, newsletter: int, editor: Person) -> None:
    page = editor.press(paste(web, editor, newsletter), "/columns", consent=" ")
    assert page.status == 422
    assert "Say how, where and when these readers agreed" in page.said


def test_another_encoding_is_asked_for_by_name(
    web: str, newsletter: int, editor: Person, drain: Drain, sql: Sql
) -> None:
    fields = editor.get(f"{web}/admin/imports/new").form("/new")[1] | {"newsletter": str(newsletter)}
    fields.pop("file", None)
    page = upload(
        editor,
        f"{web}/admin/imports/new",
        fields,
        "file",
        "leute.csv",
        "email;vorname\nj@readers.example;Jürgen\n".encode("cp1252"),
    )
    assert "not UTF-8" in page.said
    page = editor.get(page.url + "?encoding=cp1252")
    assert "Jürgen" in page.said
    page = editor.press(page, "/columns", consent=CONSENT)
    drain()
    editor.press(editor.get(page.url), "/start")
    drain()
    assert sql("SELECT first_name FROM subscribers") == [("Jürgen",)]


def test_many_readers_are_typed(web: str, newsletter: int, editor: Person, drain: Drain, sql: Sql) -> None:
    rows = "email\n" + "".join(f"r{n}@readers.example\n" for n in range(uploading.TYPED_ABOVE + 1))
    review = reviewed(web, editor, newsletter, drain, rows)
    refused = editor.press(review, "/start", typed="1000")
    assert refused.status == 422
    assert "Type how many readers are added" in refused.said
    editor.press(refused, "/start", typed="1,001")
    drain()
    assert sql("SELECT count(*) FROM subscriptions") == [(1001,)]


def test_a_whole_import_is_taken_back_and_can_be_done_again(
    web: str, newsletter: int, editor: Person, drain: Drain, sql: Sql
) -> None:
    rows = "email\nmei@readers.example\nbo@readers.example\n"
    review = reviewed(web, editor, newsletter, drain, rows)
    editor.press(review, "/start")
    drain()
    back = editor.press(editor.get(review.url), "/undo")
    assert "2 readers are taken back." in back.said
    assert sql("SELECT count(*) FROM subscribers") == [(0,)]
    assert (
        sql("SELECT action, method FROM consent_records ORDER BY id")
        == [("given", "import")] * 2 + [("withdrawn", "import-undone")] * 2
    )
    again = reviewed(web, editor, newsletter, drain, rows)
    assert "added 2" in again.said, "who was taken back never left"
    with pytest.raises(Conflict, match="already"):
        importing_undo.undo(sql("SELECT min(id) FROM imports")[0][0], actor="test")


def test_taking_back_leaves_alone_whoever_acted_or_was_sent_something(
    web: str, newsletter: int, editor: Person, drain: Drain, sql: Sql, sandbox: Sandbox
) -> None:
    from service.db import transaction  # noqa: PLC0415
    from service.operations import scheduling, suppressing  # noqa: PLC0415

    (known,) = readers(newsletter, ["known@readers.example"])
    review = reviewed(
        web,
        editor,
        newsletter,
        drain,
        "email\nknown@readers.example\nmei@readers.example\nbo@readers.example\nleft@readers.example\n",
    )
    editor.press(review, "/start")
    drain()
    left, sent = (
        sql("SELECT n.id FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id WHERE address = %s", one)[0][
            0
        ]
        for one in ("left@readers.example", "bo@readers.example")
    )
    with transaction() as tx:
        suppressing.withdraw(tx, left, method="page")
    issue = an_issue(newsletter)
    sql("UPDATE subscriptions SET paused_until = now() + interval '1 day' WHERE id NOT IN (%s, %s)", sent, left)
    scheduling.schedule(issue, actor="test")
    drain()
    found = importing_undo.undo(sql("SELECT max(id) FROM imports")[0][0], actor="test")
    assert (found.subscriptions, found.sent, found.touched) == (1, 1, 1)
    left_alone = ["bo@readers.example", "known@readers.example", "left@readers.example"]
    # Mei was left out of an issue while she paused: the delivery that says so keeps her row, but not her subscription.
    assert sql("SELECT s.address FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id ORDER BY 1") == [
        (one,) for one in left_alone
    ]
    assert sql("SELECT state FROM subscriptions WHERE id = %s", known) == [("active",)]
    assert sql("SELECT state FROM subscriptions WHERE id = %s", left) == [("unsubscribed",)]


def test_a_foreign_newsletters_imports_are_not_there(web: str, newsletter: int, editor: Person) -> None:
    page = paste(web, editor, newsletter)
    stranger = signed_in(an_operator(None, newsletters={a_newsletter("other"): "editor"}))
    assert stranger.get(page.url).status == 404
    assert "There is no such thing" in stranger.get(page.url).said
    refused = stranger.press(
        stranger.get(f"{web}/admin/imports/new"), "/new", newsletter=str(newsletter), rows=ROWS, file=None
    )
    assert refused.status == 404
    assert signed_in(an_operator("approver")).get(page.url).status == 403
    with pytest.raises(NotFound):
        uploading.find(1_000_000, actor=actor_of(an_operator()))


def test_files_do_not_stay(web: str, newsletter: int, editor: Person, drain: Drain, sql: Sql) -> None:
    review = reviewed(web, editor, newsletter, drain)
    editor.press(review, "/start")
    drain()
    taken = Path(sql("SELECT path FROM uploads")[0][0])
    assert not taken.exists(), "what was taken is in the database"
    paste(web, editor, newsletter)
    left = Path(sql("SELECT path FROM uploads ORDER BY id DESC LIMIT 1")[0][0])
    uploading.forget_old()
    assert left.exists()
    sql("UPDATE uploads SET created_at = now() - interval '31 days'")
    uploading.forget_old()
    assert not left.exists()
    assert sql("SELECT count(*), bool_or(report ? 'faults') FROM uploads") == [(1, False)]


def test_a_dropped_file_is_gone(web: str, newsletter: int, editor: Person, sql: Sql) -> None:
    page = paste(web, editor, newsletter)
    path = Path(sql("SELECT path FROM uploads")[0][0])
    assert path.stat().st_mode & 0o777 == 0o600
    editor.press(page, "/drop")
    assert not path.exists()


def test_a_large_file_and_many_pasted_rows_come_in(web: str, newsletter: int, editor: Person) -> None:
    rows = "email\n" + "".join(f"r{n}@readers.example\n" for n in range(130_000))
    assert len(rows) > 2 * 1024 * 1024
    fields = editor.get(f"{web}/admin/imports/new").form("/new")[1] | {"newsletter": str(newsletter)}
    fields.pop("file", None)
    assert upload(editor, f"{web}/admin/imports/new", fields, "file", "many.csv", rows.encode()).status == 200
    assert paste(web, editor, newsletter, rows).status == 200


def test_no_more_is_kept_of_a_file_than_may_be_sent(newsletter: int, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "MAXIMUM_BYTES", 10)
    folder = current().home / "imports"
    before = set(folder.glob("*"))
    with pytest.raises(Invalid, match="Split it"):
        uploading.receive(newsletter, "x.csv", io.BytesIO(b"email\n" + b"x" * 10), actor="test")
    assert set(folder.glob("*")) == before
    assert sql("SELECT count(*) FROM uploads") == [(0,)]
    assert sql("SELECT count(*) FROM audit_entries WHERE action = 'upload'") == [(0,)]
