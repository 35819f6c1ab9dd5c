"""One sandbox process and one webhook receiver for all these tests, emptied and well-behaved before each."""

from collections.abc import Iterator

import pytest

from tests.sandbox.running import Receiver, Sandbox


@pytest.fixture(scope="session")
def _pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Receiver]]:
    receiver = Receiver()
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox") / "home", webhook_url=receiver.url)
    try:
        yield sandbox.start(), receiver
    finally:
        sandbox.stop()
        receiver.close()


@pytest.fixture
def sandbox(_pair: tuple[Sandbox, Receiver]) -> Sandbox:
    """Its events come at once, and nobody bounces or reads unless a test asks for it."""
    running, receiver = _pair
    running.call("POST", "/sandbox/events", {"hold": False})
    running.call("DELETE", "/sandbox/messages")
    running.call("DELETE", "/sandbox/script")
    quiet = dict.fromkeys(("bounce", "blocked", "deferred", "open", "machine_open", "click", "complaint"), 0)
    running.script(events={**quiet, "delay_ms": 0})
    receiver.status = 204
    receiver.posts.clear()
    return running


@pytest.fixture
def receiver(_pair: tuple[Sandbox, Receiver], sandbox: Sandbox) -> Receiver:
    assert sandbox.port
    return _pair[1]
