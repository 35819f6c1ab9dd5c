"""People of the team for tests: somebody with a role, signed in over HTTP or in a browser."""

import itertools
from collections.abc import Mapping
from http.cookiejar import Cookie

from playwright.sync_api import BrowserContext

from service.db import transaction
from service.domain.permissions import Actor
from service.operations import operator_sessions, operators
from tests.web.browsing import Person

PASSWORD = "nine brown herons wade"
_NUMBERS = itertools.count(1)
_ORIGIN = {"network": "127.0.0.0/24", "user_agent": "Chrome"}


def an_operator(
    role: str | None = "owner",
    *,
    newsletters: Mapping[int, str] | None = None,
    name: str = "Ada Quill",
    address: str = "",
) -> int:
    """Somebody who holds `role` everywhere, and those of `newsletters` (id → role) there."""
    address = address or f"operator{next(_NUMBERS)}@team.example"
    made = operators.create(address, name=name, role=role, actor="test", password=PASSWORD)
    with transaction() as tx:
        for newsletter, held in (newsletters or {}).items():
            tx.execute(
                "INSERT INTO memberships VALUES (:id, :newsletter, :role)", id=made, newsletter=newsletter, role=held
            )
    return made


def token_of(operator_id: int) -> str:
    """What the cookie of one more session of theirs holds."""
    with transaction() as tx:
        return operator_sessions.begin(tx, operator_id, _ORIGIN)


def actor_of(operator_id: int) -> Actor:
    """Them, as operations see whoever acts."""
    found = operator_sessions.find(token_of(operator_id))
    assert found is not None
    return found.actor


def signed_in(operator_id: int) -> Person:
    """A browser without a screen where they are signed in."""
    person = Person()
    person.cookies.set_cookie(
        Cookie(
            0,
            "operator",
            token_of(operator_id),
            None,
            False,
            "127.0.0.1",
            False,
            False,
            "/",
            True,
            False,
            None,
            True,
            None,
            None,
            {},
        )
    )
    return person


def sign_in(context: BrowserContext, web: str, operator_id: int) -> None:
    """Sign them in at a real browser."""
    context.add_cookies([{"name": "operator", "value": token_of(operator_id), "url": web}])
