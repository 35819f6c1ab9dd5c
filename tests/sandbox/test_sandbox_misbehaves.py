"""The script: each way of going wrong, seen from a client's side of the socket, and what was kept meanwhile."""

import http.client
import time
from typing import Any

import pytest

from tests.sandbox.bodies import letter
from tests.sandbox.running import Answer, Sandbox


def go_wrong(sandbox: Sandbox, do: str, **words: Any) -> None:
    sandbox.script(rules=[{"when": {"always": True}, "do": do, **words}])


@pytest.mark.parametrize(
    ("do", "status", "kept"),
    [
        ("429", 429, 0), ("429-bare", 429, 0), ("500", 500, 0), ("502-html", 502, 0), ("503", 503, 0),
        ("redirect", 302, 0), ("401", 401, 0), ("401-credits", 401, 0), ("403", 403, 0), ("413", 413, 0),
        ("400-unnamed", 400, 0), ("400-named", 400, 0), ("500-after-accept", 500, 1), ("garbage-202", 202, 1),
    ],
)  # fmt: skip
def test_a_wrong_answer_has_its_status_and_keeps_the_mail_only_after_accept(
    sandbox: Sandbox, do: str, status: int, kept: int
) -> None:
    go_wrong(sandbox, do)
    assert sandbox.send(letter()).status == status
    assert sandbox.stats()["requests"] == kept


@pytest.mark.parametrize(("do", "kept"), [("drop", 0), ("drop-after-accept", 1), ("garbage", 0)])
def test_a_dropped_or_garbled_connection_gives_no_answer(sandbox: Sandbox, do: str, kept: int) -> None:
    go_wrong(sandbox, do)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        sandbox.send(letter())
    assert sandbox.stats()["requests"] == kept


@pytest.mark.parametrize(("do", "kept"), [("stall", 0), ("stall-after-accept", 1)])
def test_a_stalled_request_is_never_answered(sandbox: Sandbox, do: str, kept: int) -> None:
    go_wrong(sandbox, do, seconds=30)
    with pytest.raises(TimeoutError):
        sandbox.send(letter(), timeout=0.5)
    assert sandbox.stats()["requests"] == kept


def test_a_dripping_answer_is_whole_but_slow(sandbox: Sandbox) -> None:
    go_wrong(sandbox, "slow-drip", seconds=0.6)
    start = time.monotonic()
    answer = sandbox.send(letter())
    assert time.monotonic() - start >= 0.5
    assert (answer.status, len(answer.headers["X-Message-Id"])) == (202, 22)
    assert sandbox.mails()[0]["request_id"] == answer.headers["X-Message-Id"]


def test_429_says_when_to_come_back_and_its_bare_form_does_not(sandbox: Sandbox) -> None:
    go_wrong(sandbox, "429", reset_in=7)
    answer = sandbox.send(letter())
    assert answer.errors == [{"field": None, "message": "too many requests"}]
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert 5 <= int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 8
    go_wrong(sandbox, "429-bare")
    assert "X-RateLimit-Reset" not in sandbox.send(letter()).headers


def statuses(sandbox: Sandbox, count: int) -> list[int]:
    return [sandbox.send(letter()).status for _ in range(count)]


def test_a_rule_applies_to_the_nth_request_or_to_every_nth_or_so_many_times(sandbox: Sandbox) -> None:
    sandbox.script(rules=[{"when": {"nth": 3}, "do": "500"}])
    assert statuses(sandbox, 4) == [202, 202, 500, 202]
    sandbox.script(rules=[{"when": {"every": 2}, "do": "503", "times": 2}])
    assert statuses(sandbox, 7) == [202, 503, 202, 503, 202, 202, 202]
    shown = sandbox.call("GET", "/sandbox/script").json["rules"][0]
    assert (shown["fired"], shown["seen"]) == (2, 7)


