"""Carries out one misbehaviour: a wrong answer, a spoilt one, or none at all, down to the socket. Decides nothing."""

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator

from flask import Response, request

from service.sandbox import answers
from service.sandbox.misbehaviour import Rule

_GATEWAY_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_RATE_LIMIT = "600"
_OVERLOADED: answers.Error = {"message": "Internal Server Error", "field": None, "help": None}
_UNAVAILABLE: answers.Error = {"message": "Service Unavailable", "field": None, "help": None}


def perform(rule: Rule, *, request_id: str, named: int) -> Response:
    """The answer a rule asks for. `named` is the personalization that a 400-named blames."""
    return _ACTIONS[rule.do](rule, request_id, named)


def _too_many(rule: Rule, _request_id: str, _named: int) -> Response:
    headers = {
        "X-RateLimit-Limit": _RATE_LIMIT,
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(time.time() + rule.reset_in)),
    }
    return answers.refuse(429, [answers.TOO_MANY], headers)


def _named_refusal(_rule: Rule, _request_id: str, named: int) -> Response:
    field = f"personalizations.{named}.to"
    return answers.refuse(400, [answers.error(answers.NO_VALID_TO, field, "message.personalizations.to")])


def _fixed(status: int, fault: answers.Error) -> Callable[[Rule, str, int], Response]:
    return lambda _rule, _request_id, _named: answers.refuse(status, [fault])


def _gateway(_rule: Rule, _request_id: str, _named: int) -> Response:
    return Response(_GATEWAY_PAGE, status=502, content_type="text/html")


def _garbled(_rule: Rule, _request_id: str, _named: int) -> Response:
    return Response(b"\x00\xff<!-- not what you expect -->{", status=202, content_type="text/html")


def _redirect(_rule: Rule, _request_id: str, _named: int) -> Response:
    return Response(b"", status=302, headers={"Location": "/healthz"})


def _drop(_rule: Rule, _request_id: str, _named: int) -> Response:
    def cut(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return _raw(cut)


def _stall(rule: Rule, _request_id: str, _named: int) -> Response:
    def wait(connection: socket.socket) -> None:
        # Wakes early when the client hangs up, so that no thread outlives its request.
        select.select([connection], [], [], rule.seconds)

    return _raw(wait)


def _garbage(_rule: Rule, _request_id: str, _named: int) -> Response:
    return _raw(lambda connection: connection.sendall(b"\x16\x03\x01 250 OK queued\r\n\r\n"))


def _drip(rule: Rule, request_id: str, _named: int) -> Response:
    answer = f"HTTP/1.1 202 Accepted\r\nX-Message-Id: {request_id}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def drip(connection: socket.socket) -> None:
        for letter in answer.encode():
            connection.sendall(bytes((letter,)))
            time.sleep(rule.seconds / len(answer))

    return _raw(drip)


def _raw(act: Callable[[socket.socket], object]) -> Response:
    """Hands the socket to `act` and then closes it without a word from the server; a client that left is no fault."""
    connection: socket.socket = request.environ["werkzeug.socket"]

    def body() -> Iterator[bytes]:
        with contextlib.suppress(OSError):
            act(connection)
            # Without it the server would wait on this connection for a next request.
            connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError
        yield b""

    return Response(body())


_ACTIONS: dict[str, Callable[[Rule, str, int], Response]] = {
    "429": _too_many,
    "429-bare": _fixed(429, answers.TOO_MANY),
    "500": _fixed(500, _OVERLOADED),
    "500-after-accept": _fixed(500, _OVERLOADED),
    "502-html": _gateway,
    "503": _fixed(503, _UNAVAILABLE),
    "stall": _stall,
    "stall-after-accept": _stall,
    "drop": _drop,
    "drop-after-accept": _drop,
    "garbage": _garbage,
    "garbage-202": _garbled,
    "redirect": _redirect,
    "401": _fixed(401, answers.BAD_KEY),
    "401-credits": _fixed(401, answers.NO_CREDITS),
    "403": _fixed(403, answers.UNVERIFIED_SENDER),
    "413": _fixed(413, answers.TOO_LARGE),
    "400-unnamed": _fixed(400, answers.BAD_REQUEST),
    "400-named": _named_refusal,
    "slow-drip": _drip,
}
