"""Whatever readers, importers, SendGrid or colleagues write into whichever field: no screen of the team's side runs it."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog

from service.operations import editing, issue_report, newsletter_settings, scheduling, uploading
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.team import an_operator, sign_in

pytestmark = [pytest.mark.browser]
Sql = Callable[..., list[Any]]
ATTACK = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7*7 }}</textarea></title><svg onload=alert(3)>"


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
    for kind in ("clicked", "bounced", "opened"):
        sql(
            "INSERT INTO events (issue_id, key, delivery_id, type, at, url, detail) VALUES (%s, %s, %s, %s, now(), %s, %s)",
            sent,
            kind.encode(),
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
    page = context.new_page()
    fired: list[str] = []

    def closed(dialog: Dialog) -> None:
        fired.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", closed)
    page.on("console", lambda line: fired.append(line.text) if "Content Security Policy" in line.text else None)
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
            "mail?reader=mei@readers.example",
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
    page.wait_for_timeout(500)
    assert fired == []
    context.close()
