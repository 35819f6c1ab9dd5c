"""The team's API: nothing without a key, each key within its role and newsletter, every call an operation; what is sent wrongly is
named; a key that ended opens nothing from that moment on."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from service.domain.permissions import ROLES, Permission
from service.errors import Forbidden, Invalid
from service.operations import approving, editing, keys, operators, scheduling, segments, tagging, uploading
from service.settings import Settings
from service.web.api.calls import CALLS, PREFIX, Call
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.team import actor_of, an_operator, signed_in

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]
NEEDED: dict[str, Permission | None] = {
    "newsletters": None,
    "issues": None,
    "create_issue": Permission.WRITE,
    "issue": Permission.SEE,
    "write": Permission.WRITE,
    "choose_audience": Permission.WRITE,
    "expected": Permission.SEE,
    "preflight": Permission.SEE,
    "test": Permission.WRITE,
    "ask_approval": Permission.WRITE,
    "send": Permission.SEND,
    "progress": Permission.SEE,
    "unschedule": Permission.SEND,
    "pause": Permission.SEND,
    "resume": Permission.SEND,
    "cancel": Permission.SEND,
    "report": Permission.SEE,
    "report_readers": Permission.SEE_READERS,
    "find_readers": None,
    "reader": Permission.SEE_READERS,
    "tag": Permission.CHANGE_READERS,
    "untag": Permission.CHANGE_READERS,
    "suppress": Permission.CHANGE_READERS,
    "unsubscribe": Permission.CHANGE_READERS,
    "segments": None,
    "create_segment": Permission.WRITE,
    "count_segment": Permission.SEE_READERS,
    "upload": Permission.IMPORT,
    "an_import": Permission.IMPORT,
    "choose_columns": Permission.IMPORT,
    "start_import": Permission.IMPORT,
    "undo_import": Permission.IMPORT,
    "audit": Permission.AUDIT,
}
BLOCKS = [[{"what": "language", "how": "unknown"}]]


class Program:
    """Something that calls with a key."""

    def __init__(self, web: str, role: str = "owner", newsletter: int | None = None, key: str = "") -> None:
        self.key = key or keys.make("a program", role=role, newsletter_id=newsletter, days=None, actor="test")[1]
        self._web = web

    def __call__(self, method: str, path: str, sent: Any = None, **headers: str) -> tuple[int, Any]:
        body = sent if isinstance(sent, bytes) else None if sent is None else json.dumps(sent).encode()
        given = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"} | headers
        request = urllib.request.Request(f"{self._web}{PREFIX}{path}", data=body, method=method, headers=given)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture
def newsletter(web: str) -> int:
    return a_newsletter()


def test_an_issue_is_written_checked_sent_and_reported(
    web: str, newsletter: int, sql: Sql, drain: Drain, sandbox: Sandbox
) -> None:
    readers(newsletter, ["mei@readers.example", "bo@readers.example"])
    sql("UPDATE subscribers SET language = 'de' WHERE address LIKE 'mei%%'")
    ask = Program(web, "editor", newsletter)
    status, issue = ask("POST", "/issues", {"newsletter_id": newsletter, "markdown": "# News\n\nDear reader, text.\n"})
    assert (status, issue["subject"], issue["state"]) == (201, "News", "draft")
    here = f"/issues/{issue['id']}"
    status, saved = ask("PUT", f"{here}/text", {"markdown": "# More news\n\nText.\n", "base": issue["version"]})
    assert (status, saved["problems"]) == (200, [])
    assert ask("PUT", f"{here}/text", {"markdown": "# Mine\n\nOther.\n", "base": 1})[0] == 409
    german = ask(
        "POST",
        "/segments",
        {"newsletter_id": newsletter, "name": "German", "blocks": [[{"what": "language", "how": "is", "value": "de"}]]},
    )[1]["id"]
    assert ask("PUT", f"{here}/audience", {"segments": [german]})[1] == {"readers": 1, "left_out": {}, "not_meant": 1}
    assert ask("GET", f"{here}/preflight")[1]["blocking"] == 0
    status, told = ask("POST", f"{here}/send", {"readers": 2})
    assert status == 422
    assert "1 readers now" in told["error"]
    assert ask("POST", f"{here}/send", {"readers": 1})[0] == 200
    drain()
    assert ask("GET", f"{here}/progress")[1]["ledger"]["accepted"] == 1
    assert ask("GET", f"{here}/report")[1]["ledger"]["closed"] is True
    assert [one["address"] for one in ask("GET", f"{here}/readers?limit=1")[1]["readers"]] == ["mei@readers.example"]
    (key,) = sql("SELECT id FROM api_keys")[0]
    assert sql("SELECT DISTINCT actor FROM audit_entries WHERE action = 'schedule'") == [(f"key {key}",)]
    owner = signed_in(an_operator())
    assert "Key “a program”" in owner.get(f"{web}/admin/audit").said


@pytest.mark.parametrize("role", list(ROLES))
def test_what_a_segment_asks_is_told_to_whoever_sees_the_readers(
    web: str, newsletter: int, drain: Drain, sandbox: Sandbox, role: str
) -> None:
    readers(newsletter, ["mei@canary.example"])
    asked = [[{"what": "domain", "how": "is", "value": "canary.example"}]]
    one, other = (segments.save(newsletter, name, asked, actor="test")[0] for name in ("Chosen", "Left out"))
    issue = an_issue(newsletter)
    editing.set_audience(issue, {"segments": [one], "without_segments": [other]}, actor="test")
    ask, may_see = Program(web, role, newsletter), Permission.SEE_READERS in ROLES[role]
    seen = []
    for call in ("", "/progress"):
        if call:
            editing.set_audience(issue, {"segments": [one]}, actor="test")
            scheduling.schedule(issue, actor="test")
            drain()
        status, told = ask("GET", f"/issues/{issue}{call}")
        assert status == 200
        seen.append((told["when"] if call else told)["audience"])
        assert ("canary.example" in json.dumps(told)) == may_see, call or "the issue"
    assert [one["name"] for one in seen[0]["segments"] + seen[0]["without_segments"]] == ["Chosen", "Left out"]
    assert seen[1]["segments"][0] | {"blocks": 0} == {"id": one, "name": "Chosen", "blocks": 0}


def test_a_file_is_imported(web: str, newsletter: int, drain: Drain, sql: Sql) -> None:
    ask = Program(web, "editor", newsletter)
    status, upload = ask(
        "POST", f"/imports?newsletter_id={newsletter}&name=x.csv", b"email,city\nmei@readers.example,Bonn\nbroken,x\n"
    )
    assert (status, [one["title"] for one in upload["columns"]]) == (201, ["email", "city"])
    here = f"/imports/{upload['id']}"
    assert (
        ask("POST", f"{here}/columns", {"columns": {"0": "email", "1": "city"}, "consent": "Ticked at the fair."})[0]
        == 200
    )
    drain()
    assert ask("GET", here)[1]["state"] == "reviewed"
    assert ask("POST", f"{here}/start", {})[0] == 200
    drain()
    assert ask("GET", here)[1]["report"]["added"] == 1
    assert sql("SELECT attributes FROM subscribers") == [({"city": "Bonn"},)]
    reader = ask("POST", "/readers/find", {"words": "mei@readers.example"})[1]["readers"][0]["id"]
    shown = ask("GET", f"/readers/{reader}")[1]
    assert [act["method"] for act in shown["acts"]] == ["import"]
    tag = ask("POST", f"/readers/{reader}/tags", {"tag": "Client"})[1]["id"]
    assert ask("GET", f"/readers/{reader}")[1]["tags"] == {str(tag): "Client"}
    assert ask("DELETE", f"/readers/{reader}/tags/{tag}")[1] == {"tag": "Client"}
    subscription = shown["subscriptions"][0]["id"]
    assert ask("POST", f"/subscriptions/{subscription}/unsubscribe", {"reason": " "})[0] == 422
    assert ask("POST", f"/subscriptions/{subscription}/unsubscribe", {"reason": "by telephone"})[0] == 200
    assert sql("SELECT state FROM subscriptions") == [("unsubscribed",)]


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "told"),
    [
        ("POST", "/issues", {}, 422, "newsletter_id is missing"),
        ("POST", "/issues", {"newsletter_id": "1"}, 422, "a whole number"),
        ("POST", "/issues", {"newsletter_id": True}, 422, "a whole number"),
        ("POST", "/issues", {"newsletter_id": 2**70}, 422, "a whole number"),
        ("POST", "/issues", {"newsletter_id": 1, "subjekt": "x"}, 422, "subjekt: there is no such field"),
        ("POST", "/issues", b"{", 422, "JSON object"),
        ("POST", "/issues", b"[1]", 422, "JSON object"),
        ("GET", "/issues?limit=many", None, 422, "limit has to be"),
        ("GET", "/issues/0", None, 404, "no issue 0"),
        ("GET", "/nowhere", None, 404, ""),
        ("POST", "/issues/1/send", {"readers": 0, "at": "2026-12-01T09:00"}, 404, ""),
        ("POST", "/imports", b"email\n", 422, "newsletter_id"),
        ("PUT", "/issues", {}, 405, ""),
    ],
)
def test_what_is_sent_wrongly_is_named(web: str, method: str, path: str, sent: Any, status: int, told: str) -> None:
    answer = Program(web)(method, path, sent)
    assert answer[0] == status
    assert told in json.dumps(answer[1], ensure_ascii=False)


def test_a_moment_needs_its_zone(web: str, newsletter: int, sandbox: Sandbox) -> None:
    readers(newsletter, ["mei@readers.example"])
    issue = an_issue(newsletter)
    ask = Program(web)
    for wrong in ("2026-12-01T09:00", "soon", "2026-13-01T09:00+01:00"):
        status, told = ask("POST", f"/issues/{issue}/send", {"readers": 1, "at": wrong})
        assert (status, "with its zone" in told["error"]) == (422, True)
    assert ask("POST", f"/issues/{issue}/send", {"readers": 1, "at": "2099-12-01T09:00:00+01:00"})[0] == 200
    assert ask("GET", f"/issues/{issue}")[1]["scheduled_at"].startswith("2099-12-01T08:00:00")
    assert ask("POST", f"/issues/{issue}/unschedule")[0] == 200


def test_every_call_is_in_the_document_and_asks_for_a_key(web: str) -> None:
    with urllib.request.urlopen(f"{web}{PREFIX}/openapi.json", timeout=20) as answer:
        document = json.loads(answer.read())
    said = {
        (path.removeprefix(PREFIX), method.upper()) for path, calls in document["paths"].items() for method in calls
    }
    assert said == {(re.sub(r"<int:(\w+)>", r"{\1}", one.path), one.method) for one in CALLS}
    assert {one.name for one in CALLS} == set(NEEDED)
    for one in CALLS:
        for key in ("", "bsk_wrong", "x" * 5000):
            status, _ = Program(web, key=key or "nothing")(
                one.method, address(one, dict.fromkeys(NUMBERS, 1)), {} if one.method != "GET" else None
            )
            assert status == 401, one.name


NUMBERS = ("issue_id", "reader_id", "tag_id", "subscription_id", "upload_id", "import_id")


def address(call: Call, things: dict[str, Any]) -> str:
    return re.sub(r"<int:(\w+)>", lambda found: str(things[found[1]]), call.path)


@pytest.fixture
def things(newsletter: int, sql: Sql, drain: Drain, sandbox: Sandbox) -> dict[str, Any]:
    """Something of everything, in one newsletter."""
    (subscription,) = readers(newsletter, ["mei@readers.example"])
    sent, draft = an_issue(newsletter), an_issue(newsletter, "# Another\n\nText\n")
    scheduling.schedule(sent, actor="test")
    drain()
    reader = sql("SELECT subscriber_id FROM subscriptions WHERE id = %s", subscription)[0][0]
    upload = uploading.receive(newsletter, "x.csv", Bytes(b"email\n"), actor="test")
    made = sql(
        "INSERT INTO imports (newsletter_id, file_name, file_sha256, consent, counts) VALUES (%s, 'x', 'x', 'x', '{}') RETURNING id",
        newsletter,
    )
    return {
        "issue_id": draft,
        "reader_id": reader,
        "tag_id": tagging.add(reader, "Client", actor="test"),
        "subscription_id": subscription,
        "upload_id": upload,
        "import_id": made[0][0],
        "segment": segments.save(newsletter, "All", BLOCKS, actor="test")[0],
    }


class Bytes:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, _: int) -> bytes:
        found, self._content = self._content, b""
        return found


def body(call: Call, newsletter: int) -> Any:
    values = {"text": "x", "number": 1, "list": [], "object": {}, "yes": True}
    if call.method == "GET":
        return None
    if call.takes_file:
        return b"email\n"
    made = {name: values[field.kind] for name, field in call.fields.items() if field.is_needed}
    return (
        made
        | ({"newsletter_id": newsletter} if "newsletter_id" in made else {})
        | ({"blocks": BLOCKS} if "blocks" in made else {})
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_key_does_what_its_role_may_in_its_newsletter_and_nothing_elsewhere(
    web: str, newsletter: int, things: dict[str, Any], role: str
) -> None:
    here, elsewhere = Program(web, role, newsletter), Program(web, role, a_newsletter("other"))
    for call in CALLS:
        path = address(call, things) + (f"?newsletter_id={newsletter}" if call.takes_file else "")
        need = NEEDED[call.name]
        status, found = elsewhere(call.method, path, body(call, newsletter))
        if need is not None:
            assert status in (403, 404), f"another newsletter's {role}: {call.name} answers {status}"
        assert "mei@readers.example" not in json.dumps(found)
        status, found = here(call.method, path, body(call, newsletter))
        wide = need is Permission.AUDIT or call.name == "suppress"
        may = need is None or (need in ROLES[role] and not wide)
        assert status < 500, f"{role}: {call.name} answers {status}"
        if may and not (call.name in ("find_readers", "segments") and role == "analyst"):
            assert status not in (401, 403, 404), f"{role} may {call.name}, and got {status}: {found}"
        elif not may:
            assert status in (403, 404), f"{role} may not {call.name}, and got {status}"


def test_a_key_ends_at_once(web: str, sql: Sql) -> None:
    owner = an_operator("owner")
    actor = actor_of(owner)
    made, key = keys.make("x", role="owner", newsletter_id=None, days=None, actor=actor)
    ask = Program(web, key=key)
    assert ask("GET", "/newsletters")[0] == 200
    operators.give_roles(an_operator("owner"), role="owner", memberships={}, actor="test")
    sql("UPDATE operators SET disabled_at = now() WHERE id = %s", owner)
    assert ask("GET", "/newsletters")[0] == 401
    sql("UPDATE operators SET disabled_at = NULL, role = 'editor' WHERE id = %s", owner)
    assert ask("GET", "/newsletters")[0] == 401
    sql("UPDATE operators SET role = 'owner' WHERE id = %s", owner)
    assert ask("GET", "/newsletters")[0] == 200
    sql("UPDATE api_keys SET expires_at = now() - interval '1 second'")
    assert ask("GET", "/newsletters")[0] == 401
    sql("UPDATE api_keys SET expires_at = NULL")
    keys.revoke(made, actor="test")
    assert ask("GET", "/newsletters")[0] == 401


def test_a_cookie_is_no_key_and_a_key_no_session(web: str) -> None:
    person = signed_in(an_operator())
    assert person.get(f"{web}{PREFIX}/newsletters").status == 401
    ask = Program(web)
    request = urllib.request.Request(f"{web}/admin/", headers={"Authorization": f"Bearer {ask.key}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert "/admin/sign-in" in answer.url


def test_keys_on_their_page(web: str, database: Settings, sql: Sql) -> None:
    ada = signed_in(an_operator())
    page = ada.get(f"{web}/admin/keys")
    assert "There is no key yet" in page.said
    wrong = ada.press(page, "/keys", name=" ", role="editor", days="many")
    assert (wrong.status, "what the key is for" in wrong.said, "from 1 to" in wrong.said) == (422, True, True)
    shown = ada.press(page, "/keys", name="The database", role="analyst", days="30")
    assert f"{web}/api/v1/newsletters" in shown.text
    (key,) = shown.tree.xpath("//input[@id='token']/@value")
    assert Program(web, key=key)("GET", "/newsletters")[0] == 200
    again = ada.get(f"{web}/admin/keys")
    assert key not in again.text
    assert key[-4:] in again.said
    assert key not in str(sql("SELECT * FROM api_keys")) + str(sql("SELECT details FROM audit_entries"))
    ada.press(again, "/revoke")
    assert Program(web, key=key)("GET", "/newsletters")[0] == 401


def test_a_program_is_no_second_person(web: str, newsletter: int) -> None:
    issue = an_issue(newsletter)
    actor = keys.find(Program(web, "owner").key)
    assert actor is not None
    with pytest.raises(Forbidden, match="A person approves"):
        approving.approve(issue, seen=bytes(editing.find(issue, actor="console")["content_hash"]).hex(), actor=actor)


def test_a_large_file_is_taken(web: str, newsletter: int) -> None:
    rows = b"email\n" + b"".join(b"reader%07d@readers.example\n" % n for n in range(150_000))
    assert len(rows) > 3_000_000
    assert Program(web)("POST", f"/imports?newsletter_id={newsletter}", rows)[0] == 201
    assert Program(web)("POST", "/issues", {"newsletter_id": newsletter, "markdown": "x" * 5_000_000})[0] in (413, 422)


def test_only_whoever_administers_makes_keys(web: str) -> None:
    with pytest.raises(Forbidden):
        keys.make("x", role="analyst", newsletter_id=None, days=None, actor=actor_of(an_operator("editor")))
    with pytest.raises(Invalid):
        keys.make("x", role="king", newsletter_id=None, days=9999, actor="test")
