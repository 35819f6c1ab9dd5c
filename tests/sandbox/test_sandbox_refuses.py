"""What the sandbox refuses, in SendGrid's words, and that what it takes also satisfies the published schema."""

import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from service.sandbox.validation import validate
from tests.sandbox.bodies import letter, many, reader
from tests.sandbox.running import KEY, Sandbox

SCHEMA = Path(__file__).resolve().parents[2].parent / "shared/oai/mail_send_body.strict.schema.json"


def faults(body: Any, **options: Any) -> list[str | None]:
    return [one["field"] for one in validate(body, **{"limit": "personalization", "now": time.time(), **options})]


def without(body: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != key}


def first(**changes: Any) -> dict[str, Any]:
    """A letter whose first personalization has these changes."""
    return letter() | {"personalizations": [reader("ann@example.com") | changes]}


def settings(group: str, name: str, **values: Any) -> dict[str, Any]:
    return letter() | {group: {name: values}}


CASES: list[tuple[str, dict[str, Any], list[str | None]]] = [
    ("no personalizations", without(letter(), "personalizations"), ["personalizations"]),
    ("empty personalizations", letter(personalizations=[]), ["personalizations"]),
    ("too many", many(1001), ["personalizations", "personalizations"]),
    ("no recipient", first(to=[]), ["personalizations.0.to"]),
    ("a bad address", first(to=[{"email": "not an address"}]), ["personalizations.0.to.0.email"]),
    ("a bare host", first(to=[{"email": "ann@localhost"}]), ["personalizations.0.to.0.email"]),
    ("a non-ASCII local part", first(to=[{"email": "zoë@example.com"}]), ["personalizations.0.to.0.email"]),
    ("a bad cc", first(cc=[{"email": "x"}]), ["personalizations.0.cc.0.email"]),
    ("an address twice", letter("ann@example.com", "Ann@Example.com"), ["personalizations.1"]),
    ("to again in bcc", first(bcc=[{"email": "ANN@example.com"}]), ["personalizations.0"]),
    ("no sender", without(letter(), "from"), ["from.email"]),
    ("a bad sender", letter() | {"from": {"email": "x"}}, ["from.email"]),
    ("no subject", without(letter(), "subject"), ["subject"]),
    ("an empty subject", letter(subject=""), ["subject"]),
    ("no content", without(letter(), "content"), ["content"]),
    ("empty content", letter(content=[{"type": "text/html", "value": ""}]), ["content.0.value"]),
    ("HTML before text", letter(content=list(reversed(letter()["content"]))), ["content"]),
    ("both reply-tos", letter(reply_to_list=[{"email": "a@example.org"}]), ["reply_to"]),
    ("a reserved header", letter(headers={"DKIM-Signature": "x"}), ["headers.DKIM-Signature"]),
    ("a reserved header of one", first(headers={"to": "x"}), ["personalizations.0.headers.to"]),
    ("a header with a space", letter(headers={"X A": "x"}), ["headers.X A"]),
    ("a header that is a number", first(headers={"X-A": 1}), ["personalizations.0.headers.X-A"]),
    ("a substitution that is a number", first(substitutions={"-a-": 1}), ["personalizations.0.substitutions.-a-"]),
    ("too many substitutions", first(substitutions={f"-{n}-": "" for n in range(151)}), ["personalizations.0.substitutions"]),
    ("too long substitutions", first(substitutions={"-a-": "é" * 5000}), ["personalizations.0.substitutions"]),
    ("an argument that is a number", first(custom_args={"id": 1}), ["personalizations.0.custom_args.id"]),
    ("empty arguments", letter(custom_args={}), ["custom_args"]),
    ("too long arguments together", first(custom_args={"a": "x" * 9_995}), ["personalizations.0.custom_args"]),
    ("eleven categories", letter(categories=[f"c{n}" for n in range(11)]), ["categories"]),
    ("a non-ASCII category", letter(categories=["每月"]), ["categories.0"]),
    ("a category twice", letter(categories=["a", "a"]), ["categories"]),
    ("much later", letter(send_at=int(time.time()) + 73 * 3600), ["send_at"]),
    ("a time in words", first(send_at="soon"), ["personalizations.0.send_at"]),
    ("enable in words", settings("tracking_settings", "open_tracking", enable="true"), ["tracking_settings.open_tracking.enable"]),
    ("an unknown setting", settings("mail_settings", "spam_check", enable=True), ["mail_settings.spam_check"]),
    ("an unknown key", letter(colour="red"), ["colour"]),
    ("an unknown key of one", first(content=[]), ["personalizations.0.content"]),
    ("a pool's short name", letter(ip_pool_name="x"), ["ip_pool_name"]),
    ("an array", {}, ["personalizations", "from.email", "subject", "content"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "fields"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_fault_is_named_by_its_field(body: dict[str, Any], fields: list[str | None]) -> None:
    assert faults(body) == fields


def test_a_letter_without_faults_has_none() -> None:
    assert faults(letter("ann@example.com", "bo@example.com")) == []
    assert faults(without(first(subject="Own"), "subject")) == []
    assert faults(letter(send_at=int(time.time()) - 5)) == []


def test_all_faults_of_a_request_are_reported_together() -> None:
    body = letter("a@b", "ok@example.com", "c@d", headers={"To": "x"}, categories=["é"])
    assert faults(body) == [
        "personalizations.0.to.0.email",
        "personalizations.2.to.0.email",
        "headers.To",
        "categories.0",
    ]


def test_the_other_reading_of_the_limit_counts_substitutions_over_the_whole_request() -> None:
    people = [reader(f"r{n}@example.com", substitutions={"-a-": "x" * 9_000}) for n in range(6)]
    body = letter() | {"personalizations": people}
    assert faults(body) == []
    assert faults(body, limit="request") == ["personalizations.0.substitutions"]
    assert faults(first(substitutions={"-a-": "x" * 20_000}), limit="request") == []


def test_a_thousand_personalizations_are_checked_quickly() -> None:
    body = many(1000)
    spent = min(_time(body) for _ in range(3))
    assert spent < 0.05


def _time(body: dict[str, Any]) -> float:
    start = time.perf_counter()
    assert faults(body) == []
    return time.perf_counter() - start


@pytest.mark.skipif(not SCHEMA.exists(), reason="the published schema is not beside this checkout")
def test_what_is_taken_satisfies_the_published_schema_and_what_that_refuses_is_refused() -> None:
    schema = Draft202012Validator(orjson.loads(SCHEMA.read_bytes()), format_checker=Draft202012Validator.FORMAT_CHECKER)
    for body in (letter(), many(50), letter(tracked=False, send_at=1), without(first(subject="Own"), "subject")):
        assert faults(body) == []
        assert list(schema.iter_errors(body)) == []
    for name, body, _ in CASES:
        assert faults(body) or not list(schema.iter_errors(body)), name


def test_a_refusal_has_sendgrids_shape_and_keeps_nothing(sandbox: Sandbox) -> None:
    answer = sandbox.send(first(to=[]))
    assert answer.status == 400
    assert answer.json == {
        "errors": [
            {
                "message": (
                    "The to array is required for all personalization objects, and must have at least one email object "
                    "with a valid email address."
                ),
                "field": "personalizations.0.to",
                "help": (
                    "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message.personalizations.to"
                ),
            }
        ]
    }
    assert sandbox.stats()["requests"] == 0


def test_a_wrong_key_type_or_size_is_refused_with_its_status(sandbox: Sandbox) -> None:
    assert sandbox.send(letter(), key="SG.other").status == 401
    assert "invalid, expired, or revoked" in str(sandbox.send(letter(), key="SG.other").errors[0]["message"])
    assert sandbox.call("POST", "/v3/mail/send", letter()).status == 401
    plain = {"Authorization": f"Bearer {KEY}", "Content-Type": "text/plain"}
    assert sandbox.call("POST", "/v3/mail/send", letter(), headers=plain).status == 415
    assert sandbox.send(b"{not json").errors == [{"message": "Bad Request", "field": None, "help": None}]
    assert sandbox.send(b" " * (30 * 1024 * 1024 + 1)).status == 413
    assert sandbox.call("GET", "/v3/mail/send", headers={"Authorization": f"Bearer {KEY}"}).status == 405
