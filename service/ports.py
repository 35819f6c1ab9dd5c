"""Ports of this machine that are kept for one installation until its web and sandbox have bound them, and for as long as they run."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import BroadsheetError

_HOST = "127.0.0.1"
_TRIES = 100


@contextmanager
def kept(port: int, *, option: str | None = None) -> Iterator[int]:
    """This port for nobody but us until leaving; where it is taken, another that is free, or BroadsheetError that names the
    `option` with which to choose one."""
    claim = _claim(port)
    if claim is None and option is not None:
        raise BroadsheetError(f"Port {port} is taken. Stop what uses it, or choose another with {option}.")
    claim = claim or next(filter(None, (_claim(0) for _ in range(_TRIES))), None)
    if claim is None:
        raise BroadsheetError("No free port was found on this machine.")
    with claim:
        yield int(claim.getsockname()[1])


def _claim(port: int) -> socket.socket | None:
    """The port of UDP with the same number, held as the sign of a claim: two that start at the same moment cannot both have it, the
    web can bind the port of TCP beside it, and it ends with the process. None where either is taken. 0 is any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            probe.bind((_HOST, port))
            claim.bind((_HOST, probe.getsockname()[1]))
        except OSError:
            claim.close()
            return None
    return claim
