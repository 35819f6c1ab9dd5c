"""Every link in a mail opens what it was made for, and no other: each kind of token at each address that takes one."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import quote

import pytest
from werkzeug.routing import Rule

from service import factory, queue, settings
from service.settings import Settings
from service.tokens import Purpose, Signer
from tests.everything import dump
from tests.web.signups import Sql, Visitor, open_newsletter

NUMBER = 7_000_000_007
"""Everything that a token can name has this number, so that nothing but its purpose tells one from another. No sequence comes
to it meanwhile."""

MEANT = {
    "/u/": {Purpose.LEAVE},
    "/c/": {Purpose.CONFIRM},
    "/m/": {Purpose.MANAGE},
    "/a/": {Purpose.CHANGE_OLD, Purpose.CHANGE_NEW},
}
"""The beginning of an address → the tokens that it is for."""

ROWS = (
    "INSERT INTO subscribers (id, address, normalised_address, email_key) VALUES ({n}, 'mei@readers.example', 'mei@readers.example', 'key')",
    "INSERT INTO subscriptions (id, subscriber_id, newsletter_id, state, tracking) SELECT {n}, {n}, id, 'active', 'agreed' FROM newsletters",
    """INSERT INTO signups (id, state, address, normalised_address, email_key, language, choices, form, network, user_agent)
       SELECT {n}, 'asked', 'lin@readers.example', 'lin@readers.example', 'other', 'en',
           jsonb_build_array(jsonb_build_object('newsletter', id, 'tracking', false, 'export', false, 'wordings', jsonb_build_object())), 'page', 'unknown', 'other' FROM newsletters""",
    "INSERT INTO links (id, subscriber_id, expires_at) VALUES ({n}, {n}, now() + interval '30 minutes')",
    """INSERT INTO address_changes (id, subscriber_id, address, normalised_address, email_key, language, expires_at)
       VALUES ({n}, {n}, 'new@readers.example', 'new@readers.example', 'new', 'en', now() + interval '1 day')""",
)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
REFUSED = (404, 410)
"""A link that opens once says “used up” to all it cannot open, so as not to tell a used one from a forged one."""
FIELDS = (("how", "button"), ("reason", "other"), ("until", "2030-01-01"), ("tracking", "off"), ("answer", "yes"))


class Place(NamedTuple):
    method: str
    path: str

    @property
    def meant(self) -> set[Purpose]:
        return MEANT[self.path[: self.path.index("%")]]


@pytest.fixture
def places(database: Settings) -> list[Place]:
    """Every address that takes a token, with each method that it answers."""
    collect = queue._publisher
    app = factory.create_app(database)
    assert collect is not None
    queue.use(collect)

    def path(rule: Rule) -> str:
        return re.sub(r"<[^>]*token>", "%s", rule.rule)

    return [
        Place(method, path(rule))
        for rule in app.url_map.iter_rules()
        if "token" in rule.arguments
        for method in sorted((rule.methods or set()) & {"GET", "POST"})
    ]


@pytest.fixture
def visitor(web: str, sql: Sql) -> Visitor:
    open_newsletter(sql)
    for row in ROWS:
        sql(row.format(n=NUMBER))
    return Visitor(web)


def ask(visitor: Visitor, place: Place, token: str) -> tuple[int, str]:
    path = place.path % quote(token, safe="")
    return (visitor.get(path) if place.method == "GET" else visitor.send(path, FIELDS))[:2]


def spoilt(purpose: Purpose) -> Iterator[str]:
    """Tokens of the right purpose that are not quite ours."""
    token = Signer(purpose).sign(NUMBER)
    yield from (token[:-1], token[:8], token + "A", token[::-1], token.swapcase(), "x", "A" * len(token))
    # The last character has two bits to spare: another spelling of the same bytes.
    yield token[:-1] + ALPHABET[ALPHABET.index(token[-1]) ^ 1]
    yield from (token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(0, len(token), 3))


def test_every_address_that_takes_a_token_is_known_here(places: list[Place]) -> None:
    assert {one.path[: one.path.index("%")] for one in places} == set(MEANT), "say for which tokens a new one is"


def test_a_token_of_another_purpose_opens_nothing(visitor: Visitor, places: list[Place], sql: Sql) -> None:
    before = dump(sql)
    for place in places:
        answers = {ask(visitor, place, Signer(purpose).sign(NUMBER)) for purpose in set(Purpose) - place.meant}
        answers |= {ask(visitor, place, "made-up")}
        shown = {(status, re.sub(r'"[^"]*"', "", page)) for status, page in answers}
        assert len(shown) == 1, f"{place}: one page for all that is not ours"
        assert shown.pop()[0] in REFUSED, place
    assert dump(sql) == before


def test_a_token_that_is_cut_changed_or_made_up_opens_nothing(visitor: Visitor, places: list[Place], sql: Sql) -> None:
    before = dump(sql)
    for place in places:
        for purpose in place.meant:
            for token in spoilt(purpose):
                assert ask(visitor, place, token)[0] in REFUSED, (place, purpose)
    assert dump(sql) == before


def test_another_installations_token_opens_nothing(
    visitor: Visitor, places: list[Place], sql: Sql, database: Settings
) -> None:
    settings.configure(replace(database, secret_keys=("another-installations-key-of-32-characters",)))
    tokens = {purpose: Signer(purpose).sign(NUMBER) for purpose in Purpose}
    settings.configure(database)
    before = dump(sql)
    for place in places:
        for purpose in Purpose:
            assert ask(visitor, place, tokens[purpose])[0] in REFUSED, (place, purpose)
    assert dump(sql) == before


def test_what_has_expired_or_was_used_up_changes_nothing_more(visitor: Visitor, places: list[Place], sql: Sql) -> None:
    """A leave link never expires; all others are past their time, or used, and a friendly page says so."""
    for spoil in (
        ("UPDATE signups SET created_at = now() - interval '8 days'", "UPDATE links SET expires_at = now() - interval '1 minute'",
         "UPDATE address_changes SET expires_at = now() - interval '1 minute'"),
        ("UPDATE signups SET confirmed_at = now(), state = 'confirmed'", "UPDATE links SET used_at = now()", "UPDATE address_changes SET done_at = now()"),
        ("DELETE FROM signups", "DELETE FROM links", "DELETE FROM address_changes"),
    ):  # fmt: skip
        for statement in spoil:
            sql(statement)
        before = dump(sql)
        for place in places:
            for purpose in place.meant - {Purpose.LEAVE}:
                status, page = ask(visitor, place, Signer(purpose).sign(NUMBER))
                assert status in (200, 303, 404, 409, 410), (place, purpose, status)
                assert "<main" in page or status == 303
        assert dump(sql) == before


def test_the_right_token_opens_its_address(visitor: Visitor, places: list[Place], sql: Sql) -> None:
    """Or the tests above would see nothing."""
    for place in places:
        if place.method == "GET":
            for purpose in place.meant:
                assert ask(visitor, place, Signer(purpose).sign(NUMBER))[0] == 200, (place, purpose)
    before = dump(sql)
    ask(visitor, Place("POST", "/c/%s"), Signer(Purpose.CONFIRM).sign(NUMBER))
    changed = dump(sql)
    assert {name for name in changed if changed[name] != before[name]} >= {"signups", "subscribers", "subscriptions"}
