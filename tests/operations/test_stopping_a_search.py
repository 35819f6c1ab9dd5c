"""A slow search of readers is ended on the database's server by whoever began it, and nothing else is."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from service import db
from service.domain.permissions import Actor
from service.errors import Forbidden, Invalid
from service.operations import finding
from service.settings import Settings
from tests.builders import a_newsletter, readers
from tests.team import an_operator, signed_in

Sql = Callable[..., list[Any]]
Search = Callable[..., "Future[list[dict[str, Any]]]"]
MEI = Actor("operator 1", {None: ["editor"]})
BO = Actor("operator 2", {None: ["editor"]})
UNDER_WAY = "SELECT count(*) FROM pg_stat_activity WHERE application_name ^@ 'search ' AND wait_event_type = 'Lock'"


@pytest.fixture
def search(database: Settings, sql: Sql) -> Iterator[Search]:
    """Begin a search that takes as long as it may: what it reads is locked."""
    readers(a_newsletter(), ["mei@readers.example"])
    with ThreadPoolExecutor() as pool, db.owner_engine().connect() as blocking:
        blocking.execute(text("LOCK TABLE subscribers IN ACCESS EXCLUSIVE MODE"))

        def begun(actor: str, ticket: str) -> "Future[list[dict[str, Any]]]":
            before = sql(UNDER_WAY)[0][0]
            future = pool.submit(finding.find, "mei", actor=actor, anywhere=True, ticket=ticket)
            deadline = time.monotonic() + 5
            while sql(UNDER_WAY)[0][0] == before:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            return future

        yield begun
        blocking.rollback()


def test_only_the_search_that_is_meant_ends(search: Search, sql: Sql) -> None:
    meant, other = search(MEI, "a"), search(MEI, "b")
    began = time.monotonic()
    assert finding.stop("a", actor=MEI)
    with pytest.raises(Invalid, match="was stopped"):
        meant.result(timeout=5)
    assert time.monotonic() - began < finding.SECONDS / 2, "it did not end by its own limit"
    assert sql(UNDER_WAY) == [(1,)], "the server works on it no more, and still on the other"
    assert finding.stop("b", actor=MEI)
    with pytest.raises(Invalid):
        other.result(timeout=5)
    assert not finding.stop("a", actor=MEI)


def test_nobody_ends_the_search_of_another(search: Search, sql: Sql) -> None:
    mine = search(MEI, "a")
    assert not finding.stop("a", actor=BO)
    with pytest.raises(Forbidden):
        finding.stop("a", actor=Actor("operator 3", {None: ["analyst"]}))
    assert sql(UNDER_WAY) == [(1,)]
    finding.stop("a", actor=MEI)
    with pytest.raises(Invalid):
        mine.result(timeout=5)


def test_a_connection_forgets_the_search_that_it_was_used_for(database: Settings, sql: Sql) -> None:
    readers(a_newsletter(), ["mei@readers.example"])
    assert len(finding.find("ei@", actor=MEI, anywhere=True, ticket="a")) == 1
    named = sql("SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, 'search ')")
    assert named == [(0,)]
    assert not finding.stop("a", actor=MEI)


def test_the_page_can_stop_what_it_began(web: str) -> None:
    person = signed_in(an_operator("editor"))
    page = person.get(f"{web}/admin/readers")
    ticket = page.form("/stop")[1]["ticket"]
    assert page.form("/admin/readers")[1]["ticket"] == ticket
    assert "No search was under way any more." in person.press(page, "/stop").said
    assert page.form("/stop")[1]["ticket"] != person.get(f"{web}/admin/readers").form("/stop")[1]["ticket"]
