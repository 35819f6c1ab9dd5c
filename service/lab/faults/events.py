"""F7: the webhook says everything many times, backwards, late, in pieces, before we have recorded the answer, of things that nobody
knows, and of the wrong shape; and is away for a while. What is known of each copy at the end is the same."""

import http.client
import json
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.lab import telling
from service.lab.faults.checking import Books, Copy
from service.lab.faults.issues import Sending
from service.lab.faults.machine import wait_until
from service.lab.faults.run import Run, UnprovedError, patiently
from service.lab.telling import Event

KINDS = (
    "duplicated",
    "reversed",
    "shuffled",
    "replayed",
    "split",
    "early",
    "strangers",
    "malformed",
    "too-large",
    "away",
)
TIMES = 46
"""As often as one event was seen to come."""
PAGE = 200
TOO_LARGE = 5 * 1024 * 1024


def told_in_every_way(run: Run) -> None:
    """F7: the kinds go round with the seed."""
    kind = KINDS[run.seed % len(KINDS)]
    run.notes["kind"] = kind
    run.killed(0)
    if kind in ("early", "away"):
        _by_the_sandbox(run, away=kind == "away")
        return
    run.script(events={"enabled": False})
    sending = run.send()
    run.somewhere(sending)
    teller = _Teller(run, kind)
    teller.tell(_events(sending.books().copies))
    sending.wait_until_done()
    every = _events(sending.books().copies)
    teller.tell(every)
    if kind == "replayed":
        teller.tell(every)
    sending.checks.append(lambda _: _known(run, sending, every))
    wait_until(lambda: not _waiting(run), run.machine.size.patience, "the events to be taken in", 0.2)
    run.notes |= {"events": teller.told, "refused": teller.refused, "slowest": round(teller.slowest, 2)}


def _by_the_sandbox(run: Run, *, away: bool) -> None:
    """Events that come at once, before the answer is recorded; or while nobody is there to take them."""
    run.script(events={"enabled": True, "delay_ms": 0, "duplicate": 1.0, "shuffle": True})
    sending = run.send()
    run.somewhere(sending)
    if away:
        for _ in range(3):
            with suppress(ProcessLookupError):
                run.machine.send_signal("web", signal.SIGKILL)
                run.killed()
            time.sleep(1)
    sending.checks.append(lambda books: _all_processed(run, sending, books))


class _Teller:
    """Posts events, signed as the sandbox signs, in the way of the kind."""

    def __init__(self, run: Run, kind: str) -> None:
        self._run, self._kind = run, kind
        key = serialization.load_pem_private_key(run.machine.settings.sandbox_webhook_key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise UnprovedError("the sandbox's key is of another kind")
        self._key = key
        self.told = self.refused = 0
        self.slowest = 0.0

    def tell(self, events: list[Event]) -> None:
        rng = self._run.rng
        match self._kind:
            case "duplicated":
                some = rng.sample(events, min(60, len(events)))
                pages = [*_pages(events, PAGE), *([some] * (TIMES - 1))]
                rng.shuffle(pages)
            case "reversed":
                pages = list(_pages(events[::-1], PAGE))[::-1]
            case "split":
                pages = [[event] for event in rng.sample(events, min(150, len(events)))] + list(_pages(events, PAGE))
            case "shuffled":
                pages = list(_pages(rng.sample(events, len(events)), 37))
            case "strangers":
                pages = [page + _strangers(rng.randrange(2**31)) for page in _pages(events, PAGE)]
            case "malformed":
                pages = list(_pages(events, PAGE))
                for body in (b"{}", b"[1]", b"not json", b'[{"event": 7}]', b"[[]]", b"\xff\xfe", b"[" * 4000):
                    self._post(body)
            case "too-large":
                pages = list(_pages(events, PAGE))
                if self._post(b"[" + b" " * TOO_LARGE + b"]") != 413:
                    raise UnprovedError("a body of 5 MB was not refused")
            case _:
                pages = list(_pages(events, PAGE))
        for page in pages:
            if self._post(json.dumps(page).encode()) != 204:
                raise UnprovedError("a page of events was refused")
            self.told += len(page)

    def _post(self, body: bytes) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._run.machine.settings.port, timeout=30)
        started = time.monotonic()
        try:
            connection.request("POST", "/webhooks/sendgrid", body, telling.headers_of(self._key, body))
            status = connection.getresponse().status
        except BrokenPipeError:
            status = 413  # refused by its length, before it was read
        finally:
            connection.close()
        self.slowest = max(self.slowest, time.monotonic() - started)
        self.refused += status >= 400
        return status


