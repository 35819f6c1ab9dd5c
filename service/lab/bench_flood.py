"""What a flood of webhooks costs an issue that is being sent: the same events in three ways. Once and in order about a first issue;
not at all while a second is sent; repeated, shuffled, reversed and a day late while a third is sent. Their end states must be equal."""

import base64
import hashlib
import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from service.clients.sendgrid_events import (
    ATTEMPT_ARGUMENT,
    DELIVERY_ARGUMENT,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
)
from service.errors import BroadsheetError
from service.lab import bench, bench_send, filling
from service.settings import Settings

Event = dict[str, Any]

PAYLOAD = 500
"""Events a POST; SendGrid fills up to 768 KB."""
MOST_REPEATED = 46
"""The most that anybody has reported of one event."""
REPEATED = 0.01
CONNECTIONS = 8
DAY = 86_400
LONGEST = 1800.0
_DELIVERIES = """
    SELECT d.id, d.subscriber_id, a.id FROM deliveries d JOIN attempts a ON a.batch_id = d.batch_id AND a.state = 'accepted'
    WHERE d.issue_id = %s ORDER BY d.subscriber_id LIMIT %s
"""
_FACTS = """
    SELECT subscriber_id, processed_at, deferred_at, delivered_at, bounced_at, dropped_at, opened_at, opened_by_machine_at, clicked_at,
        complained_at, unsubscribed_at FROM deliveries WHERE issue_id = %s ORDER BY subscriber_id
"""
_EVENTS = """
    SELECT d.subscriber_id, e.type, e.at, e.detail, e.url FROM events e JOIN deliveries d ON d.id = e.delivery_id
    WHERE e.issue_id = %s ORDER BY 1, 2, 3, 4, 5
"""
_WAITING = "SELECT count(*) FROM payloads WHERE state <> 'ingested'"


@dataclass
class _Posts:
    """Answers to posted payloads."""

    seconds: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)


