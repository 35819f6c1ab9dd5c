"""Where everybody is asked for a second step, a passkey is one, and a password beside it is none."""

import json
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from webauthn.helpers import base64url_to_bytes

from service.errors import Conflict, Invalid
from service.operations import operator_links, operator_sessions, passkeys, second_step, signing_in
from tests.authenticator import Authenticator
from tests.team import PASSWORD, an_operator, signed_in, token_of
from tests.web.browsing import Page, Person

Sql = Callable[..., list[Any]]
HERE = {"network": "127.0.0.0/24", "user_agent": "Chrome"}
ADA = "ada@team.example"


def with_passkey(web: str) -> tuple[int, Authenticator]:
    """Somebody who has a password, and a passkey for their second step."""
    who, device = an_operator(address=ADA), Authenticator(web)
    found = operator_sessions.find(token_of(who))
    assert found is not None
    _, challenge = passkeys.options_to_add(found)
    passkeys.add(found, "Telephone", device.made(challenge), challenge)
    second_step.ask_of_all(True, actor="test")
    return who, device


def enter(web: str, person: Person) -> Page:
    return person.press(person.get(f"{web}/admin/sign-in"), "/sign-in", address=ADA, password=PASSWORD)


def challenge_of(answer: Page) -> bytes:
    return base64url_to_bytes(json.loads(answer.text)["challenge"])


def test_who_knows_the_password_of_somebody_with_a_passkey_comes_no_further(web: str, sql: Sql) -> None:
    with_passkey(web)
    person = Person()
    asked = enter(web, person)
    assert asked.url == f"{web}/admin/second-step"
    assert "Go on with your passkey" in asked.text
    assert "six digits" not in asked.said
    seal = asked.form("/sign-out")[1]["form_seal"]
    for place in ("/admin/", "/admin/account", "/admin/account/second-step", "/admin/team"):
        assert person.get(web + place).url == f"{web}/admin/second-step", place
    for place in ("/second-step", "/account/second-step", "/account/passkeys/options", "/account/passkeys"):
        person.post(f"{web}/admin{place}", {"form_seal": seal, "code": "123456", "credential": "{}"})
    assert sql("SELECT totp_secret FROM operators") == [(None,)]
    assert sql("SELECT count(*) FROM passkeys") == [(1,)]


@pytest.mark.parametrize("way", ["a session of before", "a link"])
def test_no_other_way_in_goes_round_the_passkey(web: str, sql: Sql, way: str) -> None:
    who, _ = with_passkey(web)
    if way == "a session of before":
        person = signed_in(who)
    else:
        person, link = Person(), operator_links.make(who, actor="test")
        person.press(person.get(link), link.rpartition("/")[2], password="seven slow otters swim")
    assert person.get(f"{web}/admin/team").url == f"{web}/admin/second-step"


def test_the_passkey_is_the_second_step_and_the_session_of_before_it_ends(web: str, sql: Sql) -> None:
    _, device = with_passkey(web)
    person = Person()
    asked = enter(web, person)
    target, fields = asked.form("/passkey")
    first = next(str(cookie.value) for cookie in person.cookies if cookie.name == "operator")
    challenge = challenge_of(person.post(f"{web}/admin/passkey/options", fields))
    wrong = person.post(target, fields | {"credential": Authenticator(web).signed(challenge)})
    assert (wrong.status, "was not accepted" in wrong.said) == (422, True)
    assert "Go on with your passkey" in wrong.text
    home = person.post(target, fields | {"credential": device.signed(challenge)})
    assert home.url == f"{web}/admin/"
    assert person.get(f"{web}/admin/team").url == f"{web}/admin/team"
    assert operator_sessions.find(first) is None


