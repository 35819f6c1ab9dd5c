"""Passkeys in a real browser with a device that is made for tests: added, used in place of password and code, removed; and what
must not open anything."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from service.errors import Invalid
from service.operations import operator_sessions, passkeys, second_step
from tests.journeys.looking import Walk
from tests.team import PASSWORD, an_operator, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]
Sql = Callable[..., list[Any]]
ORIGIN = {"network": "127.0.0.0/24", "user_agent": "Chrome"}


@pytest.fixture
def named(web: str, other_settings: Callable[..., Any]) -> str:
    """The same server under a name: browsers make no passkeys for a number."""
    address = web.replace("127.0.0.1", "localhost")
    other_settings(public_url=address)
    return address


def device(page: Page, *, asks: bool = True) -> CDPSession:
    """A device with a sensor; `asks`: its holder puts the finger on it."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": asks,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def test_a_passkey_is_both_steps_at_once(named: str, walk: Callable[[str], Walk], sql: Sql) -> None:
    who = an_operator(name="Ada Quill")
    ada = walk("passkey")
    page = ada.page
    device(page)
    sign_in(page.context, named, who)
    page.goto(f"{named}/admin/account")
    page.get_by_label("Name (optional)").fill("My telephone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("The passkey is added")).to_be_visible()
    ada.look("account-with-a-passkey")
    second_step.ask_of_all(True, actor="test")
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    page.goto(f"{named}/admin/issues")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Issues")).to_be_visible()
    assert page.url == f"{named}/admin/issues"
    assert sql("SELECT by_passkey FROM operator_sessions ORDER BY id DESC LIMIT 1") == [(True,)]
    second_step.ask_of_all(False, actor="test")
    page.goto(f"{named}/admin/account")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The passkey is removed")).to_be_visible()
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    ada.look("sign-in-with-a-passkey")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("was not accepted")).to_be_visible()
    assert [one for one in ada.complaints if "422" not in one] == []


def test_where_everybody_is_asked_for_a_second_step_a_passkey_is_set_up_and_asked_for_in_its_place(
    named: str, walk: Callable[[str], Walk]
) -> None:
    who = an_operator(name="Ada Quill", address="ada@team.example")
    second_step.ask_of_all(True, actor="test")
    ada = walk("passkey-for-a-step")
    page = ada.page
    device(page)
    sign_in(page.context, named, who)
    page.goto(f"{named}/admin/issues")
    page.get_by_role("link", name="add one to your account").click()
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("The passkey is added")).to_be_visible()
    page.goto(f"{named}/admin/issues")
    expect(page.get_by_role("heading", name="Issues")).to_be_visible()
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    page.get_by_label("Email address").fill("ada@team.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="The second step")).to_be_visible()
    ada.look("second-step-by-passkey")
    page.get_by_role("button", name="Go on with your passkey").click()
    expect(page.get_by_role("button", name="Sign out").first).to_be_visible()
    assert page.url == f"{named}/admin/"
    assert ada.complaints == []


def test_the_same_signature_opens_nothing_twice_and_elsewhere_nothing_at_all(
    named: str, walk: Callable[[str], Walk], sql: Sql, other_settings: Callable[..., Any]
) -> None:
    who = an_operator()
    page = walk("passkey-again").page
    device(page)
    sign_in(page.context, named, who)
    page.goto(f"{named}/admin/account")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("The passkey is added")).to_be_visible()
    options, challenge = passkeys.options_to_sign_in()
    signed = page.evaluate(
        "async options => JSON.stringify((await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)})).toJSON())",
        json.loads(options),
    )
    token = passkeys.sign_in(signed, challenge, origin=ORIGIN)
    assert operator_sessions.find(token) is not None
    # Many devices count nothing: it is not their count alone that keeps a signature from being used twice.
    sql("UPDATE passkeys SET sign_count = 0")
    for credential, asked in (
        (signed, challenge),
        (signed, b""),
        (signed, passkeys.options_to_sign_in()[1]),
        ("{}", challenge),
        ("[]", challenge),
        ("x" * 30_000, challenge),
        (json.dumps(json.loads(signed) | {"rawId": "é", "id": "é"}), challenge),
    ):
        with pytest.raises(Invalid):
            passkeys.sign_in(credential, asked, origin=ORIGIN)
    sql("UPDATE passkeys SET last_challenge = NULL, sign_count = 0")
    for elsewhere in ("https://localhost.evil.example", "http://localhost:1"):
        other_settings(public_url=elsewhere)
        with pytest.raises(Invalid):
            passkeys.sign_in(signed, challenge, origin=ORIGIN)
    other_settings(public_url=named)
    sql("UPDATE operators SET disabled_at = now()")
    with pytest.raises(Invalid):
        passkeys.sign_in(signed, challenge, origin=ORIGIN)


def test_a_device_that_did_not_ask_is_not_believed(named: str, walk: Callable[[str], Walk]) -> None:
    page = walk("passkey-unasked").page
    device(page, asks=False)
    sign_in(page.context, named, an_operator())
    page.goto(f"{named}/admin/account")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("Nothing was done")).to_be_visible()


def test_under_a_number_there_are_none(web: str, walk: Callable[[str], Walk]) -> None:
    page = walk("passkey-number").page
    page.goto(f"{web}/admin/sign-in")
    assert page.get_by_role("button", name="Sign in with a passkey").count() == 0