def run(
    home: Path, readers: int, events: int, latency: float, workers: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure. Raises BroadsheetError when the end states differ, a hook is not taken, or an issue is not sent to all."""
    machine = bench.machine()
    key = ec.generate_private_key(ec.SECP256R1())
    with (
        bench_send.sink(latency) as port,
        bench.fresh(home, **bench_send.real(port, workers, key.public_key())) as chosen,
    ):
        letter = bench.a_newsletter()
        filling.people(chosen, readers * 50 // 49, letter)
        filling.settle(chosen)
        first, second, third = (filling.issue(letter, number) for number in (1, 2, 3))
        bench_send.send(chosen, first, say)
        once = _about(chosen, first, events)
        _flood(chosen, key, _payloads(once))
        _wait_until_taken(chosen)
        say(f"{len(once):,} events once and in order; a second issue is sent without any.")
        alone = _rate(chosen, second, say)
        flood = _flooded(_about(chosen, second, events), events)
        say(f"{sum(len(one) for one in flood):,} events at once while a third issue is sent.")
        posts = _Posts()
        flooded, meanwhile = _rate_in_flood(chosen, key, flood, posts, third, say)
        settled = _wait_until_taken(chosen)
        digests = [_digest(chosen, issue) for issue in (first, second)]
    _check(posts, digests)
    return {
        "readers": readers,
        "events": sum(len(one) for one in flood),
        "distinct_events": len(once),
        "undisturbed_per_second": round(alone),
        "flooded_per_second": round(flooded),
        "ratio": round(flooded / alone, 3),
        **_answers(posts),
        "taken_during_the_issue": round(meanwhile, 2),
        "settled_after_s": round(settled, 1),
        "digest": digests[0],
        "machine": machine | {"load_after": bench.load_average()},
    }


def _rate_in_flood(
    chosen: Settings,
    key: ec.EllipticCurvePrivateKey,
    flood: list[list[Event]],
    posts: _Posts,
    issue: int,
    say: Callable[[str], None],
) -> tuple[float, float]:
    """Readers a second while everything is posted from the freeze on, and the share of payloads that was taken in meanwhile."""
    began = threading.Event()

    def when_it_begins() -> None:
        began.wait()
        _flood(chosen, key, flood, posts)

    flooding = threading.Thread(target=when_it_begins)
    flooding.start()
    try:
        return _rate(chosen, issue, say, began), _share_taken(chosen)
    finally:
        began.set()
        flooding.join()


def _check(posts: _Posts, digests: list[str]) -> None:
    if posts.statuses != {204}:
        raise BroadsheetError(f"Hooks were answered with {sorted(posts.statuses)}.")
    if len(set(digests)) != 1:
        raise BroadsheetError("The flood left another end state than the same events once and in order.")


def _answers(posts: _Posts) -> dict[str, float]:
    return {
        "hook_p50_ms": round(1000 * bench.percentile(posts.seconds, 0.5), 1),
        "hook_p99_ms": round(1000 * bench.percentile(posts.seconds, 0.99), 1),
    }


def _rate(chosen: Settings, issue: int, say: Callable[[str], None], began: threading.Event | None = None) -> float:
    """Readers a second from the freeze until the issue is sent."""
    frozen, sent = bench_send.send(chosen, issue, say, began)
    with filling.connected(chosen) as connection:
        row = connection.execute(
            "SELECT sum(size - excluded - failed) FROM batches WHERE issue_id = %s AND state = 'accepted'", (issue,)
        ).fetchone()
    return int(row[0] if row else 0) / max(0.001, sent - frozen)


def _about(chosen: Settings, issue: int, events: int) -> list[Event]:
    """The distinct events of an issue's readers, in the order of their times, a day ago: of readers by turns delivered and read,
    refused for now, or late."""
    with filling.connected(chosen) as connection:
        rows = connection.execute(
            _DELIVERIES, (issue, max(1, int(events * (1 - REPEATED * MOST_REPEATED) / 3.5)))
        ).fetchall()
    start = int(time.time()) // DAY * DAY - DAY
    found = [
        {**event, DELIVERY_ARGUMENT: str(delivery), ATTEMPT_ARGUMENT: str(attempt), "email": "someone@readers.example"}
        for delivery, subscriber, attempt in rows
        for event in _of_reader(subscriber, start + subscriber % 3600)
    ]
    return sorted(found, key=lambda one: int(one["timestamp"]))


def _of_reader(number: int, at: int) -> Iterator[Event]:
    yield {"event": "processed", "timestamp": at}
    if number % 10 == 0:
        yield {"event": "deferred", "timestamp": at + 5, "attempt": "1"}
        yield {"event": "deferred", "timestamp": at + 65, "attempt": "2"}
    if number % 25 == 0:
        yield {"event": "bounce", "type": "blocked", "status": "4.2.2", "timestamp": at + 90}
        return
    yield {"event": "delivered", "timestamp": at + 70}
    yield {"event": "open", "timestamp": at + 400, "sg_machine_open": number % 3 == 0}
    if number % 2:
        url = {"url": "https://www.example.com/more", "url_offset": {"index": number % 3, "type": "html"}}
        yield {"event": "click", "timestamp": at + 420, **url}


def _flooded(once: Sequence[Event], events: int) -> list[list[Event]]:
    """As many events in all as asked for: some repeated 46 times, the rest again by chance; shuffled, every second payload reversed."""
    chance = random.Random(7)  # noqa: S311 (repeatable, not secret)
    every = list(once)
    for one in chance.sample(every, int(len(every) * REPEATED)):
        every += [one] * (MOST_REPEATED - 1)
    every += chance.choices(once, k=max(0, events - len(every)))
    late = sorted(every, key=lambda one: int(one["timestamp"]))
    chance.shuffle(late)
    return [part[::-1] if n % 2 else part for n, part in enumerate(_payloads(late))]


def _payloads(events: Sequence[Event]) -> list[list[Event]]:
    return [list(events[n : n + PAYLOAD]) for n in range(0, len(events), PAYLOAD)]


def _flood(
    chosen: Settings, key: ec.EllipticCurvePrivateKey, payloads: list[list[Event]], posts: _Posts | None = None
) -> None:
    """Post everything as fast as it is taken, signed as SendGrid does."""
    posts = posts or _Posts()
    stamp = str(int(time.time()))
    signed = [_signed(key, stamp, json.dumps(one, separators=(",", ":")).encode() + b"\r\n") for one in payloads]
    threads = [
        threading.Thread(target=_post_all, args=(chosen.port, stamp, signed[n::CONNECTIONS], posts))
        for n in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _signed(key: ec.EllipticCurvePrivateKey, stamp: str, body: bytes) -> tuple[bytes, str]:
    return body, base64.b64encode(key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()


def _post_all(port: int, stamp: str, signed: list[tuple[bytes, str]], posts: _Posts) -> None:
    for body, signature in signed:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: stamp, "Content-Type": "application/json"}
        begun = time.monotonic()
        connection.request("POST", "/webhooks/sendgrid", body, headers)
        answer = connection.getresponse()
        answer.read()
        posts.seconds.append(time.monotonic() - begun)
        posts.statuses.add(answer.status)
        connection.close()


def _share_taken(chosen: Settings) -> float:
    with filling.connected(chosen) as connection:
        row = connection.execute(
            "SELECT avg((state = 'ingested')::int) FROM payloads WHERE received_at > (SELECT max(prepared_at) FROM issues)"
        ).fetchone()
    return float((row[0] if row else 0) or 0)


def _wait_until_taken(chosen: Settings) -> float:
    """Seconds until every payload has been taken in. Raises BroadsheetError when that takes too long."""
    begun = time.monotonic()
    with filling.connected(chosen) as connection:
        connection.autocommit = True
        while time.monotonic() - begun < LONGEST:
            if connection.execute(_WAITING).fetchone() == (0,):
                return time.monotonic() - begun
            time.sleep(0.1)
    raise BroadsheetError(f"The payloads are not taken in after {LONGEST:.0f} s.")


def _digest(chosen: Settings, issue: int) -> str:
    """Of all facts and events of an issue's readers, whatever the rows' numbers."""
    digest = hashlib.sha256()
    with filling.connected(chosen) as connection:
        for question in (_FACTS, _EVENTS):
            for row in connection.execute(question, (issue,)):
                digest.update(repr(row).encode())
    return digest.hexdigest()[:16]