def test_a_probability_repeats_with_its_seed(sandbox: Sandbox) -> None:
    runs = []
    for _ in range(2):
        sandbox.script(rules=[{"when": {"probability": 0.5, "seed": 7}, "do": "500"}])
        runs.append(statuses(sandbox, 12))
    assert runs[0] == runs[1]
    assert set(runs[0]) == {202, 500}


def test_an_allowance_is_spent_and_comes_back_after_the_reset(sandbox: Sandbox) -> None:
    sandbox.script(rules=[{"when": {"remaining": 2}, "do": "429", "reset_in": 0.5}])
    assert statuses(sandbox, 4) == [202, 202, 429, 429]
    time.sleep(0.6)
    assert statuses(sandbox, 3) == [202, 202, 429]


def test_a_rule_for_an_address_spares_the_others_and_names_its_place(sandbox: Sandbox) -> None:
    sandbox.script(rules=[{"when": {"address": "Bad@example.com"}, "do": "400-named"}])
    assert sandbox.send(letter("ann@example.com")).status == 202
    answer = sandbox.send(letter("ann@example.com", "bad@example.com"))
    assert (answer.status, answer.fields) == (400, ["personalizations.1.to"])


def test_rejected_addresses_are_named_or_not_as_asked(sandbox: Sandbox) -> None:
    sandbox.script(reject_addresses=["bad@example.com", "worse@example.com"], reject_unnamed=["hidden@example.com"])
    answer = sandbox.send(letter("worse@example.com", "ann@example.com", "BAD@example.com"))
    assert answer.fields == ["personalizations.0.to", "personalizations.2.to"]
    assert sandbox.send(letter("ann@example.com", "hidden@example.com")).fields == [None]
    assert sandbox.send(letter("ann@example.com")).status == 202


def test_the_reading_of_the_substitution_limit_can_be_chosen(sandbox: Sandbox) -> None:
    body = letter("a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com", "f@example.com")
    for entry in body["personalizations"]:
        entry["substitutions"] = {"-a-": "x" * 9_000}
    assert sandbox.send(body).status == 202
    sandbox.script(substitution_limit="request")
    assert sandbox.send(body).status == 400


def test_latency_delays_every_answer(sandbox: Sandbox) -> None:
    sandbox.script(latency_ms=300)
    start = time.monotonic()
    assert sandbox.send(letter()).status == 202
    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ({"ruls": []}, "ruls"),
        ({"rules": [{"do": "explode"}]}, "explode"),
        ({"rules": [{"do": "500", "when": {"moon": 1}}]}, "moon"),
        ({"rules": [{"do": "500", "when": {"every": 0}}]}, "every"),
        ({"rules": [{"do": "500", "whenever": 1}]}, "whenever"),
        ({"events": {"bounced": 0.1}}, "bounced"),
        ({"events": {"bounce": 3}}, "bounce"),
        ({"substitution_limit": "none"}, "substitution_limit"),
        ({"suppressions": {"a@example.com": "mood"}}, "suppressions"),
    ],
)
def test_an_unknown_word_is_refused_by_name_and_changes_nothing(sandbox: Sandbox, script: Any, named: str) -> None:
    before = sandbox.call("GET", "/sandbox/script").raw
    answer: Answer = sandbox.call("POST", "/sandbox/script", {**script, "latency_ms": 9})
    assert answer.status == 400
    assert named in answer.json["error"]
    assert sandbox.call("GET", "/sandbox/script").raw == before


def test_a_script_keeps_what_it_does_not_name_until_it_is_reset(sandbox: Sandbox) -> None:
    sandbox.script(reject_addresses=["bad@example.com"])
    sandbox.script(latency_ms=1)
    assert sandbox.call("GET", "/sandbox/script").json["reject_addresses"] == ["bad@example.com"]
    sandbox.call("DELETE", "/sandbox/script")
    assert sandbox.call("GET", "/sandbox/script").json["reject_addresses"] == []
