"""Nobody is on the team's side without a session, and nothing is changed there without the session's own form."""

from typing import Any

import pytest
from werkzeug.routing import Rule

from service import factory
from service.settings import Settings
from service.web.admin import gate
from tests.team import PASSWORD, an_operator, signed_in
from tests.web.browsing import Person

SAFE = {"GET", "HEAD", "OPTIONS"}


def rules(chosen: Settings) -> list[Rule]:
    return [one for one in factory.create_app(chosen).url_map.iter_rules() if one.endpoint.startswith("admin_")]


def address(rule: Rule) -> str:
    """The rule's address, with something in each of its places."""
    made: dict[str, Any] = {
        name: 1 if type(converter).__name__ == "IntegerConverter" else "x"
        for name, converter in rule._converters.items()
    }
    _, path = rule.build(made) or ("", "")
    return path


def test_every_page_asks_who_is_there_and_every_form_must_be_ours(web: str, database: Settings) -> None:
    nobody, owner = Person(), signed_in(an_operator())
    for rule in rules(database):
        to = web + address(rule)
        is_open = rule.endpoint in gate.OPEN
        if "GET" in (rule.methods or ()):
            answer = nobody.get(to)
            assert is_open or "/admin/sign-in" in answer.url, rule.endpoint
        for method in (rule.methods or set()) - SAFE:
            assert method == "POST", f"{rule.endpoint}: forms can only be posted"
            if not is_open:
                assert "/admin/sign-in" in nobody.post(to).url, rule.endpoint
            answer = owner.post(to, {"form_seal": "x"})
            assert answer.status == 403, f"{rule.endpoint} took a form that is not ours"


def test_signing_in_leads_to_the_page_that_was_asked_for(web: str) -> None:
    an_operator(address="ada@team.example", name="Ada")
    person = Person()
    asked = person.get(f"{web}/admin/?a=1")
    home = person.press(asked, "/sign-in", address="ADA@team.example", password=PASSWORD)
    assert home.url == f"{web}/admin/?a=1"
    assert "Ada" in home.said
    gone = person.press(home, "/sign-out")
    assert "Sign in" in gone.said
    assert "/admin/sign-in" in person.get(f"{web}/admin/").url


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/admin//evil.example", "/\\evil.example", "/n/x"]
)
def test_signing_in_never_leads_elsewhere(web: str, elsewhere: str) -> None:
    an_operator(address="ada@team.example")
    person = Person()
    found = person.press(
        person.get(f"{web}/admin/sign-in"), "/sign-in", address="ada@team.example", password=PASSWORD, next=elsewhere
    )
    assert found.url == f"{web}/admin/"


@pytest.mark.parametrize(
    ("who", "password"), [("ada@team.example", "wrong"), ("nobody@team.example", PASSWORD), ("x", ""), ("", "x" * 5000)]
)
def test_wrong_is_wrong_whatever_it_is(web: str, who: str, password: str) -> None:
    an_operator(address="ada@team.example")
    person = Person()
    found = person.press(person.get(f"{web}/admin/sign-in"), "/sign-in", address=who, password=password)
    assert found.status == 422
    assert "The address or the password is wrong." in found.said


def test_a_form_of_another_session_is_refused(web: str) -> None:
    mine, theirs = signed_in(an_operator()), signed_in(an_operator())
    _, fields = theirs.get(f"{web}/admin/").form("/sign-out")
    assert mine.post(f"{web}/admin/sign-out", fields).status == 403


def test_a_form_sent_by_another_site_is_refused(web: str) -> None:
    person = signed_in(an_operator())
    _, fields = person.get(f"{web}/admin/").form("/sign-out")
    assert person.post(f"{web}/admin/sign-out", fields, **{"Sec-Fetch-Site": "cross-site"}).status == 403


@pytest.mark.parametrize("place", ["sign-in", "forgotten"])
def test_a_form_before_signing_in_is_good_in_the_browser_that_was_given_it_alone(web: str, place: str) -> None:
    an_operator(address="ada@team.example")
    given = {"address": "ada@team.example", "password": PASSWORD}
    mine, theirs, none = Person(), Person(), Person()
    page = mine.get(f"{web}/admin/{place}")
    target, fields = theirs.get(f"{web}/admin/{place}").form(f"/{place}")
    assert mine.post(target, fields | given).status == 403
    assert none.post(target, fields | given).status == 403
    assert none.post(target, given).status == 403
    assert mine.press(page, f"/{place}", **given).status == 200
