"""The installation's page: what was found outside, the records to paste, and the switch that stops everything."""

from collections.abc import Callable
from typing import Any

from service.operations import scheduling, sweeping
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.team import an_operator, signed_in

Sql = Callable[..., list[Any]]


def test_each_check_is_run_by_its_button(web: str, sandbox: Sandbox) -> None:
    a_newsletter()
    ada = signed_in(an_operator())
    page = ada.get(f"{web}/admin/settings")
    assert page.said.count("Not looked at yet.") == 2
    for name in ("sendgrid", "webhook", "domains"):
        page = ada.press(page, f"/settings/check/{name}")
        assert "Looked at just now." in page.said
    assert "The key may send mail." in page.said
    assert "s1._domainkey.sender.example" in page.said
    assert f"{web}/webhooks/sendgrid" in page.said or "/webhooks/sendgrid" in page.said
    assert ada.post(f"{web}/admin/settings/check/moon", {"form_seal": page.form("/halt")[1]["form_seal"]}).status == 404


def test_everything_is_stopped_and_goes_on(web: str, sandbox: Sandbox, sql: Sql, drain: Callable[..., int]) -> None:
    newsletter = a_newsletter()
    readers(newsletter, ["mei@readers.example"])
    issue = an_issue(newsletter)
    ada = signed_in(an_operator())
    page = ada.get(f"{web}/admin/settings")
    assert "Say why" in ada.press(page, "/halt", reason=" ").said
    page = ada.press(page, "/halt", reason="a wrong link")
    assert "a wrong link" in page.said
    scheduling.schedule(issue, actor="test")
    drain()
    assert sql("SELECT count(*) FROM attempts") == [(0,)]
    assert "Nothing is being sent" in ada.get(f"{web}/admin/").said
    page = ada.press(page, "/go-on")
    assert "Sending goes on." in page.said
    sweeping.sweep_sending()
    drain()
    assert sql("SELECT state FROM issues") == [("sent",)]


def test_an_owner_lets_a_restored_database_go_on_and_its_issues_wait(
    web: str, sandbox: Sandbox, sql: Sql, drain: Callable[..., int]
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, ["mei@readers.example"])
    issue = an_issue(newsletter)
    ada = signed_in(an_operator())
    assert "The database was restored" not in ada.get(f"{web}/admin/settings").said
    scheduling.schedule(issue, actor="test")
    sql("UPDATE installation SET mark = mark - 1")
    sweeping.sweep_sending()
    drain()
    assert "Sign in" in ada.get(f"{web}/admin/").said, "who was signed out since would be in again"
    ada = signed_in(an_operator())
    assert "this database was restored" in ada.get(f"{web}/admin/").said
    page = ada.get(f"{web}/admin/settings")
    assert "The database was restored" in page.said
    assert "Say why" in ada.press(page, "/accept-restored", reason=" ").said
    page = ada.press(page, "/accept-restored", reason="Monday's backup")
    assert "1 held for you to decide" in page.said
    assert "Nothing is sent" not in page.said
    sweeping.sweep_sending()
    drain()
    assert sql("SELECT state FROM issues") == [("held",)]
    assert sql("SELECT details->>'reason' FROM audit_entries WHERE action = 'accept restored'") == [
        ("Monday's backup",)
    ]
    assert sandbox.messages("mei@readers.example") == []
