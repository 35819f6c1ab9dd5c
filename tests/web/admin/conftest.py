"""What most tests of the team's pages begin with."""

import pytest

from tests.builders import a_newsletter
from tests.team import an_operator, signed_in
from tests.web.browsing import Person


@pytest.fixture
def newsletter(web: str) -> int:
    return a_newsletter()


@pytest.fixture
def editor(newsletter: int) -> Person:
    """Somebody who may write in all newsletters, signed in."""
    return signed_in(an_operator("editor"))
