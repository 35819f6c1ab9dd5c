"""Asks whether links lead anywhere: politely, within seconds, and never into anybody's own network."""

import contextlib
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urldefrag, urljoin

from service.clients.dns import NoSuchName, Resolver, Unreachable
from service.clients.link_cache import LinkCache
from service.clients.reach import Place, Refused, place

State = Literal["alive", "dead", "unknown"]
AT_ONCE = 16
PATIENCE = 5.0
"""Seconds for one request, however slowly it drips."""
BUDGET = 18.0
"""Seconds for all links together."""
MOST_BYTES = 2 * 1024 * 1024
MOST_REDIRECTS = 5
USER_AGENT = "Broadsheet-link-check/1 (asks once a day whether a link in a newsletter leads anywhere)"
# Some sites answer HEAD otherwise than GET; what would be called dead is asked for a second time as a browser does.
_ASK_AGAIN = frozenset({403, 404, 405, 410, 501})
_GONE = frozenset({404, 410})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Answer:
    """`why` says it in words: "404 Not Found"."""

    state: State
    why: str


@dataclass(frozen=True)
class _Said:
    status: int
    reason: str
    location: str | None


def check(
    urls: Iterable[str],
    *,
    resolver: Resolver,
    cache: LinkCache | None = None,
    allow_loopback: bool = False,
    budget: float = BUDGET,
) -> dict[str, Answer]:
    """What became of each link. Ends within the budget and a moment; what there was no time for is unknown."""
    wanted = list(dict.fromkeys(urls))
    found = {url: Answer(*kept) for url in wanted if cache and (kept := cache.get(url))}
    asked = [url for url in wanted if url not in found]
    deadline = time.monotonic() + budget
    asker = _Asker(resolver, allow_loopback, deadline)
    pool = ThreadPoolExecutor(max_workers=AT_ONCE)
    try:
        running = {url: pool.submit(asker.ask, url) for url in asked}
        wait(running.values(), timeout=budget)
        for url, future in running.items():
            found[url] = future.result() if future.done() else Answer("unknown", "there was no time left to ask")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if cache is not None:
        cache.keep({url: (found[url].state, found[url].why) for url in asked if found[url].state != "unknown"})
    return {url: found[url] for url in wanted}


@dataclass(frozen=True)
class _Asker:
    resolver: Resolver
    allow_loopback: bool
    deadline: float

    def ask(self, url: str) -> Answer:
        """Never raises: whatever goes wrong is an answer."""
        try:
            said = self._follow(url, "HEAD")
            if said.status in _ASK_AGAIN:
                said = self._follow(url, "GET")
        except NoSuchName as error:
            return Answer("dead", f"there is no site {error}")
        except Unreachable:
            return Answer("unknown", "its name could not be looked up")
        except Refused as error:
            return Answer("unknown", str(error))
        except TimeoutError:
            return Answer("unknown", f"no answer within {PATIENCE:.0f} seconds")
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer("unknown", f"the connection failed ({type(error).__name__})")
        words = f"{said.status} {said.reason}".strip()[:60]
        if said.status in _GONE:
            return Answer("dead", words)
        return Answer("alive" if said.status < 400 else "unknown", words)

    def _follow(self, url: str, method: str) -> _Said:
        """The answer at the end of all redirects; each hop is resolved and judged anew."""
        for _hop in range(MOST_REDIRECTS + 1):
            bare = urldefrag(url).url
            said = self._once(place(bare, self.resolver, allow_loopback=self.allow_loopback), method)
            if said.status not in _REDIRECTS or not said.location:
                return said
            url = urljoin(bare, said.location)
        raise Refused(f"it was redirected more than {MOST_REDIRECTS} times")

    def _once(self, where: Place, method: str) -> _Said:
        left = min(PATIENCE, self.deadline - time.monotonic())
        if left <= 0:
            raise Refused("there was no time left to ask")
        connection = Connection(where, left)
        # A socket's timeout starts again with every byte; this one does not.
        watch = threading.Timer(left, connection.abort)
        watch.daemon = True
        watch.start()
        try:
            connection.request(method, where.target, headers={"User-Agent": USER_AGENT, "Accept": "*/*"})
            answer = connection.getresponse()
            return _Said(answer.status, answer.reason, answer.headers.get("Location"))
        except (OSError, http.client.HTTPException):
            if connection.aborted:
                raise TimeoutError from None
            raise
        finally:
            watch.cancel()
            connection.close()


class _Counted(io.RawIOBase):
    """What a socket gives, up to the most that is read of any answer."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got: int = self._raw.readinto(buffer) or 0
        self._left -= got
        if self._left < 0:
            raise OSError("the answer is too long")
        return got

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **words: Any) -> None:
        super().__init__(sock, *arguments, **words)
        self.fp.close()
        self.fp = io.BufferedReader(_Counted(sock.makefile("rb", buffering=0)))


class Connection(http.client.HTTPConnection):
    """Connects to the address that was judged, whatever the name would resolve to by now; the certificate is the name's."""

    response_class = _Response

    def __init__(self, where: Place, patience: float) -> None:
        super().__init__(where.host, where.port, timeout=patience)
        self._where = where
        self._raw: Any = None
        self.aborted = False
        self.default_port = 443 if where.secure else 80

    def connect(self) -> None:
        self._raw = socket.create_connection((self._where.address, self._where.port), self.timeout)
        self.sock = self._raw
        if self._where.secure:
            context = ssl.create_default_context()
            # Shaking hands may drip too, so that `abort` must know the socket before.
            self._raw = self.sock = context.wrap_socket(
                self._raw, server_hostname=self._where.host, do_handshake_on_connect=False
            )
            self._raw.do_handshake()

    def abort(self) -> None:
        """Called when the time is up, from another thread: whoever waits for a byte stops waiting."""
        self.aborted = True
        if self._raw is not None:
            with contextlib.suppress(OSError):  # closed already
                self._raw.shutdown(socket.SHUT_RDWR)