def _events(copies: Any) -> list[Event]:
    """Three for each copy, at moments that are its own, each of them told with different words of the provider."""
    found = []
    for copy in copies:
        base = int(copy.delivery) % 1000 + 1_800_000_000
        for later, kind in enumerate(("processed", "deferred", "delivered")):
            found.append(_event(copy, kind, base + later))
    return found


def _event(copy: Copy, kind: str, at: int) -> Event:
    return {
        "event": kind, "email": copy.address, "timestamp": at, "sg_event_id": uuid.uuid4().hex,
        "sg_message_id": f"{copy.request}.filter", "bs_attempt": copy.attempt, "bs_delivery": copy.delivery,
    }  # fmt: skip


def _strangers(number: int) -> list[Event]:
    """Of mails that we never sent, and of none at all."""
    ours = {"event": "delivered", "timestamp": 1_800_000_000, "email": "somebody@elsewhere.example"}
    return [
        ours,
        {**ours, "bs_delivery": str(10**12 + number), "bs_attempt": str(uuid.uuid4())},
        {**ours, "bs_delivery": "none", "bs_attempt": []},
        {**ours, "event": "invented", "bs_delivery": None},
        {**ours, "timestamp": "yesterday", "bs_delivery": str(number), "bs_attempt": str(uuid.uuid4())},
    ]


def _pages(events: list[Event], size: int) -> Iterator[list[Event]]:
    for start in range(0, len(events), size):
        yield events[start : start + size]


def _waiting(run: Run) -> int:
    return int(patiently(lambda: run.machine.sql("SELECT count(*) FROM payloads WHERE state = 'pending'"))[0][0])


def _known(run: Run, sending: Sending, events: list[Event]) -> Iterator[str]:
    """The facts of every copy are those that the events say, once each, whatever way they were told."""
    meant = {(event["bs_delivery"], event["event"], event["timestamp"]) for event in events}
    rows = run.machine.sql(
        """SELECT delivery_id::text, type, extract(epoch FROM at)::bigint FROM events WHERE issue_id = %s
           AND type IN ('processed', 'deferred', 'delivered')""",
        sending.issue,
    )
    if len(rows) != len(set(rows)):
        yield f"I8: {len(rows) - len(set(rows))} events are there twice"
    if set(rows) != meant:
        yield f"I8: {len(meant - set(rows))} events are missing, {len(set(rows) - meant)} are nobody's"
    facts = run.machine.sql(
        """SELECT id::text, extract(epoch FROM processed_at)::bigint, extract(epoch FROM deferred_at)::bigint,
               extract(epoch FROM delivered_at)::bigint FROM deliveries WHERE issue_id = %s AND processed_at IS NOT NULL""",
        sending.issue,
    )
    found = {(one, kind, at) for one, *ats in facts for kind, at in zip(_FACTS, ats, strict=True) if at is not None}
    if found != meant:
        yield f"I8: the facts of {len(found ^ meant)} copies differ from what was told"
    if aside := run.machine.sql("SELECT count(*) FROM payloads WHERE state = 'set-aside'")[0][0]:
        yield f"I8: {aside} payloads were set aside"


_FACTS = ("processed", "deferred", "delivered")


def _all_processed(run: Run, sending: Sending, books: Books) -> Iterator[str]:
    """Every copy's event has arrived, however long it took."""

    def unknown() -> int:
        rows = run.machine.sql(
            "SELECT count(*) FROM deliveries WHERE issue_id = %s AND processed_at IS NOT NULL", sending.issue
        )
        return len(books.copies) - int(rows[0][0])

    if books.state == "sent":
        with suppress(AssertionError):
            wait_until(lambda: unknown() <= 0, 60, "the events", 0.2)
        if left := unknown():
            yield f"I8: of {left} copies the event never arrived"
