"""Every page of the team's side in a browser, with something in each of its places: at a desk and on a telephone, by day and by
night. Pictures of all of them are kept where BROADSHEET_PICTURES says."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser

from service.lab import filling
from service.operations import counting, keys, newsletter_settings, segments, tagging, uploading
from service.settings import Settings
from tests.journeys.looking import Walk
from tests.team import an_operator, sign_in
from tests.web.admin.test_gate import rules
from tests.web.admin.test_matrix import filled

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
Sql = Callable[..., list[Any]]
IN_TWO_STATES = {"admin_sending.show", "admin_audience.show", "admin_editor.show", "admin_approval.show"}
"""Pages that are others once an issue is on its way."""

NOT_HERE = {"admin_editor.mail", "admin_report.clicked_mail", "admin_single_sign_on.back"}
"""The mail itself, which other pages show in a frame and where no script runs, axe's neither; and what only a provider leads to."""


def _things(database: Settings, sql: Sql) -> dict[str, Any]:
    made = filling.fill(database, 400, lambda _: None)
    filling.settle(database)
    counting.count_issues()
    reader, delivery = sql(
        "SELECT subscriber_id, id FROM deliveries WHERE issue_id = %s ORDER BY id LIMIT 1", made["sent"]
    )[0]
    newsletter_settings.change("other", actor="test", seeds=["seed@harbour-lane.example"])
    sql("UPDATE batches SET state = state, reason = 'no answer within 30 s' WHERE issue_id = %s", made["sent"])
    sql(
        "INSERT INTO alarms (kind, subject, issue_id, told) VALUES ('bounces', 'issue', %s, '31 of 400 copies bounced, more than 5%%. Look at where these addresses came from.')",
        made["sent"],
    )
    rows = b"email,first name\nmei@readers.example,Mei\nno address,Noor\n"
    german = [[{"what": "language", "how": "is", "value": "de"}]]
    return made | {
        "slug": "benchmark",
        "section": "sender",
        "issue_id": made["draft"],
        "number": 1,
        "subscriber_id": reader,
        "delivery_id": delivery,
        "batch_id": sql("SELECT max(id) FROM batches")[0][0],
        "upload_id": uploading.receive(made["newsletter"], "readers.csv", io.BytesIO(rows), actor="test"),
        "segment_id": segments.save(made["newsletter"], "German readers", german, actor="test")[0],
        "key_id": keys.make("The website", role="analyst", newsletter_id=None, days=None, actor="test")[0],
        "tag_id": tagging.add(reader, "Client", actor="test"),
        "newsletter_id": made["newsletter"],
        "what": "webhook",
        "passkey_id": 1,
        "alarm_id": 1,
    }


def _states(endpoint: str) -> tuple[str, ...]:
    if endpoint in IN_TWO_STATES:
        return "sent", "draft"
    return ("sent",) if endpoint.startswith("admin_report") else ("draft",)


def test_every_screen_is_fit_to_be_seen(web: str, database: Settings, chromium: Browser, sql: Sql) -> None:
    things = _things(database, sql) | {"operator_id": (who := an_operator("owner"))}
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    sign_in(context, web, who)
    walk = Walk(context.new_page(), "every")
    seen = set()
    for rule in sorted(rules(database), key=lambda one: one.endpoint):
        if "GET" not in (rule.methods or ()) or rule.endpoint in NOT_HERE or not rule.arguments <= set(things):
            continue
        for state in _states(rule.endpoint):
            to = web + filled(rule, things | {"issue_id": things[state]})
            answer = context.request.get(to)
            is_page = "html" in answer.headers["content-type"] and "<html" in answer.text()
            if answer.status != 200 or not is_page or "content-disposition" in answer.headers:
                continue
            walk.page.goto(to)
            if walk.page.locator("[hx-trigger*=load]").count():
                walk.page.wait_for_load_state("networkidle")
            walk.look(f"{rule.endpoint.removeprefix('admin_')}-{state}")
            seen.add(rule.endpoint)
    context.close()
    assert walk.complaints == []
    assert len(seen) >= 40
