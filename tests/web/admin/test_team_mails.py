"""Mails to the team: a forgotten password is set anew by whoever has the mailbox, and nobody learns who is in the team; what became
of an issue reaches those whom it concerns, once."""

import re
from collections.abc import Callable
from typing import Any

import pyotp
import pytest

from service.operations import approving, scheduling, second_step, team_mails
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.team import actor_of, an_operator, signed_in
from tests.web.browsing import Person

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]
ADA = "ada@team.example"


def ask(web: str, address: str) -> Any:
    person = Person()
    return person.press(person.get(f"{web}/admin/forgotten"), "/forgotten", address=address)


def mailed(sandbox: Sandbox, drain: Drain, to: str = ADA) -> list[Any]:
    team_mails.sweep()
    drain()
    return sandbox.messages(to)


def link_in(message: Any) -> str:
    found = re.search(r"<(http[^>]+/admin/link/[^>]+)>", message["text"])
    assert found is not None
    return found[1]


def test_a_forgotten_password_is_set_by_whoever_has_the_mailbox(
    web: str, sandbox: Sandbox, drain: Drain, sql: Sql
) -> None:
    a_newsletter()
    who = an_operator(address=ADA)
    elsewhere = signed_in(who)
    asked = ask(web, " ADA@team.example ")
    assert "on its way" in asked.said
    (message,) = mailed(sandbox, drain)
    assert message["subject"] == "Set a new password"
    link = link_in(message)
    person = Person()
    assert person.get(link).status == 200
    assert person.get(link).status == 200, "looking at it does not use it up"
    home = person.press(person.get(link), link.removeprefix(web), password="seven grey geese land")
    assert home.url == f"{web}/admin/"
    assert "/admin/sign-in" in elsewhere.get(f"{web}/admin/").url
    assert Person().get(link).status == 404
    told = str(sql("SELECT * FROM team_mails")) + str(sql("SELECT * FROM audit_entries"))
    assert link.rpartition("/")[2] not in told
    assert mailed(sandbox, drain) == [message], "once"


def test_nobody_learns_who_is_in_the_team(web: str, sandbox: Sandbox, drain: Drain, sql: Sql) -> None:
    a_newsletter()
    an_operator(address=ADA)
    sql("UPDATE operators SET disabled_at = now() WHERE address = %s", ADA)
    an_operator(address="bo@team.example")
    told = {ask(web, address).said for address in ("bo@team.example", ADA, "eve@elsewhere.example", "no address")}
    assert len(told) == 1
    assert mailed(sandbox, drain) == []
    assert mailed(sandbox, drain, "eve@elsewhere.example") == []
    assert len(mailed(sandbox, drain, "bo@team.example")) == 1


def test_the_second_step_stays(web: str, sandbox: Sandbox, drain: Drain) -> None:
    a_newsletter()
    who = an_operator(address=ADA)
    secret = second_step.propose(ADA).secret
    second_step.turn_on(who, secret=secret, code=pyotp.TOTP(secret).now(), actor="test")
    ask(web, ADA)
    person = Person()
    link = link_in(mailed(sandbox, drain)[0])
    after = person.press(person.get(link), link.removeprefix(web), password="seven grey geese land")
    assert after.url == f"{web}/admin/second-step"


def test_a_mailbox_is_not_flooded(web: str, sandbox: Sandbox, drain: Drain, sql: Sql) -> None:
    a_newsletter()
    an_operator(address=ADA)
    for _ in range(team_mails.RESETS_A_DAY + 3):
        sql("DELETE FROM sign_in_failures")
        ask(web, ADA)
    assert len(mailed(sandbox, drain)) == team_mails.RESETS_A_DAY
    answers = [ask(web, ADA) for _ in range(8)]
    assert answers[-1].status == 429
    assert "Too many attempts" in answers[-1].said