def test_a_device_that_asks_nobody_is_no_second_step(web: str, sql: Sql) -> None:
    who, careless = an_operator(address=ADA), Authenticator(web, asks=False)
    found = operator_sessions.find(token_of(who))
    assert found is not None
    _, challenge = passkeys.options_to_add(found)
    with pytest.raises(Invalid):
        passkeys.add(found, "Stick", careless.made(challenge), challenge)
    assert sql("SELECT by_passkey FROM operator_sessions") == [(False,)]
    device = Authenticator(web)
    passkeys.add(found, "Telephone", device.made(challenge), challenge)
    device._flags = careless._flags
    _, challenge = passkeys.options_to_sign_in()
    with pytest.raises(Invalid):
        passkeys.sign_in(device.signed(challenge), challenge, origin=HERE)


def test_who_has_no_second_step_yet_may_set_up_a_passkey_for_it(web: str) -> None:
    an_operator(address=ADA)
    device = Authenticator(web)
    second_step.ask_of_all(True, actor="test")
    person = Person()
    assert enter(web, person).url == f"{web}/admin/account/second-step"
    fields = person.get(f"{web}/admin/account").form("/details")[1]
    challenge = challenge_of(person.post(f"{web}/admin/account/passkeys/options", fields))
    sent = fields | {"credential": device.made(challenge), "passkey_name": ""}
    assert "The passkey is added" in person.post(f"{web}/admin/account/passkeys", sent).said
    assert person.get(f"{web}/admin/team").url == f"{web}/admin/team"
    assert "By passkey" in person.get(f"{web}/admin/team").said
    assert enter(web, Person()).url == f"{web}/admin/second-step", "and from now on it is asked for"


def test_the_only_second_step_is_not_removed_where_one_is_needed(web: str, sql: Sql) -> None:
    who, device = with_passkey(web)
    _, challenge = passkeys.options_to_sign_in()
    found = operator_sessions.find(passkeys.sign_in(device.signed(challenge), challenge, origin=HERE))
    assert found is not None
    ((first,),) = sql("SELECT id FROM passkeys")
    with pytest.raises(Conflict, match="Add another passkey first"):
        passkeys.remove(found, first)
    _, challenge = passkeys.options_to_add(found)
    passkeys.add(found, "Another", Authenticator(web).made(challenge), challenge)
    passkeys.remove(found, first)
    assert [one["name"] for one in passkeys.listed(who)] == ["Another"]


def test_with_codes_as_well_either_of_the_two_is_a_second_step(web: str) -> None:
    who, device = with_passkey(web)
    secret = second_step.propose(ADA).secret
    second_step.turn_on(who, secret=secret, code=pyotp.TOTP(secret).now(), actor="test")
    person = Person()
    asked = enter(web, person)
    assert "six digits" in asked.said
    target, fields = asked.form("/passkey")
    challenge = challenge_of(person.post(f"{web}/admin/passkey/options", fields))
    assert person.post(target, fields | {"credential": device.signed(challenge)}).url == f"{web}/admin/"


def test_whose_device_is_lost_begins_anew_by_the_shell(web: str, sql: Sql) -> None:
    who, device = with_passkey(web)
    second_step.turn_off(who, actor="shell ada")
    assert passkeys.remove_all(who, actor="shell ada") == 1
    _, challenge = passkeys.options_to_sign_in()
    with pytest.raises(Invalid):
        passkeys.sign_in(device.signed(challenge), challenge, origin=HERE)
    assert sql("SELECT count(*) FROM operator_sessions WHERE ended_at IS NULL") == [(0,)]
    assert enter(web, Person()).url == f"{web}/admin/account/second-step"


def test_a_code_is_wrong_for_whom_none_is_asked_any_more(web: str) -> None:
    who = an_operator(address=ADA)
    secret = second_step.propose(ADA).secret
    second_step.turn_on(who, secret=secret, code=pyotp.TOTP(secret).now(), actor="test")
    waiting = operator_sessions.find(signing_in.sign_in(ADA, PASSWORD, origin=HERE))
    assert waiting is not None
    second_step.turn_off(who, actor="shell ada")
    with pytest.raises(Invalid):
        signing_in.take_second_step(waiting, "123456", origin=HERE)
