"""How fast an issue leaves: frozen, handed to a bare 202 sink, its ledger closed; everything runs meanwhile, on one machine or on
several homes that share its servers. The yardstick is the same requests, built before, posted with the same concurrency, and one
bare INSERT … SELECT of as many rows."""

import base64
import http.client
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.errors import BroadsheetError
from service.lab import bench, filling, memory
from service.lab import hosts as further
from service.operations import rebuilding, reporting, scheduling, upkeep
from service.settings import ROOT, Settings

LONGEST = 1800.0
RUNS = 3
"""Of each yardstick."""
PREBUILT = 20
"""Requests of the yardstick, posted again and again."""
_UNDER_WAY = ("scheduled", "preparing", "sending")
_SIZES = "SELECT pg_total_relation_size('deliveries') / greatest(1, (SELECT count(*) FROM deliveries))"


def run(
    home: Path,
    readers: int,
    latency: float,
    workers: int,
    say: Callable[[str], None],
    *,
    hosts: int = 1,
    times: int = 3,
    closely_after: float | None = None,
) -> dict[str, Any]:
    """Send issues to so many readers, one after another. `closely_after`: memory counts and not time (see Watch), of an installation
    that has run for so many seconds. Raises BroadsheetError when one is not sent to each of them exactly once."""
    machine = bench.machine()
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    with sink(latency) as port, bench.fresh(home, **real(port, workers, key)) as chosen:
        letter = filled(chosen, readers, closely_after or 0.0)
        say(f"{readers:,} readers are there; {times} issues are sent, one after another.")
        with further.all_of(chosen, hosts) as machines:
            with memory.Watch(home, closely=closely_after is not None) as watch:
                runs = [_once(chosen, port, filling.issue(letter, number), say) for number in range(times)]
            batches = {one.name: one.batches() for one in machines}
        yardstick = _yardsticks(chosen, port, runs[-1], workers * hosts)
        size = _bytes_a_delivery(chosen)
    return {
        **_medians(runs),
        "latency_ms": latency,
        "workers": workers,
        "hosts": hosts,
        **yardstick,
        **_ratios(_medians(runs), yardstick),
        "bytes_a_delivery": size,
        "batches_by_host": batches,
        "runs": runs,
        "memory_mib": watch.highest(),
        "machine": machine | {"load_after": bench.load_average()},
    }


