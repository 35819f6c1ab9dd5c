"""What a person must know of is told once, by mail and to the outgoing webhook; an issue whose figures are bad is held, and goes on when
somebody has seen them."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from service.clients import alarm_webhook
from service.clients.alarm_webhook import NotTakenError
from service.db import transaction
from service.errors import Forbidden, Invalid
from service.operations import alarms, scheduling, team_mails, watching
from tests.conftest import Sandbox
from tests.operations.test_sending import Change, Drain, Sql, scheduled, state
from tests.team import actor_of, an_operator

SECRET = "a-secret-of-more-than-thirty-two-characters"


def kinds() -> list[str]:
    return [one["kind"] for one in alarms.listed(actor="test")]


def under_way(drain: Drain, sql: Sql, readers: int = 300) -> int:
    """An issue of which all was accepted and delivered, and which is not closed yet."""
    issue, _ = scheduled(readers, drain)
    sql("UPDATE batches SET state = 'claimed'")
    sql("UPDATE batches SET state = 'sending'")
    sql("UPDATE batches SET state = 'accepted'")
    sql("UPDATE deliveries SET delivered_at = now()")
    return issue


def some(sql: Sql, number: int, change: str) -> None:
    sql(f"UPDATE deliveries SET {change} WHERE id IN (SELECT id FROM deliveries ORDER BY id LIMIT {number})")


def attempts(sql: Sql, number: int, state: str, *, evidence: bool = False) -> None:
    sql(
        """INSERT INTO attempts (id, issue_id, batch_id, number, state, provider, readers, claimed_at, armed_at, lease_until, evidence_at)
           SELECT gen_random_uuid(), issue_id, id, n + (SELECT count(*) FROM attempts), %s, 'x', 1, now(), now(), now(), CASE WHEN %s THEN now() END
           FROM batches, generate_series(1, %s) n WHERE id = (SELECT min(id) FROM batches)""",
        state,
        evidence,
        number,
    )


def test_good_figures_hold_nothing(drain: Drain, sql: Sql) -> None:
    issue = under_way(drain, sql)
    attempts(sql, 60, "accepted")
    attempts(sql, 1, "unknown")
    some(sql, 1, "complained_at = now()")
    some(sql, 15, "bounced_at = now(), delivered_at = NULL")
    watching.watch()
    assert (state(issue), kinds()) == ("sending", [])


@pytest.mark.parametrize(
    ("kind", "number", "change"),
    [
        ("complaints", 2, "complained_at = now()"),
        ("bounces", 16, "bounced_at = now(), delivered_at = NULL"),
    ],
)
def test_bad_figures_of_readers_hold_the_issue(drain: Drain, sql: Sql, kind: str, number: int, change: str) -> None:
    issue = under_way(drain, sql)
    some(sql, number, change)
    watching.watch()
    assert (state(issue), kinds()) == ("held", [kind])
    watching.watch()
    assert kinds() == [kind], "told once"
    scheduling.resume(issue, actor="test")
    watching.watch()
    assert kinds() == [], "the same figures were seen"
    some(sql, number * 2, change)
    watching.watch()
    assert kinds() == [kind], "much worse ones were not"


def test_few_copies_are_no_rate(drain: Drain, sql: Sql) -> None:
    issue = under_way(drain, sql, readers=150)
    some(sql, 20, "bounced_at = now(), delivered_at = NULL")
    some(sql, 2, "complained_at = now()")
    watching.watch()
    assert state(issue) == "sending"


def test_too_many_unknown_requests_hold_the_issue(drain: Drain, sql: Sql) -> None:
    issue = under_way(drain, sql)
    attempts(sql, 60, "accepted")
    attempts(sql, 3, "unknown")
    watching.watch()
    assert (state(issue), kinds()) == ("held", ["unknown rate"])


def test_a_batch_that_was_taken_twice_holds_the_issue(drain: Drain, sql: Sql) -> None:
    issue = under_way(drain, sql)
    attempts(sql, 1, "accepted", evidence=True)
    watching.watch()
    assert state(issue) == "sending"
    attempts(sql, 1, "accepted", evidence=True)
    watching.watch()
    assert (state(issue), kinds()) == ("held", ["sent twice"])


def test_more_copies_told_of_than_handed_over_hold_the_issue(drain: Drain, sql: Sql) -> None:
    issue, _ = scheduled(30, drain)
    some(sql, 1, "delivered_at = now()")
    watching.watch()
    assert (state(issue), kinds()) == ("held", ["too many copies"])


def test_what_the_service_stopped_is_told_and_what_a_person_paused_is_not(drain: Drain, sql: Sql) -> None:
    issue, _ = scheduled(3, drain)
    scheduling.pause(issue, actor="test")
    watching.watch()
    assert kinds() == []
    sql("UPDATE issues SET state_reason = 'the audience is above the maximum'")
    watching.watch()
    assert kinds() == ["stopped"]
    sql("UPDATE issues SET state_reason = 'a worker refused to send it: another account'")
    watching.watch()
    assert kinds() == ["provider"]
    scheduling.resume(issue, actor="test")
    watching.watch()
    assert kinds() == []


def test_old_unknown_batches_late_duties_and_a_silent_webhook_are_told(drain: Drain, sql: Sql) -> None:
    under_way(drain, sql, 3)
    attempts(sql, 1, "accepted")
    sql("UPDATE attempts SET recorded_at = now() - interval '2 hours'")
    sql("UPDATE batches SET review_at = now()")
    sql("SET session_replication_role = replica; UPDATE batches SET state = 'unknown'")
    sql("INSERT INTO duties (name, last_ok_at) VALUES ('sweep sending', now() - interval '2 hours')")
    watching.watch()
    assert sorted(kinds()) == ["late", "silent", "unknown"]
    sql("UPDATE duties SET last_ok_at = now()")
    sql("INSERT INTO payloads (body, events) VALUES ('', 1)")
    watching.watch()
    assert kinds() == ["unknown"]


def an_alarm() -> int:
    with transaction() as tx:
        alarms.open_alarm(tx, "late", "sweep sending", "A duty is late.")
    return int(alarms.listed(actor="test")[0]["id"])


def test_owners_are_mailed_once(drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    scheduled(1, drain)
    an_operator("owner", address="ada@team.example")
    an_operator("editor", address="eve@team.example")
    an_alarm()
    an_alarm()
    team_mails.sweep()
    drain()
    (mail,) = sandbox.messages("ada@team.example")
    assert "A duty is late." in mail["text"]
    assert sandbox.messages("eve@team.example") == []


def test_acknowledging_needs_a_reason_and_the_right(drain: Drain, sql: Sql) -> None:
    made = an_alarm()
    with pytest.raises(Forbidden):
        alarms.acknowledge(made, reason="seen", actor=actor_of(an_operator("editor")))
    with pytest.raises(Invalid):
        alarms.acknowledge(made, reason=" ", actor="test")
    alarms.acknowledge(made, reason="beat was down", actor="test")
    assert sql("SELECT acknowledged_because FROM alarms") == [("beat was down",)]
    assert sql("SELECT action FROM audit_entries ORDER BY id DESC LIMIT 1") == [("acknowledge",)]


@pytest.fixture
def hook(other_settings: Change) -> Iterator[dict[str, Any]]:
    """Somebody who takes alarms; `status`: what they answer."""
    told: dict[str, Any] = {"status": 204, "posts": []}

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told["posts"].append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(told["status"])
            self.send_header("Location", "http://127.0.0.1/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    other_settings(alarm_webhook_url=f"http://127.0.0.1:{server.server_port}/alarms?a=1", alarm_webhook_secret=SECRET)
    yield told
    server.shutdown()
    server.server_close()


def late(sql: Sql) -> None:
    sql("INSERT INTO duties (name, last_ok_at) VALUES ('sweep sending', now() - interval '2 hours')")


def test_an_alarm_is_posted_once_and_signed(hook: dict[str, Any], sql: Sql) -> None:
    late(sql)
    watching.watch()
    watching.watch()
    ((headers, body),) = hook["posts"]
    signed = headers["X-Broadsheet-Timestamp"].encode() + b"." + body
    assert headers["X-Broadsheet-Signature"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert json.loads(body)["kind"] == "late"


@pytest.mark.parametrize("status", [500, 302])
def test_an_alarm_that_is_not_taken_is_posted_again_later(hook: dict[str, Any], sql: Sql, status: int) -> None:
    hook["status"] = status
    late(sql)
    watching.watch()
    watching.watch()
    assert len(hook["posts"]) == 1, "not at once"
    assert sql("SELECT post_error FROM alarms") == [(f"the answer was {status}",)]
    hook["status"] = 200
    sql("UPDATE alarms SET post_not_before = NULL")
    watching.watch()
    assert sql("SELECT posted_at IS NOT NULL, post_error FROM alarms") == [(True, None)]


def test_a_real_installation_posts_into_no_network_of_its_own(hook: dict[str, Any], other_settings: Change) -> None:
    for url in ("http://127.0.0.1/x", "https://169.254.169.254/x", "https://10.0.0.1/x"):
        other_settings(sandbox=False, alarm_webhook_url=url, alarm_webhook_secret=SECRET)
        with pytest.raises(NotTakenError, match="public internet"):
            alarm_webhook.post({"kind": "late"})
    assert hook["posts"] == []
