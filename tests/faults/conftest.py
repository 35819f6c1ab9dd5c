"""One installation for all faults; each test leaves it running as it found it."""

import time
from collections.abc import Callable, Iterator

import pytest

from service.lab.faults import issues, sizes
from service.lab.faults.issues import Sending
from service.lab.faults.machine import Machine
from service.lab.faults.sizes import Size


@pytest.fixture(scope="session")
def size() -> Size:
    return sizes.chosen()


@pytest.fixture(scope="session")
def one_machine(size: Size) -> Iterator[Machine]:
    machine = Machine(size)
    try:
        machine.start()
        yield machine
    finally:
        machine.close()


@pytest.fixture
def machine(one_machine: Machine) -> Machine:
    """The installation, well-behaved, with this process wired to it."""
    one_machine.wire()
    one_machine.script()
    return one_machine


@pytest.fixture(scope="session")
def newsletter(one_machine: Machine) -> int:
    """A newsletter with as many readers as the size asks for."""
    one_machine.wire()
    return issues.a_newsletter(one_machine, "monthly", one_machine.size.readers)


@pytest.fixture(scope="session")
def small_newsletter(one_machine: Machine) -> int:
    """A newsletter for what needs no middle to speak of."""
    one_machine.wire()
    return issues.a_newsletter(one_machine, "small", 8 * one_machine.size.batch_size)


@pytest.fixture
def send(machine: Machine, newsletter: int) -> Callable[[], Sending]:
    return lambda: Sending(machine, newsletter)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Say in numbers what happened: shown by `pytest -rP`."""
    started = time.monotonic()

    def say(**numbers: object) -> None:
        words = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in numbers.items())
        print(f"{request.node.name}: {words}, seconds {time.monotonic() - started:.1f}")

    return say
