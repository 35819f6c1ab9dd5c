"""What tests of operations share."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from service import db
from service.settings import Settings


@pytest.fixture
def scratch(installation: Settings) -> Iterator[Engine]:
    """A database of its own, without tables."""
    name = "scratch"
    with db.owner_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = create_engine(make_url(installation.database_owner_url).set(database=name))
    yield engine
    engine.dispose()
