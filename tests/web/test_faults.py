"""What is answered when something fails or is refused: pages for readers, few words for programs, a traceback for nobody."""

import logging
import threading
from collections.abc import Iterator

import pytest
from flask import Flask, Response, abort, g
from werkzeug.serving import make_server

from service import factory
from service.errors import Conflict, Invalid, NotFound, RetryLater
from service.languages import LANGUAGES, say
from service.settings import Settings
from service.web import frame
from service.web.security import POLICY
from tests.web.test_leaving import ask

ERRORS = {
    "missing": (NotFound("This link is not one of ours; it may have been cut off."), 404),
    "wrong": (Invalid("The <b>address</b> has no @."), 400),
    "late": (Conflict("It has been done already."), 409),
    "busy": (RetryLater("Not now."), 503),
    "broken": (ZeroDivisionError("secret detail"), 500),
}


def _odd(app: Flask) -> None:
    """Pages that fail, and two with a policy other than the usual."""

    @app.get("/fails/<name>")
    def fails(name: str) -> Response:
        raise ERRORS[name][0]

    @app.get("/status/<int:status>")
    def status(status: int) -> Response:
        abort(status)

    @app.get("/scripted")
    def scripted() -> Response:
        g.scripts = True
        return frame.page("public/not_found.html")

    @app.get("/own-policy")
    def own() -> Response:
        g.policy = "default-src 'none'; sandbox"
        return frame.page("public/not_found.html")


@pytest.fixture
def odd(database: Settings) -> Iterator[str]:
    """The application with some pages more."""
    app = factory.create_app(database)
    logging.getLogger().handlers[:] = []
    _odd(app)
    server = make_server("127.0.0.1", database.port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield database.public_url
    server.shutdown()
    thread.join()


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_a_page_for_browsers_and_words_for_programs(odd: str, name: str) -> None:
    expected = ERRORS[name][1]
    status, page, headers = ask("GET", f"{odd}/fails/{name}", Accept="text/html,*/*;q=0.8")
    assert (status, headers["Content-Type"]) == (expected, "text/html; charset=utf-8")
    assert "<h1>" in page
    assert "Traceback" not in page
    assert "secret detail" not in page
    for accept in ("*/*", "text/plain", ""):
        status, text, headers = ask("GET", f"{odd}/fails/{name}", Accept=accept)
        assert (status, headers["Content-Type"]) == (expected, "text/plain; charset=utf-8")
        assert "<h1>" not in text
        assert "secret detail" not in text
    status, text, headers = ask("GET", f"{odd}/fails/{name}", Accept="application/json")
    assert (status, headers["Content-Type"]) == (expected, "application/json")
    assert f'"status":{expected}' in text.replace(" ", "")


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 418, 429, 500, 502, 503])
def test_every_refusal_says_what_to_do_in_every_language(odd: str, status: int, tag: str) -> None:
    got, page, headers = ask("GET", f"{odd}/status/{status}?lang={tag}", Accept="text/html")
    assert (got, headers["Content-Language"]) == (status, tag)
    if status == 429:
        assert say(tag, "Too many attempts") in page


def test_a_reason_is_said_with_the_page_and_never_as_markup(odd: str) -> None:
    page = ask("GET", f"{odd}/fails/wrong?lang=de", Accept="text/html")[1]
    assert '<p lang="en">The &lt;b&gt;address&lt;/b&gt; has no @.</p>' in page


def test_what_can_be_tried_again_says_when(odd: str) -> None:
    assert ask("GET", f"{odd}/fails/busy")[2]["Retry-After"] == "60"


def test_another_method_is_refused_with_those_that_are_allowed(odd: str) -> None:
    status, page, headers = ask("PUT", f"{odd}/status/404", b"", Accept="text/html")
    assert (status, "GET" in headers["Allow"]) == (405, True)
    assert "Nothing was changed" in page


def test_a_webhook_is_answered_in_few_words_whatever_it_accepts(odd: str) -> None:
    status, text, headers = ask("POST", f"{odd}/webhooks/sendgrid", b"[" * 3_000_000, Accept="text/html")
    assert (status, headers["Content-Type"]) == (413, "text/plain; charset=utf-8")
    assert len(text) < 200


def test_a_script_runs_only_on_a_page_that_asked_for_it(odd: str) -> None:
    assert "script-src" not in POLICY
    usual = ask("GET", f"{odd}/status/404", Accept="text/html")[2]["Content-Security-Policy"]
    scripted = ask("GET", f"{odd}/scripted")[2]["Content-Security-Policy"]
    assert usual == POLICY
    assert "script-src 'self'" in scripted
    assert "unsafe" not in scripted
    assert ask("GET", f"{odd}/own-policy")[2]["Content-Security-Policy"] == "default-src 'none'; sandbox"
