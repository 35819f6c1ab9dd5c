"""Two that start at the same moment never get the same port: each would take the other's web for its own."""

import socket
from contextlib import ExitStack

import pytest

from service import ports
from service.errors import BroadsheetError


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_that_somebody_is_about_to_bind_is_not_given_again() -> None:
    wished = a_free_port()
    with ports.kept(wished) as first, ports.kept(wished) as second:
        assert first == wished
        assert second != wished
    with ports.kept(wished) as again:
        assert again == wished, "given back"


def test_many_at_once_have_a_port_each() -> None:
    with ExitStack() as stack:
        found = [stack.enter_context(ports.kept(a_free_port())) for _ in range(50)]
    assert len(set(found)) == 50


def test_whoever_has_it_can_bind_it() -> None:
    with ports.kept(a_free_port()) as port, socket.socket() as web:
        web.bind(("127.0.0.1", port))
        web.listen()
        with pytest.raises(BroadsheetError, match=f"Port {port} is taken.*choose another with --port"):
            ports.kept(port, option="--port").__enter__()


def test_a_port_that_was_named_to_somebody_is_refused_where_it_is_kept_or_bound() -> None:
    wished = a_free_port()
    with ports.kept(wished), pytest.raises(BroadsheetError, match="is taken"):
        ports.kept(wished, option="--sandbox-port").__enter__()
    with socket.socket() as another:
        another.bind(("127.0.0.1", wished))
        another.listen()
        with pytest.raises(BroadsheetError, match="choose another with --sandbox-port"):
            ports.kept(wished, option="--sandbox-port").__enter__()
