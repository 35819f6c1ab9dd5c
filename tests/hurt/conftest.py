"""One installation for all that hurts servers under the pages of readers; each test leaves it well."""

import os
from collections.abc import Iterator

import pytest

from service.lab.faults import issues, sizes
from service.lab.faults.machine import Machine, wait_until
from tests.hurt.acts import Readers, answers_again


@pytest.fixture(scope="session")
def is_long() -> bool:
    return os.environ.get("BROADSHEET_FAULTS") == "long"


@pytest.fixture(scope="module")
def hurt_machine() -> Iterator[Machine]:
    machine = Machine(sizes.chosen())
    try:
        machine.start()
        yield machine
    finally:
        machine.close()


@pytest.fixture(scope="module")
def all_readers(hurt_machine: Machine) -> Readers:
    hurt_machine.wire()
    return Readers(hurt_machine, issues.a_newsletter(hurt_machine, "monthly", 1000))


@pytest.fixture
def readers(hurt_machine: Machine, all_readers: Readers) -> Iterator[Readers]:
    """Readers of an installation that is well, and is well again afterwards."""
    hurt_machine.wire()
    yield all_readers
    wait_until(lambda: answers_again(hurt_machine), hurt_machine.size.patience, "PostgreSQL")
    wait_until(lambda: all(one.good for one in all_readers.ready().run()), hurt_machine.size.patience, "every page")