def filled(chosen: Settings, readers: int, age: float) -> int:
    """A newsletter with so many readers, once its installation has run for so many seconds."""
    started = time.monotonic()
    letter = bench.a_newsletter()
    # One in fifty of them has left.
    filling.people(chosen, readers * 50 // 49, letter)
    filling.settle(chosen)
    time.sleep(max(0.0, started + age - time.monotonic()))
    return letter


def _bytes_a_delivery(chosen: Settings) -> int:
    with filling.connected(chosen) as connection:
        size = connection.execute(_SIZES).fetchone() or (0,)
    return int(size[0])


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("freeze_s", "hand_off_per_second", "total_s", "total_per_second")
    return {
        **{name: runs[-1][name] for name in ("readers", "accepted", "requests")},
        "twice": sum(one["twice"] for one in runs),
        **{name: round(statistics.median(one[name] for one in runs), 2) for name in names},
    }


def _ratios(found: dict[str, Any], yardstick: dict[str, Any]) -> dict[str, float]:
    return {
        "freeze_ratio": round(found["freeze_s"] / max(0.001, yardstick["bare_insert_s"]), 1),
        "hand_off_ratio": round(found["hand_off_per_second"] / yardstick["bare_posts_per_second"], 3),
    }


def _once(chosen: Settings, port: int, issue: int, say: Callable[[str], None]) -> dict[str, Any]:
    before = ask(port)
    frozen, sent = send(chosen, issue, say)
    upkeep.check_ledgers()
    ledger = reporting.show(issue)["ledger"]
    requests, taken, twice = (after - one for after, one in zip(ask(port), before, strict=True))
    if twice or not ledger["candidates"] == ledger["accepted"] == taken:
        raise BroadsheetError(f"The sink got {taken:,} readers, {twice:,} of them twice; the ledger says {ledger}.")
    return {
        "issue": issue,
        "readers": ledger["candidates"],
        "accepted": ledger["accepted"],
        "requests": requests,
        "twice": twice,
        "freeze_s": round(frozen, 2),
        "hand_off_per_second": round(taken / max(0.001, sent - frozen)),
        "total_s": round(sent, 2),
        "total_per_second": round(taken / max(0.001, sent)),
    }


def _yardsticks(chosen: Settings, port: int, run: dict[str, Any], workers: int) -> dict[str, Any]:
    """The same requests, built before, posted with the same concurrency; and one bare INSERT … SELECT of as many rows."""
    bodies = rebuilding.rebuild(run["issue"], at_most=PREBUILT)
    requests = min(200, max(20, run["readers"] // 1000))
    posted = [_bare_posts(port, bodies, workers, requests) for _ in range(RUNS)]
    inserted = [_bare_insert(chosen) for _ in range(RUNS)]
    return {
        "bare_insert_s": round(statistics.median(inserted), 3),
        "bare_posts_per_second": round(statistics.median(posted)),
    }


def send(
    chosen: Settings, issue: int, say: Callable[[str], None], on_frozen: threading.Event | None = None
) -> tuple[float, float]:
    """Seconds from Send until the issue was frozen, which may be told, and until it was sent."""
    with filling.connected(chosen) as connection:
        connection.autocommit = True
        begun = time.monotonic()
        scheduling.schedule(issue, actor="bench")
        frozen = _wait(connection, issue, ("scheduled", "preparing"), begun, say)
        if on_frozen is not None:
            on_frozen.set()
        return frozen, _wait(connection, issue, _UNDER_WAY, begun, say)


def real(port: int, workers: int, key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Settings as for real mail, but that it all goes to the sink, and that who has the key's other half is SendGrid."""
    shown = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "SENDGRID_API_KEY": "SG.benchmark",
        "SENDGRID_URL": f"http://127.0.0.1:{port}",
        "SENDGRID_WEBHOOK_KEYS": base64.b64encode(shown).decode(),
        "PUBLIC_URL": "https://letters.example",
        "SENDING_WORKERS": str(workers),
    }


def sink(latency: float) -> AbstractContextManager[int]:
    """The port of a sink for requests, which answers after so many milliseconds."""
    return sink_of("service.lab.sink", str(latency))


@contextmanager
def sink_of(*program: str) -> Iterator[int]:
    """The port of a sink in a process of its own."""
    process = subprocess.Popen(  # noqa: S603 (this interpreter, and a module of ours)
        [sys.executable, "-m", *program], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line.strip().isdigit():
            raise BroadsheetError("The sink did not start.")
        yield int(line)
    finally:
        process.terminate()
        process.wait(10)


def _wait(
    connection: "psycopg.Connection[Any]",
    issue: int,
    while_in: tuple[str, ...],
    begun: float,
    say: Callable[[str], None],
) -> float:
    """Seconds since the beginning until the issue is in another state. The state alone is asked for: more would be measured."""
    while (spent := time.monotonic() - begun) < LONGEST:
        found = connection.execute("SELECT state FROM issues WHERE id = %s", (issue,)).fetchone() or ("lost",)
        if found[0] not in while_in:
            say(f"{found[0]} after {spent:.1f} s")
            return spent
        time.sleep(0.05)
    raise BroadsheetError(f"The issue is not sent after {LONGEST:.0f} s.")


def ask(port: int) -> tuple[int, int, int]:
    """Requests and readers that the sink took, and how many of these it had taken before."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        requests, readers, _, twice = map(int, connection.getresponse().read().split())
        return requests, readers, twice
    finally:
        connection.close()


def _bare_insert(chosen: Settings) -> float:
    """Seconds for one INSERT … SELECT of as many rows with nothing but a primary key."""
    with filling.connected(chosen) as connection:
        connection.execute("CREATE TEMPORARY TABLE bare (id bigint PRIMARY KEY, subscriber_id bigint, email_key bytea)")
        begun = time.monotonic()
        connection.execute("INSERT INTO bare SELECT id, id, email_key FROM subscribers")
        return time.monotonic() - begun


def _bare_posts(port: int, bodies: list[bytes], workers: int, times: int) -> float:
    """Readers a second when nothing is done but posting, on connections that stay open."""
    numbers = iter(range(times))
    readers = [0]
    lock = threading.Lock()

    def post() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            body = bodies[number % len(bodies)]
            connection.request("POST", "/v3/mail/send", body)
            connection.getresponse().read()
            with lock:
                readers[0] += body.count(b'"List-Unsubscribe"')
        connection.close()

    begun = time.monotonic()
    threads = [threading.Thread(target=post) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return readers[0] / (time.monotonic() - begun)
