"""What the sandbox tells those who ask afterwards: by what it accepted, in SendGrid's shapes, within SendGrid's rate."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator

from tests.sandbox.bodies import letter
from tests.sandbox.running import KEY, Answer, Sandbox, wait_for

AUTHORISED = {"Authorization": f"Bearer {KEY}"}


def ask(sandbox: Sandbox, query: str, limit: int = 10) -> Answer:
    return sandbox.call("GET", f"/v3/messages?limit={limit}&query={quote(query)}", headers=AUTHORISED)


def found(sandbox: Sandbox, query: str, limit: int = 10) -> list[dict[str, Any]]:
    answer = ask(sandbox, query, limit)
    assert answer.status == 200, answer.raw
    return list(answer.json["messages"])


def test_an_account_without_the_add_on_is_forbidden_to_ask_and_a_stranger_is_unauthorised(sandbox: Sandbox) -> None:
    assert ask(sandbox, 'to_email="ann@example.com"').status == 403
    assert sandbox.call("GET", "/v3/messages?limit=1").status == 401


def test_messages_are_found_by_custom_args_and_address_of_what_was_accepted(sandbox: Sandbox) -> None:
    sandbox.script(lookups={"activity": True, "a_minute": 60})
    sandbox.send(letter("ann@example.com", "bo@example.com"))
    sandbox.send(letter("ann@example.com", custom_args={"attempt_id": "a-2"}))
    sandbox.send({**letter(), "subject": 7})
    both = found(sandbox, "unique_args['attempt_id']=\"a-1\"")
    assert [one["to_email"] for one in both] == ["ann@example.com", "bo@example.com"]
    assert len(found(sandbox, "unique_args['attempt_id']=\"a-1\"", limit=1)) == 1
    (one,) = found(sandbox, '(unique_args[\'attempt_id\']="a-1") AND to_email="bo@example.com"')
    assert one["to_email"] == "bo@example.com"
    (one,) = found(sandbox, "unique_args['delivery_id']=\"d-bo\"")
    assert set(one) == {
        "from_email", "msg_id", "subject", "to_email", "status", "opens_count", "clicks_count", "last_event_time"
    }  # fmt: skip
    assert found(sandbox, "unique_args['attempt_id']=\"a-9\"") == []
    assert len(found(sandbox, "")) == 3


@pytest.mark.parametrize("query", ["nonsense", "unique_args['a']=b", 'to_email="x" OR status="y"'])
def test_what_it_does_not_understand_is_refused_and_never_answered_with_everything(
    sandbox: Sandbox, query: str
) -> None:
    sandbox.script(lookups={"activity": True})
    assert ask(sandbox, query).status == 400
    assert ask(sandbox, 'to_email="x"', limit=1001).status == 400


def test_a_request_that_was_dropped_is_not_there_and_one_that_was_taken_is(sandbox: Sandbox) -> None:
    sandbox.script(lookups={"activity": True}, rules=[{"when": {"nth": 1}, "do": "500"}, {"when": {"nth": 2}, "do": "500-after-accept"}])  # fmt: skip
    assert [sandbox.send(letter(custom_args={"attempt_id": one})).status for one in ("no", "yes")] == [500, 500]
    assert found(sandbox, "unique_args['attempt_id']=\"no\"") == []
    assert len(found(sandbox, "unique_args['attempt_id']=\"yes\"")) == 1


def test_a_message_tells_what_became_of_it(sandbox: Sandbox) -> None:
    sandbox.script(lookups={"activity": True}, events={"bounce_addresses": ["bo@example.com"], "open": 1.0})
    sandbox.send(letter("ann@example.com", "bo@example.com"))
    time.sleep(1)
    ann, bo = found(sandbox, "unique_args['attempt_id']=\"a-1\"")
    assert (ann["status"], bo["status"]) == ("delivered", "not_delivered")
    assert (ann["opens_count"], bo["opens_count"]) == (1, 0)


def test_the_seventh_look_within_a_minute_is_too_many(sandbox: Sandbox) -> None:
    sandbox.script(lookups={"activity": True})
    assert [ask(sandbox, 'status="processed"').status for _ in range(7)] == [200] * 6 + [429]
    assert float(ask(sandbox, 'status="processed"').headers["X-RateLimit-Reset"]) > time.time()


def test_how_it_answers_can_be_scripted_and_unknown_words_are_refused(sandbox: Sandbox) -> None:
    sandbox.script(lookups={"activity": True, "status": 404, "latency_ms": 200})
    started = time.monotonic()
    assert ask(sandbox, 'status="processed"').status == 404
    assert time.monotonic() - started >= 0.2
    for words in ({"mood": 1}, {"activity": 1}, {"status": 418}, {"shape": "round"}, {"latency_ms": -1}, 7):
        assert sandbox.call("POST", "/sandbox/script", {"lookups": words}).status == 400


@pytest.mark.parametrize("kind", ["bounces", "blocks", "spam_reports", "invalid_emails"])
def test_suppression_lists_have_the_shape_of_the_official_description(
    sandbox: Sandbox, shared: Path, kind: str
) -> None:
    fates = {"bounces": "bounce", "blocks": "blocked", "spam_reports": "complaint"}
    if kind in fates:
        sandbox.script(events={f"{fates[kind]}_addresses": ["ann@example.com"]})
        sandbox.send(letter())
        wait_for(lambda: bool(listed(sandbox, kind)), seconds=10)
    document = json.loads((shared / "oai" / "tsg_suppressions_v3.json").read_text())
    answer = document["paths"][f"/v3/suppression/{kind}"]["get"]["responses"]["200"]["content"]["application/json"]
    checker = Draft202012Validator({**answer["schema"], "components": document["components"]})
    assert [fault.message for fault in checker.iter_errors(listed(sandbox, kind))] == []


def listed(sandbox: Sandbox, kind: str, words: str = "") -> list[dict[str, Any]]:
    return list(sandbox.call("GET", f"/v3/suppression/{kind}?limit=500{words}", headers=AUTHORISED).json)


def test_a_suppression_list_is_asked_by_time_and_beginning_of_the_address(sandbox: Sandbox) -> None:
    sandbox.script(events={"bounce_addresses": ["ann@example.com"]})
    sandbox.send(letter())
    wait_for(lambda: bool(listed(sandbox, "bounces")), seconds=10)
    now = int(time.time())
    assert len(listed(sandbox, "bounces", f"&start_time={now - 60}&end_time={now + 60}")) == 1
    assert listed(sandbox, "bounces", f"&start_time={now + 60}") == []
    assert listed(sandbox, "bounces", f"&end_time={now - 60}") == []
    assert (len(listed(sandbox, "bounces", "&email=ann")), listed(sandbox, "bounces", "&email=bo")) == (1, [])
