"""Every page and every form of the team's side × every role × one's own and another newsletter's things."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.routing import Rule

from service.domain.permissions import ROLES, Permission
from service.operations import keys, scheduling, segments, tagging, uploading
from service.settings import Settings
from service.web.admin import gate
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.team import an_operator, signed_in
from tests.web.admin.test_gate import rules

Sql = Callable[..., list[Any]]
NEEDED = {
    "admin_account": None,
    "admin_alarms.index": None,
    "admin_alarms": Permission.SEND,
    "admin_approval.ask": Permission.WRITE,
    "admin_approval.approve": Permission.APPROVE,
    "admin_approval.refuse": Permission.APPROVE,
    "admin_approval.show": Permission.SEE,
    "admin_audience.choose": Permission.WRITE,
    "admin_audience.show": Permission.SEE,
    "admin_audience.expected": Permission.SEE,
    "admin_audit": Permission.AUDIT,
    "admin_editor.show": Permission.SEE,
    "admin_editor.mail": Permission.SEE,
    "admin_editor.mail_of_reader": Permission.SEE,
    "admin_editor.preflight": Permission.SEE,
    "admin_editor.versions": Permission.SEE,
    "admin_editor.version": Permission.SEE,
    "admin_editor": Permission.WRITE,
    "admin_home": None,
    "admin_imports": Permission.IMPORT,
    "admin_issues.index": None,
    "admin_issues.new": None,
    "admin_issues.create": None,
    "admin_issues": Permission.WRITE,
    "admin_keys": Permission.ADMINISTER,
    "admin_newsletters.index": None,
    "admin_newsletters.new": None,
    "admin_newsletters.create": Permission.ADMINISTER,
    "admin_newsletters.show": Permission.SEE,
    "admin_newsletters.wordings": Permission.SEE,
    "admin_newsletters": Permission.CONFIGURE,
    "admin_operators": Permission.ADMINISTER,
    "admin_readers.change": Permission.CHANGE_READERS,
    "admin_readers.pause": Permission.CHANGE_READERS,
    "admin_readers.ask_for_change": Permission.CHANGE_READERS,
    "admin_readers.tag": Permission.CHANGE_READERS,
    "admin_readers.untag": Permission.CHANGE_READERS,
    "admin_readers.unsubscribe": Permission.CHANGE_READERS,
    "admin_readers.suppress": Permission.CHANGE_READERS,
    "admin_readers.lift": Permission.ERASE,
    "admin_readers.erase": Permission.ERASE,
    "admin_readers.export": Permission.EXPORT,
    "admin_readers": Permission.SEE_READERS,
    "admin_report.show": Permission.SEE,
    "admin_report.compared": Permission.SEE,
    "admin_report.clicks": Permission.SEE,
    "admin_report.clicked_mail": Permission.SEE,
    "admin_report.export": Permission.EXPORT,
    "admin_report": Permission.SEE_READERS,
    "admin_segments.index": None,
    "admin_segments.new": None,
    "admin_segments.create": Permission.WRITE,
    "admin_segments.shape": Permission.SEE_READERS,
    "admin_segments.count": Permission.SEE_READERS,
    "admin_segments.show": Permission.SEE_READERS,
    "admin_segments.tag": Permission.CHANGE_READERS,
    "admin_segments.export": Permission.EXPORT,
    "admin_segments": Permission.WRITE,
    "admin_sending.show": Permission.SEE,
    "admin_sending.progress": Permission.SEE,
    "admin_sending.ready": Permission.SEE,
    "admin_sending.resend": Permission.DECIDE,
    "admin_sending.resolve": Permission.DECIDE,
    "admin_sending.follow_up": Permission.WRITE,
    "admin_sending": Permission.SEND,
    "admin_settings": Permission.ADMINISTER,
    "admin_signing_in": None,
    "admin_single_sign_on": None,
    "admin_tags.index": None,
    "admin_tags": Permission.CHANGE_READERS,
}
"""Endpoint, or else its blueprint → what it needs; None: nothing but to be signed in."""


def needed(endpoint: str) -> Permission | None:
    return NEEDED[endpoint] if endpoint in NEEDED else NEEDED[endpoint.partition(".")[0]]


def filled(rule: Rule, things: dict[str, Any]) -> str:
    made = {name: things[name] for name in rule.arguments}
    _, path = rule.build(made) or ("", "")
    return path


@pytest.fixture
def things(web: str, sql: Sql, drain: Callable[..., int], sandbox: Sandbox) -> dict[str, Any]:
    """Something of everything, in a newsletter of its own."""
    newsletter = a_newsletter("mine")
    (subscription,) = readers(newsletter, ["mei@readers.example"])
    sent, draft = an_issue(newsletter), an_issue(newsletter, "# Another\n\nText\n")
    scheduling.schedule(sent, actor="test")
    drain()
    upload = uploading.receive(newsletter, "x.csv", io.BytesIO(b"email\n"), actor="test")
    reader = sql("SELECT subscriber_id FROM subscriptions WHERE id = %s", subscription)[0][0]
    return {
        "newsletter": newsletter,
        "slug": "mine",
        "section": "sender",
        "issue_id": draft,
        "sent": sent,
        "number": 1,
        "subscriber_id": reader,
        "subscription_id": subscription,
        "delivery_id": sql("SELECT id FROM deliveries")[0][0],
        "batch_id": sql("SELECT max(id) FROM batches")[0][0],
        "upload_id": upload,
        "newsletter_id": newsletter,
        "segment_id": segments.save(newsletter, "All", [[{"what": "language", "how": "unknown"}]], actor="test")[0],
        "what": "webhook",
        "passkey_id": 1,
        "key_id": keys.make("x", role="analyst", newsletter_id=None, days=None, actor="test")[0],
        "tag_id": tagging.add(reader, "Client", actor="test"),
        "operator_id": an_operator("owner"),
        "sealed": "x",
        "alarm_id": sql(
            "INSERT INTO alarms (kind, subject, newsletter_id, told) VALUES ('stopped', 'x', %s, 'x') RETURNING id",
            newsletter,
        )[0][0],
    }


@pytest.mark.parametrize("role", ROLES)
def test_whoever_lacks_the_right_is_refused_and_whoever_has_it_is_not(
    web: str, database: Settings, things: dict[str, Any], role: str
) -> None:
    person = signed_in(an_operator(None, newsletters={things["newsletter"]: role}))
    seal = person.get(f"{web}/admin/").form("/sign-out")[1]["form_seal"]
    for rule in rules(database):
        if rule.endpoint in gate.OPEN or rule.endpoint in (
            "admin_signing_in.sign_out",
            "admin_account.change_password",
        ):
            continue
        here = things | ({"issue_id": things["sent"]} if rule.endpoint.startswith("admin_report") else {})
        to = web + filled(rule, here)
        need = needed(rule.endpoint)
        wide = need in (Permission.ADMINISTER, Permission.AUDIT, Permission.ERASE) or (
            rule.endpoint in ("admin_readers.export", "admin_readers.suppress")
        )
        may = need is None or (need in ROLES[role] and not wide)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = person.get(to) if method == "GET" else person.post(to, {"form_seal": seal})
            assert answer.status < 500, f"{role} {method} {rule.endpoint}"
            is_list = method == "GET" and not rule.arguments
            if not may:
                assert answer.status in (403, 404), f"{role} may not {method} {rule.endpoint}, and got {answer.status}"
            elif need is not None and not is_list and method == "GET":
                assert answer.status not in (403,), f"{role} may {method} {rule.endpoint}, and got {answer.status}"


def test_what_is_another_newsletters_is_not_there(
    web: str, database: Settings, things: dict[str, Any], sql: Sql
) -> None:
    other = a_newsletter("other")
    before = sql(
        "SELECT (SELECT count(*) FROM subscriptions WHERE state = 'active'), (SELECT count(*) FROM issue_versions), (SELECT count(*) FROM uploads)"
    )
    for role in ROLES:
        person = signed_in(an_operator(None, newsletters={other: role}))
        seal = person.get(f"{web}/admin/").form("/sign-out")[1]["form_seal"]
        for rule in rules(database):
            if rule.endpoint in gate.OPEN or not rule.arguments:
                continue
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                to = web + filled(rule, things)
                answer = person.get(to) if method == "GET" else person.post(to, {"form_seal": seal})
                told = answer.status in (403, 404) or rule.endpoint in (
                    "admin_editor.mail",
                    "admin_editor.mail_of_reader",
                )
                assert told, f"{role} of another newsletter: {method} {rule.endpoint} answers {answer.status}"
                assert "mei@readers.example" not in answer.text
                assert "News of the month" not in answer.text
    assert (
        sql(
            "SELECT (SELECT count(*) FROM subscriptions WHERE state = 'active'), (SELECT count(*) FROM issue_versions), (SELECT count(*) FROM uploads)"
        )
        == before
    )


def test_every_route_is_in_the_table(database: Settings) -> None:
    assert {rule.endpoint for rule in rules(database) if not _is_known(rule.endpoint)} == set()


def _is_known(endpoint: str) -> bool:
    return endpoint in NEEDED or endpoint.partition(".")[0] in NEEDED
