"""Whatever readers, importers, SendGrid or colleagues write into whichever field: no screen of the team's side runs it."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page

from service.operations import editing, issue_report, newsletter_settings, scheduling, uploading
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.rendering.payloads import PAYLOADS
from tests.team import an_operator, sign_in

pytestmark = [pytest.mark.browser]
Sql = Callable[..., list[Any]]
ATTACK = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7*7 }}</textarea></title><svg onload=alert(3)>"


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page, and what fired on it: a dialog, or a script that the policy stopped."""
    page = context.new_page()
    fired: list[str] = []

    def closed(dialog: Dialog) -> None:
        fired.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", closed)
    page.on("console", lambda line: fired.append(line.text) if "Content Security Policy" in line.text else None)
    return page, fired


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_whole_corpus_fires_nowhere(
    web: str, chromium: Browser, sql: Sql, drain: Callable[..., int], sandbox: Sandbox
) -> None:
    payloads = [one.replace("\x00", "") for one in PAYLOADS]
    newsletter = a_newsletter()
    readers(newsletter, [f"reader{n:03d}@readers.example" for n in range(len(payloads))])
    for number, payload in enumerate(payloads):
        sql(
            """UPDATE subscribers SET first_name = %s, last_name = %s, language = %s, attributes = jsonb_build_object('organisation', %s::text, left(%s, 60), 'x')
               WHERE address = %s""",
            *[payload[:200]] * 5,
            f"reader{number:03d}@readers.example",
        )
        sql("INSERT INTO tags (name) VALUES (%s) ON CONFLICT DO NOTHING", f"{number} {payload[:50]}")
        sql(
            "INSERT INTO segments (newsletter_id, name, blocks) VALUES (%s, %s, jsonb_build_array(jsonb_build_array(jsonb_build_object('what', 'attribute', 'name', left(%s, 200), 'how', 'is', 'value', left(%s, 200)))))",
            newsletter,
            f"{number} {payload[:90]}",
            payload or "x",
            payload.strip() or "x",
        )
        sql(
            "INSERT INTO audit_entries (actor, action, subject, details) VALUES (%s, %s, %s, jsonb_build_object(%s::text, %s::text))",
            *[payload] * 5,
        )
        sql(
            "INSERT INTO api_keys (name, token_sha256, last_four, role) VALUES (%s, sha256(%s), %s, 'editor')",
            payload,
            str(number).encode(),
            payload[:4],
        )
        sql(
            "INSERT INTO checks (name, subject, outcome, findings, records) VALUES ('domains', %s, 'problem', jsonb_build_array(jsonb_build_object('tone', 'problem', 'text', %s::text, 'fix', %s::text)), jsonb_build_array(jsonb_build_object('kind', 'CNAME', 'host', %s::text, 'value', %s::text, 'valid', 'no')))",
            f"{number} {payload}",
            *[payload] * 4,
        )
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    drain()
    context = chromium.new_context()
    sign_in(context, web, an_operator("owner"))
    page, fired = watched(context)
    ids = [row[0] for row in sql("SELECT id FROM subscribers ORDER BY id")]
    deliveries = [row[0] for row in sql("SELECT id FROM deliveries ORDER BY id")]
    places = [
        *(f"readers/{one}" for one in ids),
        "segments",
        "tags",
        "keys",
        "settings",
        "",
        f"issues/{issue}/audience",
    ]
    places += [f"readers?before={ids[-1] - skip + 1}" for skip in range(0, len(ids), 50)]
    places += [f"issues/{issue}/report/readers?after={deliveries[0] + skip - 1}" for skip in range(0, len(ids), 50)]
    places += [f"segments/{row[0]}" for row in sql("SELECT id FROM segments ORDER BY id LIMIT 30")]
    places += [f"audit?before={row[0]}" for row in sql("SELECT id + 1 FROM audit_entries WHERE id %% 50 = 0")] + [
        "audit"
    ]
    for place in places:
        answer = page.goto(f"{web}/admin/{place}")
        assert answer is not None
        assert answer.status == 200, place
        assert fired == [], place
    assert len(PAYLOADS) > 100
    context.close()


