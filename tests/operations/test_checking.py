"""What sending depends on outside of us, looked at: each way of being broken is told with what to do; a broken one comes to the
owner's attention."""

from collections.abc import Callable
from typing import Any

import pytest

from service.errors import Forbidden
from service.operations import attention, checking
from tests.answering import Names, answering
from tests.builders import a_newsletter, accepted_mail
from tests.conftest import Sandbox
from tests.team import actor_of, an_operator

Sql = Callable[..., list[Any]]
Change = Callable[..., Any]
GOOD_HOOK = {
    "enabled": True,
    "url": "https://letters.firm.test/webhooks/sendgrid",
    "public_key": "the-key",
} | dict.fromkeys(checking.EVENTS, True)


@pytest.fixture
def real(other_settings: Change, web: str) -> Change:
    given = {"public_url": "https://letters.firm.test", "webhook_keys": ("the-key",), "sendgrid_api_key": "SG.x"}
    return lambda url, **words: other_settings(sandbox=False, sendgrid_url=url, **(given | words))


def looked(name: str, **words: Any) -> tuple[str, str]:
    """The outcome, and all that was said."""
    checking.look(name, actor="test", **words)
    (found,) = checking.latest()[name]
    return found["outcome"], " ".join(f"{one['text']}. {one['fix']}" for one in found["findings"])


@pytest.mark.parametrize(
    ("answer", "outcome", "told"),
    [
        ((200, {"scopes": ["mail.send"]}), "good", "may send mail"),
        ((200, {"scopes": ["mail.send", "api_keys.create"]}), "warning", "more than it needs"),
        ((200, {"scopes": ["stats.read"]}), "problem", "may not send mail"),
        ((401, {}), "problem", "does not know the key"),
        ((403, {}), "unknown", "may not ask"),
        ((500, {}), "unknown", "answers 500"),
        ((200, b"<html>"), "unknown", "could not be reached"),
    ],
)
def test_the_key(real: Change, answer: tuple[int, Any], outcome: str, told: str) -> None:
    with answering({"/v3/scopes": answer}) as url:
        real(url)
        found, said = looked("sendgrid")
    assert (found, told in said) == (outcome, True), said
    assert "SG.x" not in said


def test_nobody_there(real: Change) -> None:
    with answering({}) as url:
        pass
    real(url)
    assert looked("sendgrid")[0] == "unknown"


@pytest.mark.parametrize(
    ("hooks", "outcome", "told"),
    [
        ([GOOD_HOOK], "good", "signed events here"),
        ([], "problem", "does not send events here"),
        ([{}], "problem", "does not send events here"),
        ([GOOD_HOOK | {"url": "https://elsewhere.test/webhooks/sendgrid"}], "problem", "does not send events here"),
        ([GOOD_HOOK | {"enabled": False}], "problem", "turned off"),
        ([GOOD_HOOK | {"public_key": "other"}], "problem", "another key"),
        ([GOOD_HOOK | {"bounce": False, "spam_report": False}], "warning", "bounce, spam report"),
    ],
)
def test_the_webhook(real: Change, hooks: list[dict[str, Any]], outcome: str, told: str) -> None:
    with answering({"/v3/user/webhooks/event/settings/all": (200, {"webhooks": hooks})}) as url:
        real(url)
        found, said = looked("webhook")
    assert told in said
    assert found == ("unknown" if outcome == "good" else outcome), "nothing was sent yet"


def test_events_that_do_not_come_are_a_problem(real: Change, sql: Sql) -> None:
    accepted_mail(sql)
    with answering({"/v3/user/webhooks/event/settings/all": (200, {"webhooks": [GOOD_HOOK]})}) as url:
        real(url)
        assert looked("webhook")[0] == "problem"
        real(url, webhook_keys=())
        assert "Turn" not in looked("webhook")[1]
        assert "forgeries" in looked("webhook")[1]


DOMAIN = "firm.test-zone"
RIGHT = {
    (DOMAIN, "TXT"): ["v=spf1 include:sendgrid.net -all"],
    (f"s1._domainkey.{DOMAIN}", "CNAME"): ["x"],
    (f"s2._domainkey.{DOMAIN}", "CNAME"): ["x"],
    (f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=reject"],
    (DOMAIN, "MX"): ["10 mx.firm.test-zone"],
}
KNOWN: list[Any] = [
    {
        "domain": DOMAIN,
        "dns": {"dkim1": {"type": "cname", "host": f"s1._domainkey.{DOMAIN}", "data": "s1.wl", "valid": True}},
    }
]


@pytest.mark.parametrize(
    ("known", "lacking", "outcome", "told"),
    [
        (KNOWN, None, "good", "as they should be"),
        ([], None, "problem", "may not sign"),
        (
            [KNOWN[0] | {"dns": {"dkim1": KNOWN[0]["dns"]["dkim1"] | {"valid": False}}}],
            None,
            "problem",
            "not set as SendGrid asks",
        ),
        (KNOWN, (DOMAIN, "TXT"), "warning", "no SPF record"),
        (KNOWN, (f"s2._domainkey.{DOMAIN}", "CNAME"), "warning", "s2._domainkey"),
        (KNOWN, (f"_dmarc.{DOMAIN}", "TXT"), "warning", "no DMARC record"),
    ],
)
def test_a_senders_domain(real: Change, known: list[Any], lacking: Any, outcome: str, told: str) -> None:
    a_newsletter(sender_address=f"news@{DOMAIN}")
    names = Names({place: found for place, found in RIGHT.items() if place != lacking})
    with answering({"/v3/whitelabel/domains": (200, known)}) as url:
        real(url)
        found, said = looked("domains", resolver=names)
    assert (found, told in said) == (outcome, True), said
    assert checking.latest()["domains"][0]["records"] == (
        [
            {
                "kind": "CNAME",
                "host": f"s1._domainkey.{DOMAIN}",
                "value": "s1.wl",
                "valid": "no" if "not set" in told else "yes",
            }
        ]
        if known
        else []
    )
    warned = attention.overview("console")["checks"]
    assert bool(warned) == (outcome == "problem")


def test_a_domain_that_no_newsletter_uses_any_more_is_forgotten(web: str, sandbox: Sandbox, sql: Sql) -> None:
    a_newsletter()
    checking.look_daily()
    assert [one["subject"] for one in checking.latest()["domains"]] == ["sender.example"]
    assert next(one["host"] for one in checking.latest()["domains"][0]["records"]) == "em1.sender.example"
    sql("UPDATE newsletters SET sender_address = 'a@other.example'")
    checking.look_daily()
    assert [one["subject"] for one in checking.latest()["domains"]] == ["sender.example"], "once a day is enough"
    checking.look("domains", actor="test")
    assert [one["subject"] for one in checking.latest()["domains"]] == ["other.example"]


def test_only_whoever_administers_looks(web: str) -> None:
    with pytest.raises(Forbidden):
        checking.look("sendgrid", actor=actor_of(an_operator("editor")))
