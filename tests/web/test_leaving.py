"""Leaving: one click, one button; nothing by GET; tokens that work for years and for nothing else."""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from service import settings, tokens
from service.settings import Settings
from service.tokens import Purpose, Signer
from tests.builders import a_newsletter, people, readers

Sql = Callable[..., list[Any]]


def ask(method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(
        url, data=body, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(errors="replace"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


@pytest.fixture
def link(web: str) -> str:
    """A reader's leave link."""
    (subscription,) = readers(a_newsletter(), ["mei@readers.example"])
    return f"{web}/u/{Signer(Purpose.LEAVE).sign(subscription)}"


def left(sql: Sql) -> bool:
    return bool(sql("SELECT state FROM subscriptions")[0][0] == "unsubscribed")


MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
    "multipart/form-data; boundary=x",
)
URLENCODED = (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(("body", "kind"), [MULTIPART, URLENCODED])
def test_one_click_leaves_without_cookie_or_redirect_and_twice_is_no_error(
    link: str, sql: Sql, body: bytes, kind: str
) -> None:
    for _ in range(2):
        status, _, headers = ask("POST", link, body, Content_Type=kind)
        assert (status, "Location" in headers, "Set-Cookie" in headers) == (200, False, False)
        assert left(sql)
    assert sql("SELECT purpose, action, method FROM consent_records") == [("newsletter", "withdrawn", "one-click")]


def test_every_one_click_of_a_provider_counts_however_many_and_whatever_program_sends_it(link: str, sql: Sql) -> None:
    """A provider posts for all its readers from a few addresses, by a program that calls itself one, or nothing."""
    programs = ("Mozilla/5.0 (compatible; SomeBot/2.1)", "python-requests/2", "curl/8.0", "", "Scanner spider crawler")
    (newsletter,) = sql("SELECT newsletter_id FROM subscriptions")[0]
    others = readers(newsletter, people(100))
    for number, other in enumerate(others):
        url = f"{link.rsplit('/', 1)[0]}/{Signer(Purpose.LEAVE).sign(other)}"
        program = programs[number % len(programs)]
        assert ask("POST", url, URLENCODED[0], Content_Type=URLENCODED[1], User_Agent=program)[0] == 200
    assert sql("SELECT count(*) FROM subscriptions WHERE state = 'unsubscribed'") == [(100,)]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_changes_nothing(link: str, sql: Sql, method: str) -> None:
    for _ in range(3):
        ask(method, link)
    assert not left(sql)
    assert sql("SELECT count(*) FROM consent_records") == [(0,)]


def test_the_button_leaves_and_the_page_says_nothing_of_the_reader(link: str, sql: Sql) -> None:
    status, page, headers = ask("GET", link)
    assert status == 200
    assert f'<form method="post" action="/u/{link.rsplit("/", 1)[1]}">' in page
    assert "mei" not in page
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    status, page, _ = ask("POST", link, b"")
    assert status == 200
    assert "You have left" in page
    assert left(sql)
    assert sql("SELECT method FROM consent_records") == [("page",)]


def test_a_token_that_is_cut_flipped_or_made_up_is_not_found(link: str, sql: Sql) -> None:
    base, token = link.rsplit("/", 1)
    wrong = [token[:-1], token + "A", token[:5], "x", "%00", "é" * 31]
    wrong += [token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(len(token))]
    for one in wrong:
        for method in ("GET", "POST"):
            status, page, _ = ask(method, f"{base}/{urllib.parse.quote(one)}", b"" if method == "POST" else None)
            assert status == 404
            assert "does not work" in page
    assert not left(sql)


def test_links_in_mails_already_sent_survive_the_rotation_of_keys(database: Settings) -> None:
    token = Signer(Purpose.LEAVE).sign(7)
    try:
        settings.configure(
            replace(database, secret_keys=("a-newer-key-of-at-least-32-characters!", *database.secret_keys))
        )
        assert tokens.read(Purpose.LEAVE, token) == 7
        assert tokens.read(Purpose.LEAVE, Signer(Purpose.LEAVE).sign(7)) == 7
        settings.configure(replace(database, secret_keys=("a-newer-key-of-at-least-32-characters!",)))
        assert tokens.read(Purpose.LEAVE, token) is None
    finally:
        settings.configure(database)


def test_a_reader_who_was_erased_gets_no_error_by_one_click(link: str, sql: Sql) -> None:
    sql("DELETE FROM subscribers")
    assert ask("POST", link, URLENCODED[0])[0] == 200
    status, page, _ = ask("GET", link)
    assert status == 404
    assert "No further issue is sent to you." in page
    assert "cut off" not in page, "the link is whole"


def test_leaving_is_answered_only_when_it_is_in_force(link: str, sql: Sql) -> None:
    sql("ALTER TABLE consent_records RENAME TO away")
    try:
        status, page, headers = ask("POST", link, URLENCODED[0])
        assert (status, headers["Retry-After"]) == (503, "60"), "never a false “done”; providers try again"
        assert "Nothing was changed" in page
        assert "You have left" not in page
        assert not left(sql)
    finally:
        sql("ALTER TABLE away RENAME TO consent_records")
