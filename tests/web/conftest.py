"""A reader at their own page: asks for a link, opens it, and is there."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import a_newsletter, readers
from tests.web.browsing import Page, Person
from tests.web.entering import MEI, mailed_link

Sql = Callable[..., list[Any]]
Bells = list[tuple[str, tuple[int, ...]]]


@pytest.fixture
def monthly(web: str, sql: Sql) -> int:
    made = a_newsletter()
    sql("UPDATE newsletters SET accepts_signups = true, time_zone = 'Asia/Shanghai'")
    return made


@pytest.fixture
def weekly(monthly: int, sql: Sql) -> int:
    made = a_newsletter("weekly", name="The Weekly")
    sql("UPDATE newsletters SET accepts_signups = true WHERE id = %s", made)
    return made


@pytest.fixture
def reader(monthly: int) -> int:
    """Mei's subscription to the monthly."""
    return readers(monthly, [MEI], tracking="agreed", names={MEI: "Mei"})[0]


@pytest.fixture
def enter(web: str, reader: int, sql: Sql, bells: Bells) -> Callable[[], tuple[Person, Page]]:
    """Ask for a link, open it, and be at the preferences."""

    def opened() -> tuple[Person, Page]:
        sql("DELETE FROM mails")
        person = Person()
        person.press(person.get(f"{web}/manage"), "/manage", address=MEI)
        token = mailed_link(sql, bells)
        return person, person.press(person.get(f"{web}/m/{token}"), token)

    return opened