def test_nothing_fires_on_any_screen(
    web: str, chromium: Browser, sql: Sql, drain: Callable[..., int], sandbox: Sandbox
) -> None:
    newsletter = a_newsletter()
    newsletter_settings.change("monthly", actor="test", description=ATTACK[:200], name=ATTACK[:90])
    readers(newsletter, ["mei@readers.example"])
    sql(
        "UPDATE subscribers SET first_name = %s, last_name = %s, language = %s, attributes = jsonb_build_object('organisation', %s::text)",
        ATTACK,
        ATTACK,
        ATTACK,
        ATTACK,
    )
    sent = an_issue(newsletter)
    scheduling.schedule(sent, actor="test")
    drain()
    (delivery,) = sql("SELECT id FROM deliveries")[0]
    for key, kind in enumerate(("clicked", "bounced", "opened")):
        sql(
            "INSERT INTO events (issue_id, key, delivery_id, type, at, url, detail) VALUES (%s, %s, %s, %s, now(), %s, %s)",
            sent,
            key,
            delivery,
            kind,
            f"https://x.example/{ATTACK}",
            ATTACK,
        )
    sql(
        "INSERT INTO leave_reasons (newsletter_id, issue_id, reason, words) VALUES (%s, %s, %s, %s)",
        newsletter,
        sent,
        ATTACK,
        ATTACK,
    )
    sql("UPDATE batches SET state = state, reason = %s", ATTACK)
    sql("UPDATE issues SET subject = %s, state_reason = %s", ATTACK, ATTACK)
    draft = an_issue(newsletter)
    editing.save(draft, f"---\nsubject: x\n---\n\n# Title {ATTACK}\n\nText {ATTACK}\n", base=1, actor=ATTACK)
    upload = uploading.receive(
        newsletter, f"{ATTACK}.csv", io.BytesIO(f"email,{ATTACK}\n{ATTACK},{ATTACK}\n".encode()), actor="test"
    )
    who = an_operator("owner", name=ATTACK[:80])
    reader = sql("SELECT subscriber_id FROM subscriptions")[0][0]
    assert issue_report.of_issue(sent, actor="console")["links"]
    context = chromium.new_context()
    sign_in(context, web, who)
    page, fired = watched(context)
    places = [
        "",
        "issues",
        "issues/new",
        "readers",
        f"readers/{reader}",
        "imports",
        f"imports/{upload}/columns",
        f"imports/{upload}",
        "newsletters",
        "newsletters/monthly",
        "team",
        f"team/{who}",
        "account",
        "audit",
    ]
    places += [
        f"issues/{draft}/{tab}"
        for tab in (
            "write",
            "audience",
            "approval",
            "send",
            "versions",
            "versions/1",
            "preflight",
            "mail",
            "mail?as=text",
        )
    ]
    places += [f"issues/{sent}/{tab}" for tab in ("send", "report", "report/readers", f"report/readers/{delivery}")]
    for place in places:
        answer = page.goto(f"{web}/admin/{place}")
        assert answer is not None
        assert answer.status < 500, place
        page.wait_for_load_state("load")
        assert "49" not in page.title(), place
        assert fired == [], place
    page.goto(f"{web}/admin/issues/{draft}/write")
    page.wait_for_selector("[data-ready]")
    with page.expect_response(lambda answer: answer.request.method == "POST" and answer.url.endswith("/mail")):
        page.fill("#looks [name=reader]", "mei@readers.example")
        page.press("#looks [name=reader]", "Enter")
    page.wait_for_timeout(500)
    assert "mei@" not in page.url + "".join(frame.url for frame in page.frames)
    assert fired == []
    context.close()
