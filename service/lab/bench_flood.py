"""What a flood of webhooks costs an issue that is being sent: the same events in three ways. Once and in order about a first issue;
not at all while a second is sent; repeated, shuffled, reversed and a day late while a third is sent. Their end states must be equal."""

import http.client
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from service.errors import BroadsheetError
from service.lab import bench, bench_send, filling, telling
from service.lab.telling import Event
from service.settings import Settings

PAYLOAD = 500
"""Events a POST; SendGrid fills up to 768 KB."""
MOST_REPEATED = 46
"""The most that anybody has reported of one event."""
REPEATED = 0.01
CONNECTIONS = 8


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
        _flood(chosen, key, telling.payloads(once, PAYLOAD))
        telling.wait_until_taken(chosen)
        say(f"{len(once):,} events once and in order; a second issue is sent without any.")
        alone = _rate(chosen, second, say)
        flood = _flooded(_about(chosen, second, events), events)
        say(f"{sum(len(one) for one in flood):,} events at once while a third issue is sent.")
        posts = _Posts()
        flooded, meanwhile = _rate_in_flood(chosen, key, flood, posts, third, say)
        settled = telling.wait_until_taken(chosen)
        digests = [telling.digest(chosen, issue) for issue in (first, second)]
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
    """Distinct events of which, repeated, there are so many in all."""
    return telling.about(chosen, issue, max(1, int(events * (1 - REPEATED * MOST_REPEATED) / telling.A_READER)))


def _flooded(once: Sequence[Event], events: int) -> list[list[Event]]:
    """As many events in all as asked for: some repeated 46 times, the rest again by chance; shuffled, every second payload reversed."""
    chance = random.Random(7)  # noqa: S311 (repeatable, not secret)
    every = list(once)
    for one in chance.sample(every, int(len(every) * REPEATED)):
        every += [one] * (MOST_REPEATED - 1)
    every += chance.choices(once, k=max(0, events - len(every)))
    late = sorted(every, key=lambda one: int(one["timestamp"]))
    chance.shuffle(late)
    return [part[::-1] if n % 2 else part for n, part in enumerate(telling.payloads(late, PAYLOAD))]


def _flood(
    chosen: Settings, key: ec.EllipticCurvePrivateKey, payloads: list[list[Event]], posts: _Posts | None = None
) -> None:
    """Post everything as fast as it is taken, signed as SendGrid does."""
    posts = posts or _Posts()
    bodies = [telling.body_of(one) for one in payloads]
    signed = [(body, telling.headers_of(key, body)) for body in bodies]
    threads = [
        threading.Thread(target=_post_all, args=(chosen.port, signed[n::CONNECTIONS], posts))
        for n in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _post_all(port: int, signed: list[tuple[bytes, dict[str, str]]], posts: _Posts) -> None:
    for body, headers in signed:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
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
