"""Seals: what a browser sends back is ours, for this purpose, and fresh; or it is nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask, Response

from service import settings
from service.settings import Settings
from service.web.sealed import read_cookie, seal, seal_for_good, set_cookie, unseal, unseal_for_good

HOUR = timedelta(hours=1)


def test_a_seal_opens_for_its_purpose_only_and_only_while_it_is_fresh(database: Settings) -> None:
    text = seal("form", {"signup": 7})
    assert unseal("form", text, HOUR) == {"signup": 7}
    assert unseal("leave", text, HOUR) is None
    assert unseal("form", text, timedelta(seconds=-1)) is None
    assert unseal_for_good("form", text) is None
    assert unseal("form", seal_for_good("form", 7), HOUR) is None


def test_a_seal_that_was_cut_changed_or_made_up_opens_for_nothing(database: Settings) -> None:
    text = seal("form", 7)
    changed = [text[:n] + ("A" if text[n] != "A" else "B") + text[n + 1 :] for n in range(len(text) - 1)]
    assert [unseal("form", one, HOUR) for one in (text[:-2], "", "é", "\0", "a.b.c", *changed)] == [None] * (
        5 + len(changed)
    )


def test_seals_survive_the_rotation_of_keys_and_no_other_installation_opens_them(database: Settings) -> None:
    text, lasting = seal("form", 7), seal_for_good("form", 7)
    newer = "a-newer-key-of-at-least-32-characters!"
    try:
        settings.configure(replace(database, secret_keys=(newer, *database.secret_keys)))
        assert (unseal("form", text, HOUR), unseal_for_good("form", lasting)) == (7, 7)
        renewed = seal("form", 7)
        settings.configure(replace(database, secret_keys=(newer,)))
        assert (unseal("form", text, HOUR), unseal_for_good("form", lasting)) == (None, None)
        assert unseal("form", renewed, HOUR) == 7, "the newest key seals"
    finally:
        settings.configure(database)


@pytest.mark.parametrize(
    ("public_url", "name", "secure"), [("https://n.example", "__Host-s", True), ("http://127.0.0.1:8000", "s", False)]
)
def test_a_cookie_is_for_this_host_no_script_and_no_other_sites_forms(
    database: Settings, public_url: str, name: str, secure: bool
) -> None:
    settings.configure(replace(database, public_url=public_url))
    try:
        response = Response()
        set_cookie(response, "s", "sealed", HOUR)
        words = response.headers["Set-Cookie"]
        assert words.startswith(f"{name}=sealed;")
        assert ("Secure" in words) is secure
        assert all(word in words for word in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=3600"))
        assert "Domain" not in words
        with Flask(__name__).test_request_context(headers={"Cookie": f"{name}=sealed; s2=x"}):
            assert read_cookie("s") == "sealed"
            assert read_cookie("other") is None
    finally:
        settings.configure(database)