@pytest.mark.parametrize(("made", "works"), [("29 minutes", True), ("31 minutes", False)])
def test_a_link_that_waited_too_long_is_not_sent(
    web: str, sandbox: Sandbox, drain: Drain, sql: Sql, made: str, works: bool
) -> None:
    a_newsletter()
    an_operator(address=ADA)
    ask(web, ADA)
    sql("UPDATE team_mails SET created_at = now() - CAST(%s AS interval)", made)
    assert len(mailed(sandbox, drain)) == int(works)
    assert sql("SELECT state FROM team_mails") == [("sent" if works else "failed",)]


def test_a_mail_of_which_nobody_knows_is_not_sent_again(web: str, sandbox: Sandbox, drain: Drain, sql: Sql) -> None:
    a_newsletter()
    an_operator(address=ADA)
    ask(web, ADA)
    sql("UPDATE team_mails SET state = 'sending', lease_until = now() - interval '1 second'")
    assert mailed(sandbox, drain) == []
    assert sql("SELECT state FROM team_mails") == [("unknown",)], (
        "nobody can say whether it went: never again by itself"
    )


def test_what_became_of_an_issue_is_mailed_once_to_those_whom_it_concerns(
    web: str, sandbox: Sandbox, drain: Drain, sql: Sql
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, ["mei@readers.example", "bo@readers.example"])
    ada, ben, _ = (
        an_operator(role, address=f"{name}@team.example")
        for name, role in (("ada", "owner"), ("ben", "approver"), ("eve", "editor"))
    )
    issue = an_issue(newsletter)
    seen = sql("SELECT encode(content_hash, 'hex') FROM issues")[0][0]
    approving.approve(issue, seen=seen, actor=actor_of(ben))
    scheduling.schedule(issue, actor=actor_of(ada))
    drain()
    assert mailed(sandbox, drain) == []
    sql("UPDATE issues SET sent_at = now() - interval '25 hours'")
    (message,) = mailed(sandbox, drain)
    assert message["subject"] == "What became of “News of the month”"
    assert "Accepted by SendGrid: 2" in message["text"]
    assert f"{web}/admin/issues/{issue}/report" in message["text"]
    assert "readers.example" not in message["text"] + message["html"]
    assert len(mailed(sandbox, drain, "ben@team.example")) == 1
    assert mailed(sandbox, drain, "eve@team.example") == []
    assert mailed(sandbox, drain) == [message], "once"


def test_an_old_issue_is_not_told_of(web: str, sandbox: Sandbox, drain: Drain, sql: Sql) -> None:
    newsletter = a_newsletter()
    readers(newsletter, ["mei@readers.example"])
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor=actor_of(an_operator(address=ADA)))
    drain()
    sql("UPDATE issues SET sent_at = now() - interval '8 days'")
    assert mailed(sandbox, drain) == []


def test_a_second_step_is_asked_of_everybody(web: str, sql: Sql) -> None:
    owner, ben = signed_in(an_operator()), signed_in(an_operator("editor", address="ben@team.example"))
    page = owner.press(owner.get(f"{web}/admin/team"), "/team/second-step")
    assert page.url.endswith("/account/second-step"), "the owner too"
    for place in ("/admin/", "/admin/issues", "/admin/readers"):
        assert ben.get(web + place).url.endswith("/account/second-step")
    (secret,) = re.findall(r"\b[A-Z2-7]{32}\b", ben.get(f"{web}/admin/account/second-step").text)[:1]
    codes = ben.press(ben.get(f"{web}/admin/account/second-step"), "/second-step", code="000000")
    assert codes.status == 422
    (secret,) = re.findall(r"\b[A-Z2-7]{32}\b", codes.text)[:1]
    done = ben.press(codes, "/account/second-step", code=pyotp.TOTP(secret).now())
    assert done.status == 200
    assert ben.get(f"{web}/admin/").url == f"{web}/admin/"
    off = ben.post(
        f"{web}/admin/account/second-step/off",
        {"form_seal": ben.get(f"{web}/admin/").form("/sign-out")[1]["form_seal"]},
    )
    assert off.status == 409
